"""What each disk did between two samples: rates, waiting times, queue, as ``iostat -x`` gives them.

Documented in Documentation/admin-guide/iostats.rst. The traps of /proc/diskstats are dealt with here once:

- Millisecond counters are u32 and wrap after 2^32 ms of waiting summed over all requests: after 49.7 days, or
  after one day with fifty requests waiting all the time. Between two samples a wrap is put right; since boot
  nothing tells how many there were, so there are no waiting times, queue or utilisation then.
- A request counts when it ends. With no ended request there is no waiting time, which is not one of 0.
- A partition counts again what its disk counts, dm and md devices what the disks below them count; loop, ram
  and zram devices are no disks.
- A device whose counters went back was taken away and came again: nothing is known of it.
"""

from typing import Iterable, List, Optional

from kdiag.health.window import CannotJudge, Window, counter_delta
from kdiag.procfs.diskstats import Disk
from kdiag.records import NamedTuple

__all__ = ["DISKSTATS", "DiskRates", "DiskView", "disk_rates", "is_layered", "view_disks", "whole_disks"]

DISKSTATS = "/proc/diskstats"

_SECTORS_PER_KIB = 2
_MS_PER_S = 1000
#: Devices in memory, and files that look like devices.
_NO_DISKS = ("loop", "ram", "zram")
#: Devices that are made of others and count what those count: device mapper, software RAID, caches, mirrors.
_LAYERED = ("dm-", "md", "bcache", "drbd")
_MD_MAJOR = 9  # an array may have any name (mdadm's CREATE names=yes)


class DiskRates(NamedTuple):
    """One disk's work per second; ``None`` where the kernel does not count it, or nothing ended."""

    reads_per_s: float
    writes_per_s: float
    read_kib_per_s: float
    written_kib_per_s: float
    discards_per_s: Optional[float]
    discarded_kib_per_s: Optional[float]
    flushes_per_s: Optional[float]
    read_await_ms: Optional[float]
    """From the time a request was made until it ended, on average."""
    write_await_ms: Optional[float]
    discard_await_ms: Optional[float]
    flush_await_ms: Optional[float]
    reading: Optional[float]
    """Requests of this kind that waited or were served, on average over the time."""
    writing: Optional[float]
    queue: Optional[float]
    """Requests of all kinds that waited or were served, on average over the time."""
    util_pct: Optional[float]
    """Share of the time in which at least one request was in the device."""

    @property
    def ended_per_s(self) -> float:
        """Requests of all kinds that ended."""
        return self.reads_per_s + self.writes_per_s + (self.discards_per_s or 0) + (self.flushes_per_s or 0)


class DiskView(NamedTuple):
    """A disk and its rates; ``unknown`` says why there are none, or not all."""

    disk: Disk
    before: Optional[Disk]
    rates: Optional[DiskRates]
    unknown: str = ""


def view_disks(window: Window) -> List[DiskView]:
    """Return every whole disk that was ever used, with its rates.

    Raises :class:`~kdiag.health.window.CannotJudge` where nothing is known of any.
    """
    stats = window.after.diskstats
    if stats is None:
        raise CannotJudge(DISKSTATS, window.after.why_missing(DISKSTATS))
    if not stats.disks and stats.problems:
        raise CannotJudge(DISKSTATS, "no line of it could be read")
    seconds = window.seconds(DISKSTATS)
    if not seconds:
        raise CannotJudge(DISKSTATS, "the time between the readings is not known")
    earlier = window.before.diskstats if window.before is not None else None
    if window.before is not None and earlier is None:
        raise CannotJudge(DISKSTATS, f"{window.before.why_missing(DISKSTATS)} (in the first reading)")
    known = {disk[:3]: disk for disk in earlier.disks} if earlier is not None else {}
    views: List[DiskView] = []
    for disk in whole_disks(stats.disks):
        before = known.get(disk[:3])
        if window.before is not None and before is None:
            views.append(DiskView(disk, None, None, "it came between the readings"))
            continue
        rates = disk_rates(before, disk, seconds)
        views.append(DiskView(disk, before, rates, _why_unknown(before, rates)))
    return views


def disk_rates(before: Optional[Disk], after: Disk, seconds: float) -> Optional[DiskRates]:
    """Return what a disk did in ``seconds`` (since boot without ``before``), or ``None`` after a reset."""

    def grown(field: str, kind: str = "counter64") -> Optional[int]:
        last: Optional[int] = getattr(after, field)
        first: Optional[int] = getattr(before, field) if before is not None else 0
        return None if first is None or last is None else counter_delta(first, last, kind)

    def milliseconds(field: str) -> Optional[int]:
        return None if before is None else grown(field, "counter32")

    reads, writes = grown("reads"), grown("writes")
    read, written = grown("read_sectors"), grown("written_sectors")
    if reads is None or writes is None or read is None or written is None:
        return None
    discards, discarded, flushes = grown("discards"), grown("discarded_sectors"), grown("flushes")
    read_ms, write_ms, busy_ms = milliseconds("read_ms"), milliseconds("write_ms"), milliseconds("io_ms")
    return DiskRates(
        reads / seconds,
        writes / seconds,
        read / _SECTORS_PER_KIB / seconds,
        written / _SECTORS_PER_KIB / seconds,
        None if discards is None else discards / seconds,
        None if discarded is None else discarded / _SECTORS_PER_KIB / seconds,
        None if flushes is None else flushes / seconds,
        _each(read_ms, reads),
        _each(write_ms, writes),
        _each(milliseconds("discard_ms"), discards),
        _each(milliseconds("flush_ms"), flushes),
        _on_average(read_ms, seconds),
        _on_average(write_ms, seconds),
        _on_average(milliseconds("weighted_ms"), seconds),
        # The time that a long request took may be added when it ends (block/blk-core.c, update_io_ticks).
        None if busy_ms is None else min(100.0, 100 * busy_ms / _MS_PER_S / seconds),
    )


def whole_disks(disks: Iterable[Disk]) -> List[Disk]:
    """Return the devices that are neither partitions nor memory, as far as they were ever used.

    A partition is named after its disk, with a number, or ``p`` and a number behind a digit. That a disk of
    such a name is there decides: some virtual machines have a disk ``xvda1`` and no ``xvda``.
    """
    listed = list(disks)
    names = {disk.name for disk in listed}
    return [
        disk
        for disk in listed
        if (disk.reads or disk.writes or disk.discards or disk.in_flight)
        and not (disk.name.startswith(_NO_DISKS) or _parent(disk.name) in names)
    ]


def is_layered(disk: Disk) -> bool:
    """Return true for a device made of other devices, whose work is counted there too."""
    return disk.major == _MD_MAJOR or disk.name.rstrip("0123456789") in _LAYERED


def _parent(name: str) -> str:
    """Return the disk that a partition of this name would be on, empty if it cannot be one.

    >>> _parent("sda12"), _parent("nvme0n1p2"), _parent("dm-1"), _parent("sdb"), _parent("loop0")
    ('sda', 'nvme0n1', 'dm-', '', 'loop')
    """
    stem = name.rstrip("0123456789")
    if stem == name:
        return ""
    return stem[:-1] if stem.endswith("p") and stem[-2:-1].isdigit() else stem


def _why_unknown(before: Optional[Disk], rates: Optional[DiskRates]) -> str:
    if rates is None:
        return "its counters were reset"
    if before is not None and None in (rates.reading, rates.writing, rates.queue, rates.util_pct):
        return "its waiting times are not counted, or were reset"
    return ""


def _each(spent_ms: Optional[int], requests: Optional[int]) -> Optional[float]:
    return spent_ms / requests if requests and spent_ms is not None else None


def _on_average(spent_ms: Optional[int], seconds: float) -> Optional[float]:
    return None if spent_ms is None else spent_ms / _MS_PER_S / seconds
