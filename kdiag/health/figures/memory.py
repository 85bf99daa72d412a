"""Figures of memory for checks and tables: what is available, swap on disk and in RAM, rates of vmstat."""

from typing import Callable, Iterable, List, Optional, Tuple, TypeVar

from kdiag.health.finding import Evidence
from kdiag.health.sample import Sample
from kdiag.health.window import CannotJudge, Rate, Window, known
from kdiag.procfs.meminfo import MemInfo
from kdiag.procfs.swaps import SwapArea
from kdiag.procfs.vmstat import VmStat
from kdiag.records import NamedTuple

__all__ = [
    "MEMINFO",
    "SWAPS",
    "VMSTAT",
    "ZONEINFO",
    "Available",
    "SwapUse",
    "available_memory",
    "folding_note",
    "hugetlb_kib",
    "lines_of",
    "mib",
    "numa_pages",
    "swap_use",
    "vmstat_rate",
]

MEMINFO, SWAPS, VMSTAT, ZONEINFO = "/proc/meminfo", "/proc/swaps", "/proc/vmstat", "/proc/zoneinfo"

#: The kernel folds the counts of its CPUs into /proc/vmstat once in vm.stat_interval, 1 s if nobody changed
#: it (vm.rst). A window that is clearly shorter can miss a whole second's events, or catch them all.
_LEAST_WINDOW_S = 0.9
#: MemFree from this share of all memory up contradicts a MemAvailable of 0.
_CONTRADICTS_PCT = 10.0

_T = TypeVar("_T")


def lines_of(sample: Sample, path: str, *keys: str) -> Tuple[Evidence, ...]:
    """Return the lines of a file that begin with each key, those that are there; else the file itself."""
    found = tuple(line for line in (sample.evidence(path, key) for key in keys) if line.line is not None)
    return found or (Evidence(path, None, ""),)


def mib(kib: float) -> str:
    """Say a size.

    >>> mib(24684092), mib(512)
    ('24106 MiB', '0.5 MiB')
    """
    size = kib / 1024
    return f"{size:.0f} MiB" if size >= 10 else f"{size:.1f} MiB"


class Available(NamedTuple):
    """Memory that can be had without swapping, of all there is; ``note`` says so where it is an estimate."""

    kib: int
    total_kib: int
    note: str

    @property
    def pct(self) -> float:
        """The share of all memory."""
        return 100 * self.kib / self.total_kib


def available_memory(sample: Sample) -> Available:
    """Return the kernel's MemAvailable, or an estimate of it where the kernel has none.

    Raises :class:`CannotJudge` where it is not known, and where it is larger than MemTotal: containers
    show their own MemTotal with the host's MemAvailable.
    """
    memory = known(sample, sample.meminfo, MEMINFO)
    total_kib = known(sample, memory.mem_total_kib, MEMINFO, "MemTotal")
    if not total_kib:
        raise CannotJudge(MEMINFO, "MemTotal is 0")
    available_kib = memory.mem_available_kib
    free_kib = memory.mem_free_kib
    if available_kib is None:
        return Available(
            _estimate_kib(sample, memory), total_kib, "an estimate, as this kernel has no MemAvailable"
        )
    if not available_kib and free_kib is not None and 100 * free_kib / total_kib >= _CONTRADICTS_PCT:
        note = "an estimate, as MemAvailable is 0 while much is free"
        return Available(_estimate_kib(sample, memory), total_kib, note)
    if available_kib > total_kib:
        raise CannotJudge(
            MEMINFO,
            f"MemAvailable ({available_kib} kB) is larger than MemTotal ({total_kib} kB): "
            "a container's view, which mixes its own limit with the host's memory",
        )
    return Available(available_kib, total_kib, "")


def _estimate_kib(sample: Sample, memory: MemInfo) -> int:
    """Work out MemAvailable as si_mem_available did when it came (3.14): not all cache can be dropped.

    At least half of the page cache and of the reclaimable slab, or the low watermarks' worth of each,
    is left out, and so are the watermarks themselves.
    """
    zoneinfo = known(sample, sample.zoneinfo, ZONEINFO)
    page_size_bytes = sample.facts.page_size_bytes
    if page_size_bytes is None:
        raise CannotJudge(ZONEINFO, "the page size is not known, so its watermarks are not")
    lows = [zone.low_pages for zone in zoneinfo.zones if zone.low_pages is not None]
    if not lows:
        raise CannotJudge(ZONEINFO, "no zone has a low watermark")
    low_kib = sum(lows) * page_size_bytes // 1024
    parts: List[Tuple[Optional[int], str]] = [
        (memory.mem_free_kib, "MemFree"),
        (memory.active_file_kib, "Active(file)"),
        (memory.inactive_file_kib, "Inactive(file)"),
        (memory.sreclaimable_kib, "SReclaimable"),
    ]
    free, active, inactive, slab = (known(sample, value, MEMINFO, key) for value, key in parts)
    cache = active + inactive
    estimate = free - low_kib + cache - min(cache // 2, low_kib) + slab - min(slab // 2, low_kib)
    return max(0, estimate)


def hugetlb_kib(memory: MemInfo) -> Optional[int]:
    """Return the memory set apart as huge pages: of all sizes, or on older kernels of the default size."""
    if memory.hugetlb_kib is not None:
        return memory.hugetlb_kib
    if memory.hugepages_total_pages is None or memory.hugepage_size_kib is None:
        return None
    return memory.hugepages_total_pages * memory.hugepage_size_kib


class SwapUse(NamedTuple):
    """Some swap areas taken together."""

    names: Tuple[str, ...]
    size_kib: int
    used_kib: int

    @property
    def pct(self) -> float:
        """The share in use; there must be some space."""
        return 100 * self.used_kib / self.size_kib


def swap_use(sample: Sample) -> Tuple[SwapUse, SwapUse]:
    """Return what is used of swap on disks (and whatever else is not zram), and of zram, which is RAM.

    Where /proc/swaps does not say, all of meminfo's SwapTotal counts as disk. No swap at all is a size of 0.
    """
    areas = sample.swaps.areas if sample.swaps is not None else ()
    if areas:
        return _together(area for area in areas if not area.is_zram), _together(
            area for area in areas if area.is_zram
        )
    memory = known(sample, sample.meminfo, MEMINFO)
    total_kib = known(sample, memory.swap_total_kib, MEMINFO, "SwapTotal")
    free_kib = known(sample, memory.swap_free_kib, MEMINFO, "SwapFree")
    return SwapUse((), total_kib, max(0, total_kib - free_kib)), SwapUse((), 0, 0)


def _together(areas: Iterable[SwapArea]) -> SwapUse:
    chosen = tuple(areas)
    return SwapUse(
        tuple(area.name for area in chosen),
        sum(area.size_kib for area in chosen),
        sum(area.used_kib for area in chosen),
    )


def numa_pages(node: int, name: str) -> Callable[[Sample], Optional[int]]:
    """Return how to get a counter of a node's numastat from a sample, by the kernel's name."""

    def of_sample(sample: Sample) -> Optional[int]:
        same = next((each for each in sample.numa_nodes if each.node == node), None)
        if same is None or same.numastat is None:
            return None
        value: Optional[int] = getattr(same.numastat, f"{name}_pages")
        return value

    return of_sample


def vmstat_rate(window: Window, item: str, get: Callable[[VmStat], Optional[int]]) -> Rate:
    """Return how fast a counter of /proc/vmstat, or a sum of some, grew; raises as ``Window.rate`` does."""

    def of_sample(sample: Sample) -> Optional[int]:
        return None if sample.vmstat is None else get(sample.vmstat)

    return window.rate(VMSTAT, item, of_sample)


def folding_note(window: Window) -> str:
    """Say that rates of /proc/vmstat are rough, if the window is shorter than the kernel's own step."""
    seconds = window.seconds(VMSTAT)
    if window.since_boot or seconds is None or seconds >= _LEAST_WINDOW_S:
        return ""
    return f"rough over {seconds:.1f} s, as the kernel adds up these counts once a second"
