from kdiag.health.table import TableOptions, fill
from kdiag.health.tables.slab import TABLES, SlabRow
from tests.health.windows import window_of

(SLAB,) = TABLES
SLABINFO = "/proc/slabinfo"

TEXT = b"""\
slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables ...
UDPv6                  0      0   1472   22    8 : tunables    0    0    0 : slabdata      0      0      0
dentry              7120   8211    192   21    1 : tunables    0    0    0 : slabdata    391    391      0
kmalloc-8k             3      4   8192    4    8 : tunables    0    0    0 : slabdata      1      1      0
ext4_inode_cache    9000   9000   1128   14    4 : tunables    0    0    0 : slabdata    643    643      0
"""


def test_the_largest_caches_come_first_and_the_rest_is_summed_up() -> None:
    window = window_of(last={SLABINFO: TEXT}, sections=["slab"])
    table = fill(SLAB, window, TableOptions(top=2))
    assert table.rows == [
        SlabRow("ext4_inode_cache", 10_152_000, 9000, 100.0, 1128),
        SlabRow("dentry", 1_576_512, 8211, 100 * 7120 / 8211, 192),
    ]
    assert table.notes == (
        "2 more caches take 32 KiB",
        "SLUB merges caches of like size, so a name may stand for others too",
    )


def test_an_empty_cache_has_no_share_in_use() -> None:
    table = fill(SLAB, window_of(last={SLABINFO: TEXT}, sections=["slab"]))
    assert table.rows[-1] == SlabRow("UDPv6", 0, 0, None, 1472)
    assert len(table.notes) == 1


def test_who_is_not_root_is_told_why_there_is_nothing() -> None:
    table = fill(SLAB, window_of(last={SLABINFO: 13}, sections=["slab"]))
    assert (table.rows, table.missing) == (
        (),
        "/proc/slabinfo: not permitted (EACCES); only root may read it",
    )


def test_it_is_filled_only_if_it_is_asked_for() -> None:
    assert SLAB.asked
    assert fill(SLAB, window_of()).missing == "/proc/slabinfo: not read"
