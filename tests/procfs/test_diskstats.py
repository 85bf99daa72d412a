import pytest

from kdiag.procfs.diskstats import Disk, parse_diskstats
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

# One line of each generation of diskstats_show().
PARTITION_BEFORE_2_6_25 = b"   8    1 sda1 486 3906 31 62\n"
DISK_3_16 = b"   8       0 sda 1061 12 89258 5380 1486 11 29888 1476 0 3160 6856\n"
DISK_4_18 = b" 259       0 nvme0n1 9 1 2 3 4 5 6 7 0 8 9 10 11 12 13\n"
DISK_6_18 = (
    b" 254       0 vda 7743 5214 954066 2903 1491 10887 448656 1176 1 1256 4233 3200 60 40992 149 79 2\n"
)


def test_all_20_columns_are_read() -> None:
    assert parse_diskstats(DISK_6_18).disks == (
        Disk(
            major=254,
            minor=0,
            name="vda",
            reads=7743,
            reads_merged=5214,
            read_sectors=954066,
            read_ms=2903,
            writes=1491,
            writes_merged=10887,
            written_sectors=448656,
            write_ms=1176,
            in_flight=1,
            io_ms=1256,
            weighted_ms=4233,
            discards=3200,
            discards_merged=60,
            discarded_sectors=40992,
            discard_ms=149,
            flushes=79,
            flush_ms=2,
            extra=(),
        ),
    )


def test_generations_of_columns_can_be_mixed_and_what_one_lacks_is_none() -> None:
    parsed = parse_diskstats(PARTITION_BEFORE_2_6_25 + DISK_3_16 + DISK_4_18 + DISK_6_18)
    assert parsed.problems == ()
    assert [
        (disk.name, disk.writes, disk.weighted_ms, disk.discard_ms, disk.flush_ms) for disk in parsed.disks
    ] == [
        ("sda1", 31, None, None, None),
        ("sda", 1486, 6856, None, None),
        ("nvme0n1", 4, 9, 13, None),
        ("vda", 1491, 4233, 149, 2),
    ]


def test_the_four_numbers_of_an_old_partition_are_reads_and_writes_with_their_sectors() -> None:
    disk = parse_diskstats(PARTITION_BEFORE_2_6_25).disks[0]
    assert (disk.reads, disk.read_sectors, disk.writes, disk.written_sectors) == (486, 3906, 31, 62)
    assert (disk.reads_merged, disk.read_ms, disk.write_ms, disk.in_flight, disk.io_ms) == (None,) * 5


def test_columns_of_a_later_kernel_survive() -> None:
    disk = parse_diskstats(DISK_6_18[:-1] + b" 21 22\n").disks[0]
    assert (disk.flush_ms, disk.extra) == (2, (21, 22))


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"cciss/c0d0", "cciss/c0d0"),
        (b"7", "7"),
        (b"my disk", "my disk"),
        (b"a\x0b b\x1b[31m", "a\x0b b\x1b[31m"),
        (b"\xff-", "\udcff-"),
    ],
)
def test_a_name_may_hold_any_byte(raw: bytes, name: str) -> None:
    parsed = parse_diskstats(DISK_6_18.replace(b"vda", raw))
    assert (parsed.disks[0].name, parsed.disks[0].reads, parsed.problems) == (name, 7743, ())


@pytest.mark.parametrize("value", [2**32 - 1, 2**32, 2**64 - 1, 2**64])
def test_counters_are_exact_at_the_limits_of_the_kernels_types(value: int) -> None:
    disk = parse_diskstats(b"8 0 sda" + b" %d" % value * 17 + b"\n").disks[0]
    assert (disk.reads, disk.read_ms, disk.flush_ms) == (value, value, value)


def test_a_bad_line_is_named_and_the_others_survive() -> None:
    parsed = parse_diskstats(DISK_3_16 + b"   8 1 sda1 1 2 3 4 5 6\n8 x sdb 1 2 3 4\n" + DISK_6_18)
    assert [disk.name for disk in parsed.disks] == ["sda", "vda"]
    wanted = "MAJOR MINOR NAME and 4, or 11 and more, numbers"
    assert parsed.problems == (
        Problem("/proc/diskstats", 2, "   8 1 sda1 1 2 3 4 5 6", wanted),
        Problem("/proc/diskstats", 3, "8 x sdb 1 2 3 4", wanted),
    )


def test_a_line_without_numbers_is_a_problem() -> None:
    assert parse_diskstats(b"8 0 a b c d e f g\n").problems[0].line == 1


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_diskstats, PARTITION_BEFORE_2_6_25 + DISK_3_16 + DISK_6_18)
    holds_for_any_bytes(parse_diskstats, PARTITION_BEFORE_2_6_25 + DISK_3_16 + DISK_6_18)
