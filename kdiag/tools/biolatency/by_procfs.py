"""biolatency by the counters of /proc/diskstats: averages of each disk, which every user can read."""

from typing import Dict, Iterator, List, Optional, Tuple

from kdiag.host.base import ReadError
from kdiag.procfs.diskstats import Disk, parse_diskstats
from kdiag.records import NamedTuple
from kdiag.tools.biolatency import BlockLatencyRow
from kdiag.tools.block_disks import check_disk, whole_disks
from kdiag.tools.run import Run
from kdiag.tools.tool import CannotUse, Item, Summary

__all__ = ["rows_between", "run"]

_PATH = "/proc/diskstats"
_SECTOR_BYTES = 512
_NS_PER_MS = 1_000_000
#: The counters of milliseconds are u32.
_WRAP_MS = 1 << 32
_NOTE = (
    "times are averages with the time in the kernel's queues, of whole milliseconds in the kernel's counters"
)


class _Counts(NamedTuple):
    """Requests of one kind: how many, their sectors, their time."""

    ios: int
    sectors: int
    ms: int


def run(run: Run) -> Iterator[Item]:
    """Compare the counters until it ends."""
    if run.target is not None:
        raise CannotUse(f"{_PATH} does not say whose requests they are", "ask for all processes")
    check_disk(run.host, run.options["disk"])
    try:
        past = _disks(run)
    except ReadError as error:
        raise CannotUse(str(error)) from None
    run.notes.append(_NOTE)
    run.plan.append(f"read: {_PATH} at the begin and at the end of each interval")
    run.begin()
    begun_s = 0.0
    for _ in run.ticks():
        now = _disks(run)
        rows = rows_between(past, now, by_operation=run.options["operations"])
        yield Summary(tuple(rows), (), (), begun_s, run.duration_s - begun_s)
        begun_s, past = run.duration_s, now


def _disks(run: Run) -> List[Disk]:
    """Return the disks' counters, without those of partitions, which count again what the disk does."""
    asked = run.options["disk"]
    wanted = whole_disks(run.host) if asked is None else [asked]
    return [disk for disk in parse_diskstats(run.host.read(_PATH)).disks if disk.name in wanted]


def rows_between(past: List[Disk], now: List[Disk], *, by_operation: bool) -> List[BlockLatencyRow]:
    """Return what was done between two readings, most time first. A disk that is new began at 0."""
    before = {disk.name: _counts(disk) for disk in past}
    rows: List[Tuple[int, BlockLatencyRow]] = []
    for disk in now:
        found: Dict[Optional[str], _Counts] = {}
        for operation, counts in _counts(disk).items():
            key = operation if by_operation else None
            was = before.get(disk.name, {}).get(operation, _Counts(0, 0, 0))
            sums = found.get(key, _Counts(0, 0, 0))
            found[key] = _Counts(
                sums.ios + counts.ios - was.ios,
                sums.sectors + counts.sectors - was.sectors,
                sums.ms + (counts.ms - was.ms) % _WRAP_MS,
            )
        rows += [(each.ms, _row(disk.name, key, each)) for key, each in found.items() if each.ios > 0]
    return [row for _, row in sorted(rows, key=lambda each: (-each[0], -each[1].ios, each[1].disk))]


def _row(disk: str, operation: Optional[str], counts: _Counts) -> BlockLatencyRow:
    avg_ns = counts.ms * _NS_PER_MS / counts.ios if counts.ms else None
    return BlockLatencyRow(disk, operation, counts.ios, None, counts.sectors * _SECTOR_BYTES, avg_ns, None)


def _counts(disk: Disk) -> Dict[str, _Counts]:
    """Return the counters by the operation's letter; those that the kernel does not have are left out."""
    every = {
        "R": (disk.reads, disk.read_sectors, disk.read_ms),
        "W": (disk.writes, disk.written_sectors, disk.write_ms),
        "D": (disk.discards, disk.discarded_sectors, disk.discard_ms),
        "F": (disk.flushes, 0, disk.flush_ms),
    }
    return {
        letter: _Counts(ios, sectors, ms)
        for letter, (ios, sectors, ms) in every.items()
        if ios is not None and sectors is not None and ms is not None
    }
