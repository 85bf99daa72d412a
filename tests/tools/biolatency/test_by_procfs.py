from typing import List

from kdiag.procfs.diskstats import Disk, parse_diskstats
from kdiag.tools.biolatency.by_procfs import rows_between


def disks(*lines: bytes) -> List[Disk]:
    return list(parse_diskstats(b"".join(line + b"\n" for line in lines)).disks)


BEFORE = disks(
    b" 8 0 sda 100 0 800 50 10 0 80 4294967290 0 0 0 7 0 56 1 3 9",
    b" 8 16 sdb 1 0 8 1 0 0 0 0 0 0 0 0 0 0 0 0 0",
)
AFTER = disks(
    b" 8 0 sda 104 0 832 52 210 0 1680 4 0 0 0 7 0 56 1 4 9",
    b" 8 16 sdb 1 0 8 1 0 0 0 0 0 0 0 0 0 0 0 0 0",
    b" 8 32 sdc 3 0 24 6 0 0 0 0 0 0 0 0 0 0 0 0 0",
)


def test_operations_of_each_disk_with_most_time_first() -> None:
    found = rows_between(BEFORE, AFTER, by_operation=True)
    assert [(row.disk, row.operation, row.ios, row.total_bytes, row.avg_ns) for row in found] == [
        # Its milliseconds are u32, and went past their end.
        ("sda", "W", 200, 1600 * 512, 50_000),
        ("sdc", "R", 3, 24 * 512, 2_000_000),
        ("sda", "R", 4, 32 * 512, 500_000),
        # A whole millisecond did not come together: how long it took, nobody knows.
        ("sda", "F", 1, 0, None),
    ]
    assert {(row.errors, row.max_ns) for row in found} == {(None, None)}


def test_a_disk_as_a_whole() -> None:
    [sda, sdc] = rows_between(BEFORE, AFTER, by_operation=False)
    assert (sda.disk, sda.operation, sda.ios, sda.avg_ns) == ("sda", None, 205, 12e6 / 205)
    assert (sdc.disk, sdc.ios) == ("sdc", 3)


def test_old_kernels_count_less() -> None:
    old = disks(b" 8 0 sda 100 0 800 50 10 0 80 9 0 0 0"), disks(b" 8 0 sda 101 0 808 53 10 0 80 9 0 0 0")
    [row] = rows_between(*old, by_operation=False)
    assert (row.ios, row.avg_ns) == (1, 3e6)
