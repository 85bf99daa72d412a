"""Disks: requests, bytes, waiting times and queue, as ``iostat -x`` shows them."""

from typing import List, Optional, Tuple

from kdiag.health.figures.disks import DiskView, is_layered, view_disks
from kdiag.health.table import Rows, Table, TableOptions
from kdiag.health.window import Window
from kdiag.records import NamedTuple

__all__ = ["TABLES", "DiskRow"]

_HEADERS = {
    "reads_per_s": "r/s",
    "writes_per_s": "w/s",
    "written_kib_per_s": "write/s",
    "read_await_ms": "r_await",
    "write_await_ms": "w_await",
    "queue": "aqu-sz",
}


class DiskRow(NamedTuple):
    """One disk; waiting times, queue and utilisation are unknown since boot, because their counters wrap."""

    disk: str
    reads_per_s: Optional[float]
    writes_per_s: Optional[float]
    read_kib_per_s: Optional[float]
    written_kib_per_s: Optional[float]
    read_await_ms: Optional[float]
    write_await_ms: Optional[float]
    queue: Optional[float]
    util_pct: Optional[float]


def _rows(window: Window, options: TableOptions) -> Rows:
    views = sorted(view_disks(window), key=_busy, reverse=True)
    shown, left_out = views[: options.top], views[options.top :]
    return Rows([_row(view) for view in shown], window.basis, tuple(_notes(window, shown, len(left_out))))


def _busy(view: DiskView) -> Tuple[float, float, float]:
    rates = view.rates
    if rates is None:
        return (0.0, 0.0, 0.0)
    return (
        rates.util_pct or 0.0,
        max(rates.read_await_ms or 0.0, rates.write_await_ms or 0.0),
        rates.read_kib_per_s + rates.written_kib_per_s,
    )


def _row(view: DiskView) -> DiskRow:
    rates = view.rates
    if rates is None:
        return DiskRow(view.disk.name, None, None, None, None, None, None, None, None)
    return DiskRow(
        view.disk.name,
        rates.reads_per_s,
        rates.writes_per_s,
        rates.read_kib_per_s,
        rates.written_kib_per_s,
        rates.read_await_ms,
        rates.write_await_ms,
        rates.queue,
        rates.util_pct,
    )


def _notes(window: Window, shown: List[DiskView], left_out: int) -> List[str]:
    notes = [f"{view.disk.name}: {view.unknown}" for view in shown if view.unknown]
    notes += [told for told in map(_discards, shown) if told]
    layered = [view.disk.name for view in shown if is_layered(view.disk)]
    if layered:
        notes.append(f"counted again in the disks below them: {', '.join(layered)}")
    if window.since_boot:
        notes.append("waiting times, queue and utilisation need two readings: their counters wrap")
    if left_out:
        notes.append(f"{left_out} less busy disks are not shown (--top)")
    return notes


def _discards(view: DiskView) -> str:
    """Say what was discarded (TRIM), where anything was."""
    rates = view.rates
    if rates is None or not rates.discards_per_s:
        return ""
    told = f"{view.disk.name}: {rates.discards_per_s:.1f} discards/s"
    if rates.discarded_kib_per_s is not None:
        told += f" of {rates.discarded_kib_per_s:.0f} KiB/s"
    if rates.discard_await_ms is not None:
        told += f", each took {rates.discard_await_ms:.1f} ms"
    return told


TABLES = (Table("disks", "Disks", DiskRow, _rows, _HEADERS),)
