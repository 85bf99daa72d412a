"""``/proc/vmstat`` and ``/sys/devices/system/node/nodeN/vmstat``: page states, and what reclaim has done.

Made by mm/vmstat.c; the events are counted in mm/vmscan.c, mm/compaction.c and mm/page_alloc.c. ``nr_*`` are
pages as of now; all else counts since boot. Every counter that has no field here is kept in ``extra``.

The fields bear the kernel's names with the unit behind them: ``pgpgin`` and ``pgpgout`` are KiB
(vmstat_start halves the sectors), ``pswpin`` and ``pswpout`` pages; ``allocstall``, ``compact_stall``,
``pageoutrun`` and the like are events. ``nr_dirtied`` and ``nr_written`` only grow, in spite of their names.
``nr_dirty_threshold`` and its background twin are the limits in force: no ratio has to be worked out.

Traps. ``pgscan`` and ``pgsteal`` count each page twice, by who reclaimed it (kswapd, direct, ...) and by what
it was (anon, file): never add both, see ``pgscan_total_pages``. Reclaim for the limit of a cgroup may be in
the second count only (shrink_inactive_list), which is then the larger. Older kernels keep ``allocstall`` in
one number, and ``pgscan_direct`` and its kin in one for each zone (3.10: ``pgscan_direct_normal``). The
kernel folds the CPUs' counts once in vm.stat_interval (1 s): a shorter window misses some.
"""

from typing import List, Mapping, Optional, Tuple

from kdiag.procfs.flat_keyed import flat_keyed
from kdiag.procfs.text import Problem
from kdiag.records import NamedTuple

__all__ = ["VmStat", "parse_vmstat"]


class VmStat(NamedTuple):
    """The counters that say how memory fares; one that the kernel does not print is ``None``."""

    nr_free_pages: Optional[int]
    nr_dirty_pages: Optional[int]
    nr_writeback_pages: Optional[int]
    nr_dirtied_pages: Optional[int]
    nr_written_pages: Optional[int]
    nr_throttled_written_pages: Optional[int]
    nr_dirty_threshold_pages: Optional[int]
    nr_dirty_background_threshold_pages: Optional[int]
    pgpgin_kib: Optional[int]
    pgpgout_kib: Optional[int]
    pswpin_pages: Optional[int]
    pswpout_pages: Optional[int]
    pgfault: Optional[int]
    pgmajfault: Optional[int]
    oom_kill: Optional[int]
    allocstall: Optional[int]
    allocstall_dma: Optional[int]
    allocstall_dma32: Optional[int]
    allocstall_normal: Optional[int]
    allocstall_high: Optional[int]
    allocstall_movable: Optional[int]
    allocstall_device: Optional[int]
    pgscan_kswapd_pages: Optional[int]
    pgscan_direct_pages: Optional[int]
    pgscan_khugepaged_pages: Optional[int]
    pgscan_proactive_pages: Optional[int]
    pgscan_anon_pages: Optional[int]
    pgscan_file_pages: Optional[int]
    pgscan_direct_throttle: Optional[int]
    pgsteal_kswapd_pages: Optional[int]
    pgsteal_direct_pages: Optional[int]
    pgsteal_khugepaged_pages: Optional[int]
    pgsteal_proactive_pages: Optional[int]
    pgsteal_anon_pages: Optional[int]
    pgsteal_file_pages: Optional[int]
    workingset_refault_pages: Optional[int]
    workingset_refault_anon_pages: Optional[int]
    workingset_refault_file_pages: Optional[int]
    pageoutrun: Optional[int]
    kswapd_low_wmark_hit_quickly: Optional[int]
    kswapd_high_wmark_hit_quickly: Optional[int]
    compact_stall: Optional[int]
    compact_fail: Optional[int]
    compact_success: Optional[int]
    compact_daemon_wake: Optional[int]
    compact_migrate_scanned_pages: Optional[int]
    compact_free_scanned_pages: Optional[int]
    compact_isolated_pages: Optional[int]
    drop_pagecache: Optional[int]
    drop_slab: Optional[int]
    extra: Mapping[str, int]
    problems: Tuple[Problem, ...] = ()

    @property
    def allocstall_total(self) -> Optional[int]:
        """Allocations that had to reclaim memory themselves, in all zones."""
        return _sum(
            self.allocstall,
            self.allocstall_dma,
            self.allocstall_dma32,
            self.allocstall_normal,
            self.allocstall_high,
            self.allocstall_movable,
            self.allocstall_device,
        )

    @property
    def pgscan_direct_total_pages(self) -> Optional[int]:
        """Pages that allocating tasks had to scan themselves, also where the kernel counts them by zone."""
        return _sum(self.pgscan_direct_pages, *self._by_zone("pgscan_direct_"))

    @property
    def pgscan_total_pages(self) -> Optional[int]:
        """All pages scanned, each once: anon and file where the kernel has them, else by who scanned."""
        by_what = _sum(self.pgscan_anon_pages, self.pgscan_file_pages)
        if by_what is not None:
            return by_what
        return _sum(
            self.pgscan_direct_total_pages,
            self.pgscan_kswapd_pages,
            *self._by_zone("pgscan_kswapd_"),
            self.pgscan_khugepaged_pages,
            self.pgscan_proactive_pages,
        )

    def _by_zone(self, prefix: str) -> List[Optional[int]]:
        return [self.extra.get(prefix + zone) for zone in ("dma", "dma32", "normal", "high", "movable")]


# In the order of the record's fields.
_KEYS = (
    "nr_free_pages",
    "nr_dirty",
    "nr_writeback",
    "nr_dirtied",
    "nr_written",
    "nr_throttled_written",
    "nr_dirty_threshold",
    "nr_dirty_background_threshold",
    "pgpgin",
    "pgpgout",
    "pswpin",
    "pswpout",
    "pgfault",
    "pgmajfault",
    "oom_kill",
    "allocstall",
    "allocstall_dma",
    "allocstall_dma32",
    "allocstall_normal",
    "allocstall_high",
    "allocstall_movable",
    "allocstall_device",
    "pgscan_kswapd",
    "pgscan_direct",
    "pgscan_khugepaged",
    "pgscan_proactive",
    "pgscan_anon",
    "pgscan_file",
    "pgscan_direct_throttle",
    "pgsteal_kswapd",
    "pgsteal_direct",
    "pgsteal_khugepaged",
    "pgsteal_proactive",
    "pgsteal_anon",
    "pgsteal_file",
    "workingset_refault",
    "workingset_refault_anon",
    "workingset_refault_file",
    "pageoutrun",
    "kswapd_low_wmark_hit_quickly",
    "kswapd_high_wmark_hit_quickly",
    "compact_stall",
    "compact_fail",
    "compact_success",
    "compact_daemon_wake",
    "compact_migrate_scanned",
    "compact_free_scanned",
    "compact_isolated",
    "drop_pagecache",
    "drop_slab",
)


def parse_vmstat(data: bytes, path: str = "/proc/vmstat") -> VmStat:
    r"""Parse ``/proc/vmstat`` or a node's vmstat.

    >>> parsed = parse_vmstat(b"nr_dirty 8\npgpgin 472189\nallocstall_normal 3\nnr_mlock 3191\n")
    >>> parsed.nr_dirty_pages, parsed.pgpgin_kib, parsed.allocstall_total, parsed.oom_kill, parsed.extra
    (8, 472189, 3, None, {'nr_mlock': 3191})
    """
    problems: List[Problem] = []
    found = flat_keyed(data, path, problems)
    known = [found.pop(key, None) for key in _KEYS]
    return VmStat._make([*known, found, tuple(problems)])


def _sum(*parts: Optional[int]) -> Optional[int]:
    known = [part for part in parts if part is not None]
    return sum(known) if known else None
