"""``/proc/diskstats``: what each block device has done since boot.

Documented in Documentation/admin-guide/iostats.rst, made by diskstats_show() in block/genhd.c. A sector is
512 bytes here, whatever the device says. The ``_ms`` fields and ``in_flight`` are u32 in the kernel: a
millisecond counter wraps after 49.7 days, so a smaller second reading is a wrap and not an error. The
other counters are as wide as the kernel's ``long``.

A line is major, minor, name and then 11 numbers; since 4.18 also 4 of discards (18 columns in all), since
5.5 also 2 of flushes (20 columns). Before 2.6.25 a partition had a line of only 4 numbers: reads, sectors
read, writes, sectors written. Traps: ``io_ms`` is approximate since 5.0 and says little about a device that
serves many requests at once; ``weighted_ms`` counts discards and flushes too where the kernel has them; dm
and md devices count again what their legs count; loop, ram and zram devices are in the file as well.
"""

from typing import List, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem, unsigned
from kdiag.records import NamedTuple

__all__ = ["Disk", "DiskStats", "parse_diskstats"]

_WANTED = "MAJOR MINOR NAME and 4, or 11 and more, numbers"
_SHORT_COLUMNS = (0, 2, 4, 6)  # where the numbers of a partition's line before 2.6.25 belong
_SHORT, _FIRST, _ALL = len(_SHORT_COLUMNS), 11, 17


class Disk(NamedTuple):
    """One device or partition; what its kernel does not count is ``None``."""

    major: int
    minor: int
    name: str
    reads: int
    reads_merged: Optional[int]
    read_sectors: int
    read_ms: Optional[int]
    writes: int
    writes_merged: Optional[int]
    written_sectors: int
    write_ms: Optional[int]
    in_flight: Optional[int]
    io_ms: Optional[int]
    weighted_ms: Optional[int]
    discards: Optional[int]
    discards_merged: Optional[int]
    discarded_sectors: Optional[int]
    discard_ms: Optional[int]
    flushes: Optional[int]
    flush_ms: Optional[int]
    extra: Tuple[int, ...]


class DiskStats(NamedTuple):
    """All lines, in the kernel's order; ``extra`` of a disk holds columns that came after these."""

    disks: Tuple[Disk, ...]
    problems: Tuple[Problem, ...] = ()


def parse_diskstats(data: bytes, path: str = "/proc/diskstats") -> DiskStats:
    r"""Parse the block devices' counters.

    >>> parsed = parse_diskstats(
    ...     b" 254       0 vda 7743 5214 954066 2903 1491 10887 448656 1176 0 1256 4233 3 6 40 1 79 2\n")
    >>> disk = parsed.disks[0]
    >>> disk.name, disk.reads, disk.read_sectors, disk.io_ms, disk.flushes
    ('vda', 7743, 954066, 1256, 79)
    """
    problems: List[Problem] = []
    disks: List[Disk] = []
    for number, line in complete_lines(data, path, problems):
        disk = _parse_line(line)
        if disk is None:
            problems.append(problem(path, number, line, _WANTED))
        else:
            disks.append(disk)
    return DiskStats(tuple(disks), tuple(problems))


def _parse_line(line: bytes) -> Optional[Disk]:
    tokens = line.split()
    if len(tokens) < 3 + _SHORT:
        return None
    name, count = tokens[2], len(tokens) - 3
    if not all(token.isdigit() for token in tokens[3:]):
        # The driver chose the name, and nothing forbids a blank in it: only the numbers after it are sure.
        count = _numbers_at_the_end(tokens)
        name = line.split(None, 2)[2].rsplit(None, count)[0]
    major, minor = unsigned(tokens[0]), unsigned(tokens[1])
    counters: List[Optional[int]] = [unsigned(token) for token in tokens[len(tokens) - count :]]
    if major is None or minor is None or not (count == _SHORT or count >= _FIRST):
        return None
    if count == _SHORT:
        short, counters = counters, [None] * _ALL
        for column, value in zip(_SHORT_COLUMNS, short):
            counters[column] = value
    missing = [None] * (_ALL - len(counters))
    extra = tuple(counters[_ALL:])
    return Disk._make((major, minor, decode(name), *counters[:_ALL], *missing, extra))


def _numbers_at_the_end(tokens: List[bytes]) -> int:
    count = 0
    while tokens[-1 - count].isdigit():
        count += 1
    return count
