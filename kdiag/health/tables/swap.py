"""Swap areas, reclaim, and faults."""

from typing import Callable, List, Optional

from kdiag.health.figures.memory import SWAPS, VMSTAT, folding_note
from kdiag.health.sample import Sample
from kdiag.health.table import Rows, Table, TableOptions
from kdiag.health.window import Window, known
from kdiag.procfs.vmstat import VmStat
from kdiag.records import NamedTuple

__all__ = ["TABLES", "ReclaimRow", "SwapRow"]


class SwapRow(NamedTuple):
    """One swap area; ``kind`` is partition, file, or zram, which takes memory as it fills."""

    area: str
    kind: str
    size_kib: int
    used_kib: int
    used_pct: Optional[float]
    priority: int


class ReclaimRow(NamedTuple):
    """One counter of /proc/vmstat, or some that count one thing, by the kernel's name."""

    counter: str
    count_per_s: Optional[float]
    since_boot: Optional[int]
    meaning: str


def _swap_rows(window: Window, options: TableOptions) -> Rows:
    sample = window.after
    areas = known(sample, sample.swaps, SWAPS).areas
    rows = [
        SwapRow(
            area.name,
            "zram" if area.is_zram else area.kind,
            area.size_kib,
            area.used_kib,
            100 * area.used_kib / area.size_kib if area.size_kib else None,
            area.priority,
        )
        for area in areas
    ]
    notes = () if rows else ("there is no swap area",)
    if any(area.is_zram for area in areas):
        notes = ("zram is memory: what is swapped to it is compressed, not gone",)
    return Rows(rows, notes=notes)


class _Counter(NamedTuple):
    name: str
    get: Callable[[VmStat], Optional[int]]
    meaning: str


def _pages(name: str) -> Callable[[VmStat], Optional[int]]:
    """Return how to get a counter of pages, which older kernels keep for each zone (3.10)."""

    def get(vmstat: VmStat) -> Optional[int]:
        whole: Optional[int] = getattr(vmstat, f"{name}_pages")
        if whole is not None:
            return whole
        zones = ("dma", "dma32", "normal", "high", "movable")
        found = [vmstat.extra[f"{name}_{zone}"] for zone in zones if f"{name}_{zone}" in vmstat.extra]
        return sum(found) if found else None

    return get


def _refaults(vmstat: VmStat) -> Optional[int]:
    anon, file = vmstat.workingset_refault_anon_pages, vmstat.workingset_refault_file_pages
    if anon is None or file is None:
        return vmstat.workingset_refault_pages
    return anon + file


_COUNTERS = (
    _Counter("pswpin", _pages("pswpin"), "pages read from swap"),
    _Counter("pswpout", _pages("pswpout"), "pages written to swap"),
    _Counter("pgfault", lambda vmstat: vmstat.pgfault, "page faults"),
    _Counter("pgmajfault", lambda vmstat: vmstat.pgmajfault, "of these, with a read from a disk"),
    _Counter("workingset_refault", _refaults, "pages read back soon after they were reclaimed"),
    _Counter("pgscan", lambda vmstat: vmstat.pgscan_total_pages, "pages looked at for reclaim"),
    _Counter("pgscan_kswapd", _pages("pgscan_kswapd"), "of these, by kswapd, ahead of need"),
    _Counter("pgscan_direct", _pages("pgscan_direct"), "of these, by tasks that wait for memory"),
    _Counter("pgsteal_anon", _pages("pgsteal_anon"), "pages reclaimed from programs (to swap)"),
    _Counter("pgsteal_file", _pages("pgsteal_file"), "pages reclaimed from page cache"),
    _Counter("pgsteal_kswapd", _pages("pgsteal_kswapd"), "of both, by kswapd"),
    _Counter("pgsteal_direct", _pages("pgsteal_direct"), "of both, by tasks that wait for memory"),
    _Counter("allocstall", lambda vmstat: vmstat.allocstall_total, "allocations that had to reclaim first"),
    _Counter("oom_kill", lambda vmstat: vmstat.oom_kill, "tasks killed for want of memory"),
)


def _reclaim_rows(window: Window, options: TableOptions) -> Rows:
    sample = window.after
    vmstat = known(sample, sample.vmstat, VMSTAT)
    rows: List[ReclaimRow] = []
    for counter in _COUNTERS:

        def get(of: Sample, counter: _Counter = counter) -> Optional[int]:
            return None if of.vmstat is None else counter.get(of.vmstat)

        rows.append(ReclaimRow(counter.name, window.per_s(VMSTAT, get), counter.get(vmstat), counter.meaning))
    notes = [
        "rows that say `of` are parts of rows above, which may also hold reclaim for the limit of a cgroup"
    ]
    note = folding_note(window)
    if note:
        notes.insert(0, f"rates are {note}")
    return Rows(rows, window.basis, tuple(notes))


TABLES = (
    Table("swap", "Swap areas", SwapRow, _swap_rows),
    Table("reclaim", "Swapping, faults and reclaim", ReclaimRow, _reclaim_rows),
)
