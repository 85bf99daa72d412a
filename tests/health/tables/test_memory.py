from kdiag.health.table import TableOptions, fill
from kdiag.health.tables.memory import TABLES, MemoryRow
from tests.health.windows import window_of

(MEMORY,) = TABLES
MEMINFO, ZONEINFO = "/proc/meminfo", "/proc/zoneinfo"

TEXT = b"""\
MemTotal:        1000000 kB
MemFree:          100000 kB
MemAvailable:     540000 kB
Buffers:           10000 kB
Cached:           500000 kB
SwapCached:            8 kB
Dirty:              3000 kB
Writeback:           500 kB
AnonPages:        200000 kB
Shmem:             50000 kB
SReclaimable:      40000 kB
SUnreclaim:        20000 kB
KernelStack:        1000 kB
PageTables:         2000 kB
VmallocUsed:        4000 kB
Percpu:              500 kB
HugePages_Total:       4
Hugepagesize:       2048 kB
Hugetlb:           12000 kB
"""


def test_each_kind_is_a_row_with_its_share() -> None:
    table = fill(MEMORY, window_of(last={MEMINFO: TEXT}))
    assert table.rows == [
        MemoryRow("total", 1_000_000, 100.0),
        MemoryRow("available", 540_000, 54.0),
        MemoryRow("free", 100_000, 10.0),
        MemoryRow("page cache", 450_000, 45.0),
        MemoryRow("buffers", 10_000, 1.0),
        MemoryRow("shmem, tmpfs", 50_000, 5.0),
        MemoryRow("anonymous", 200_000, 20.0),
        MemoryRow("slab, reclaimable", 40_000, 4.0),
        MemoryRow("slab, unreclaimable", 20_000, 2.0),
        MemoryRow("page tables", 2_000, 0.2),
        MemoryRow("kernel stacks", 1_000, 0.1),
        MemoryRow("per-CPU", 500, 0.05),
        MemoryRow("vmalloc", 4_000, 0.4),
        MemoryRow("huge pages", 12_000, 1.2),
        MemoryRow("dirty", 3_000, 0.3),
        MemoryRow("writeback", 500, 0.05),
        MemoryRow("swap cache", 8, 0.0008),
    ]
    assert (table.basis, table.notes) == ("instant", ("rows overlap; --explain says which",))


def test_every_row_is_explained_if_asked_for() -> None:
    table = fill(MEMORY, window_of(), TableOptions(explain=True))
    explained = {note.partition(":")[0] for note in table.notes}
    assert {row["kind"] for row in table.as_dicts()} <= explained
    (page_cache,) = [note for note in table.notes if note.startswith("page cache:")]
    assert "without Shmem" in page_cache


def test_what_this_kernel_does_not_say_is_unknown_and_not_0() -> None:
    table = fill(MEMORY, window_of(last={MEMINFO: b"MemTotal: 1000 kB\nMemFree: 10 kB\nCached: 5 kB\n"}))
    rows = {row["kind"]: row["size_kib"] for row in table.as_dicts()}
    assert rows["free"] == 10
    assert {size for kind, size in rows.items() if kind not in ("total", "free")} == {None}
    assert table.notes == (
        "available: /proc/meminfo: Active(file) is not in it",
        "rows overlap; --explain says which",
    )


def test_an_estimate_of_available_memory_is_said_to_be_one() -> None:
    old = TEXT.replace(b"MemAvailable:     540000 kB\n", b"") + b"Active(file): 9 kB\nInactive(file): 9 kB\n"
    table = fill(MEMORY, window_of(last={MEMINFO: old, ZONEINFO: b"Node 0, zone DMA\n  pages low 0\n"}))
    assert table.rows[1] == MemoryRow("available", 140_018, 14.0018)
    assert table.notes[0] == "available is an estimate, as this kernel has no MemAvailable"


def test_page_cache_is_never_less_than_nothing() -> None:
    torn = b"MemTotal: 1000 kB\nMemAvailable: 9 kB\nCached: 50 kB\nShmem: 51 kB\n"
    assert fill(MEMORY, window_of(last={MEMINFO: torn})).rows[3] == MemoryRow("page cache", 0, 0.0)


def test_without_meminfo_the_table_is_empty_with_the_reason() -> None:
    table = fill(MEMORY, window_of(last={MEMINFO: 13}))
    assert (table.rows, table.missing) == ((), "/proc/meminfo: not permitted (EACCES)")
