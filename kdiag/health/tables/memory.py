"""Memory: what is used, what is available, and which rows overlap."""

from typing import Callable, List, Optional, Tuple

from kdiag.health.figures.memory import MEMINFO, available_memory, hugetlb_kib
from kdiag.health.table import Rows, Table, TableOptions
from kdiag.health.window import CannotJudge, Window, known
from kdiag.procfs.meminfo import MemInfo
from kdiag.records import NamedTuple

__all__ = ["TABLES", "MemoryRow"]


class MemoryRow(NamedTuple):
    """One kind of memory; the kinds overlap and do not add up to the total."""

    kind: str
    size_kib: Optional[int]
    of_total_pct: Optional[float]


class _Kind(NamedTuple):
    """A kind of memory: how to get it, and what of other rows is in it."""

    name: str
    get: Callable[[MemInfo], Optional[int]]
    explained: str


def _page_cache_kib(memory: MemInfo) -> Optional[int]:
    # Cached contains Shmem, which no reclaim but swapping can take. The two are read at different moments.
    if memory.cached_kib is None or memory.shmem_kib is None:
        return None
    return max(0, memory.cached_kib - memory.shmem_kib)


_KINDS = (
    _Kind(
        "free",
        lambda memory: memory.mem_free_kib,
        "in use for nothing, and so best when it is small; all but a reserve of it is available",
    ),
    _Kind(
        "page cache",
        _page_cache_kib,
        "contents of files: Cached without Shmem, which /proc/meminfo counts in Cached; what is clean can "
        "be dropped at once, and most of that is in available",
    ),
    _Kind("buffers", lambda memory: memory.buffers_kib, "page cache of block devices; not in the row above"),
    _Kind(
        "shmem, tmpfs",
        lambda memory: memory.shmem_kib,
        "shared memory and files on tmpfs: Linux calls it cache, but only swap can take it; not available",
    ),
    _Kind(
        "anonymous",
        lambda memory: memory.anon_pages_kib,
        "heaps and stacks of programs, without shmem; only swap can take it",
    ),
    _Kind(
        "slab, reclaimable",
        lambda memory: memory.sreclaimable_kib,
        "dentries, inodes and the like: with the row below it makes up Slab; most of it is in available",
    ),
    _Kind(
        "slab, unreclaimable",
        lambda memory: memory.sunreclaim_kib,
        "objects of the kernel that cannot be dropped",
    ),
    _Kind(
        "page tables",
        lambda memory: memory.page_tables_kib,
        "what it takes to map the memory of programs: grows with their number where much is shared",
    ),
    _Kind("kernel stacks", lambda memory: memory.kernel_stack_kib, "one for every thread; may be in vmalloc"),
    _Kind("per-CPU", lambda memory: memory.percpu_kib, "grows with CPUs and cgroups"),
    _Kind("vmalloc", lambda memory: memory.vmalloc_used_kib, "kernel memory that is mapped page by page"),
    _Kind(
        "huge pages",
        hugetlb_kib,
        "set apart for hugetlbfs, used or not; in no other row, and never available",
    ),
    _Kind(
        "dirty",
        lambda memory: memory.dirty_kib,
        "part of page cache and buffers: not yet on the disk, and lost if the host dies",
    ),
    _Kind("writeback", lambda memory: memory.writeback_kib, "part of the same, on its way to the disk"),
    _Kind(
        "swap cache",
        lambda memory: memory.swap_cached_kib,
        "in memory and on swap at once; mostly part of anonymous, too",
    ),
)

_EXPLAINED = (
    "total: memory that the kernel manages, less than is built in",
    "available: an estimate of what can be had without swapping: free, most of page cache, and most of "
    "reclaimable slab, so it overlaps those three",
    *(f"{kind.name}: {kind.explained}" for kind in _KINDS),
    "Active and Inactive of /proc/meminfo are not shown: they hold page cache, shmem and anonymous again, "
    "sorted by use; (anon) in their names takes in shmem",
)


def _rows(window: Window, options: TableOptions) -> Rows:
    sample = window.after
    memory = known(sample, sample.meminfo, MEMINFO)
    total_kib = known(sample, memory.mem_total_kib, MEMINFO, "MemTotal")
    available_kib, note = _available(window)
    kinds: List[Tuple[str, Optional[int]]] = [("total", total_kib), ("available", available_kib)]
    kinds += [(kind.name, kind.get(memory)) for kind in _KINDS]
    notes = _EXPLAINED if options.explain else ("rows overlap; --explain says which",)
    return Rows(
        [MemoryRow(name, size_kib, _share(size_kib, total_kib)) for name, size_kib in kinds],
        notes=(note, *notes) if note else notes,
    )


def _available(window: Window) -> Tuple[Optional[int], str]:
    try:
        available = available_memory(window.after)
    except CannotJudge as error:
        return None, f"available: {error}"
    return available.kib, f"available is {available.note}" if available.note else ""


def _share(size_kib: Optional[int], total_kib: int) -> Optional[float]:
    return None if size_kib is None or not total_kib else 100 * size_kib / total_kib


TABLES = (Table("memory", "Memory", MemoryRow, _rows, {"of_total_pct": "%total"}),)
