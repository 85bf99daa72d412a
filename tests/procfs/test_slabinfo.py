import pytest

from kdiag.procfs.slabinfo import SlabCache, parse_slabinfo
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

SLABINFO_6_18 = b"""\
slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>
AF_VSOCK              24     24   1280   12    4 : tunables    0    0    0 : slabdata      2      2      0
dentry              7120   8211    192   21    1 : tunables    0    0    0 : slabdata    391    391      0
sock_subflow_v6        0      0    392   20    2 : tunables    0    0    0 : slabdata      0      0      0
"""
WANTED = "NAME and 5 numbers : tunables ... : slabdata ..."


def test_caches_are_read_with_their_sizes() -> None:
    parsed = parse_slabinfo(SLABINFO_6_18)
    assert parsed.version == "2.1"
    assert parsed.caches == (
        SlabCache("AF_VSOCK", 24, 24, 1280, 12, 4, 2, 2),
        SlabCache("dentry", 7120, 8211, 192, 21, 1, 391, 391),
        SlabCache("sock_subflow_v6", 0, 0, 392, 20, 2, 0, 0),
    )
    assert parsed.problems == ()


def test_the_objects_of_a_cache_and_the_pages_it_holds_are_two_things() -> None:
    vsock = parse_slabinfo(SLABINFO_6_18).caches[0]
    assert (vsock.objects_bytes, vsock.total_pages) == (30720, 8)


def test_a_name_may_hold_blanks_and_any_byte() -> None:
    parsed = parse_slabinfo(b"my \xff cache 1 2 64 64 1 : tunables 0 0 0 : slabdata 1 1 0\n")
    assert [cache.name for cache in parsed.caches] == ["my \udcff cache"]


def test_statistics_behind_the_slab_data_do_no_harm() -> None:
    # A kernel with CONFIG_DEBUG_SLAB appends them.
    cache = b"a 1 2 64 64 1 : tunables 0 0 0 : slabdata 3 4 0 : globalstat 9\n"
    parsed = parse_slabinfo(b"slabinfo - version: 2.1 (statistics)\n" + cache)
    assert (parsed.version, parsed.problems) == ("2.1 (statistics)", ())
    assert parsed.caches == (SlabCache("a", 1, 2, 64, 64, 1, 3, 4),)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"dentry 1 2 3 4 5",
        b"1 2 3 4 5 : tunables 0 0 0 : slabdata 1 1 0",
        b"dentry 1 2 -3 4 5 : tunables 0 0 0 : slabdata 1 1 0",
        b"dentry 1 2 3 4 5 : tunables 0 0 0 : slabdata 1",
    ],
)
def test_a_bad_line_is_named_and_the_others_survive(line: bytes) -> None:
    parsed = parse_slabinfo(
        SLABINFO_6_18 + line + b"\n" + SLABINFO_6_18.split(b"\n")[2] + b"\n", "/r/proc/slabinfo"
    )
    assert parsed.problems == (Problem("/r/proc/slabinfo", 6, line.decode(), WANTED),)
    assert len(parsed.caches) == 4


@pytest.mark.parametrize("count", [2**32, 2**64])
def test_counts_are_exact_beyond_32_and_64_bits(count: int) -> None:
    parsed = parse_slabinfo(b"a %d %d 8 512 1 : tunables 0 0 0 : slabdata %d %d 0\n" % ((count,) * 4))
    assert parsed.caches[0].objects_bytes == 8 * count


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_slabinfo, SLABINFO_6_18)
    holds_for_any_bytes(parse_slabinfo, SLABINFO_6_18)
