"""``/proc/meminfo`` and ``/sys/devices/system/node/nodeN/meminfo``: what memory is used for.

Documented in Documentation/filesystems/proc.rst, made by fs/proc/meminfo.c (drivers/base/node.c for a node).
All is in KiB, though the kernel writes "kB"; the ``HugePages_`` lines alone count huge pages. Keys vary with
the architecture and the build. MemAvailable came in 3.14, Shmem in 2.6.32, KReclaimable in 4.20.

Traps. Rows overlap and do not add up. Cached includes Shmem and tmpfs, which cannot be dropped. MemAvailable
is what may be judged, never MemFree. CommitLimit binds only with vm.overcommit_memory=2. NFS_Unstable,
Bounce and VmallocChunk are always 0 on today's kernels. A node's lines begin with ``Node N``, have MemUsed
and FilePages of their own, and know neither MemAvailable nor swap.
"""

from typing import Dict, List, Mapping, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem, unsigned
from kdiag.records import NamedTuple

__all__ = ["MemInfo", "parse_meminfo"]


class MemInfo(NamedTuple):
    """The file of the host (``node`` is ``None``) or of a node; what it does not hold is ``None``.

    A key that is not known is in ``extra_kib`` if the kernel calls it kB, in ``extra`` if it has no unit.
    """

    node: Optional[int]
    mem_total_kib: Optional[int]
    mem_free_kib: Optional[int]
    mem_available_kib: Optional[int]
    mem_used_kib: Optional[int]
    buffers_kib: Optional[int]
    cached_kib: Optional[int]
    file_pages_kib: Optional[int]
    swap_cached_kib: Optional[int]
    active_kib: Optional[int]
    inactive_kib: Optional[int]
    active_anon_kib: Optional[int]
    inactive_anon_kib: Optional[int]
    active_file_kib: Optional[int]
    inactive_file_kib: Optional[int]
    unevictable_kib: Optional[int]
    mlocked_kib: Optional[int]
    high_total_kib: Optional[int]
    high_free_kib: Optional[int]
    low_total_kib: Optional[int]
    low_free_kib: Optional[int]
    mmap_copy_kib: Optional[int]
    swap_total_kib: Optional[int]
    swap_free_kib: Optional[int]
    zswap_kib: Optional[int]
    zswapped_kib: Optional[int]
    dirty_kib: Optional[int]
    writeback_kib: Optional[int]
    anon_pages_kib: Optional[int]
    mapped_kib: Optional[int]
    shmem_kib: Optional[int]
    kreclaimable_kib: Optional[int]
    slab_kib: Optional[int]
    sreclaimable_kib: Optional[int]
    sunreclaim_kib: Optional[int]
    kernel_stack_kib: Optional[int]
    page_tables_kib: Optional[int]
    sec_page_tables_kib: Optional[int]
    nfs_unstable_kib: Optional[int]
    bounce_kib: Optional[int]
    writeback_tmp_kib: Optional[int]
    commit_limit_kib: Optional[int]
    committed_as_kib: Optional[int]
    vmalloc_total_kib: Optional[int]
    vmalloc_used_kib: Optional[int]
    vmalloc_chunk_kib: Optional[int]
    percpu_kib: Optional[int]
    early_memtest_bad_kib: Optional[int]
    hardware_corrupted_kib: Optional[int]
    anon_huge_pages_kib: Optional[int]
    shmem_huge_pages_kib: Optional[int]
    shmem_pmd_mapped_kib: Optional[int]
    file_huge_pages_kib: Optional[int]
    file_pmd_mapped_kib: Optional[int]
    cma_total_kib: Optional[int]
    cma_free_kib: Optional[int]
    unaccepted_kib: Optional[int]
    balloon_kib: Optional[int]
    hugepage_size_kib: Optional[int]
    hugetlb_kib: Optional[int]
    direct_map_4k_kib: Optional[int]
    direct_map_2m_kib: Optional[int]
    direct_map_4m_kib: Optional[int]
    direct_map_1g_kib: Optional[int]
    hugepages_total_pages: Optional[int]
    hugepages_free_pages: Optional[int]
    hugepages_rsvd_pages: Optional[int]
    hugepages_surp_pages: Optional[int]
    extra_kib: Mapping[str, int]
    extra: Mapping[str, int]
    problems: Tuple[Problem, ...] = ()


# In the order of the record's fields.
_KIB_KEYS = (
    b"MemTotal",
    b"MemFree",
    b"MemAvailable",
    b"MemUsed",
    b"Buffers",
    b"Cached",
    b"FilePages",
    b"SwapCached",
    b"Active",
    b"Inactive",
    b"Active(anon)",
    b"Inactive(anon)",
    b"Active(file)",
    b"Inactive(file)",
    b"Unevictable",
    b"Mlocked",
    b"HighTotal",
    b"HighFree",
    b"LowTotal",
    b"LowFree",
    b"MmapCopy",
    b"SwapTotal",
    b"SwapFree",
    b"Zswap",
    b"Zswapped",
    b"Dirty",
    b"Writeback",
    b"AnonPages",
    b"Mapped",
    b"Shmem",
    b"KReclaimable",
    b"Slab",
    b"SReclaimable",
    b"SUnreclaim",
    b"KernelStack",
    b"PageTables",
    b"SecPageTables",
    b"NFS_Unstable",
    b"Bounce",
    b"WritebackTmp",
    b"CommitLimit",
    b"Committed_AS",
    b"VmallocTotal",
    b"VmallocUsed",
    b"VmallocChunk",
    b"Percpu",
    b"EarlyMemtestBad",
    b"HardwareCorrupted",
    b"AnonHugePages",
    b"ShmemHugePages",
    b"ShmemPmdMapped",
    b"FileHugePages",
    b"FilePmdMapped",
    b"CmaTotal",
    b"CmaFree",
    b"Unaccepted",
    b"Balloon",
    b"Hugepagesize",
    b"Hugetlb",
    b"DirectMap4k",
    b"DirectMap2M",
    b"DirectMap4M",
    b"DirectMap1G",
)
_COUNT_KEYS = (b"HugePages_Total", b"HugePages_Free", b"HugePages_Rsvd", b"HugePages_Surp")


def parse_meminfo(data: bytes, path: str = "/proc/meminfo") -> MemInfo:
    r"""Parse ``/proc/meminfo`` or a node's meminfo.

    >>> parsed = parse_meminfo(
    ...     b"MemTotal:       24684092 kB\n"
    ...     b"Active(anon):       1528 kB\n"
    ...     b"HugePages_Total:       4\n")
    >>> parsed.mem_total_kib, parsed.active_anon_kib, parsed.hugepages_total_pages, parsed.mem_available_kib
    (24684092, 1528, 4, None)
    >>> parse_meminfo(b"Node 1 MemUsed:          143556 kB\n")[:5]
    (1, None, None, None, 143556)
    """
    problems: List[Problem] = []
    node: Optional[int] = None
    kib: Dict[bytes, int] = {}
    counts: Dict[bytes, int] = {}
    for number, line in complete_lines(data, path, problems):
        row = line
        if line[:5] == b"Node ":
            token, _, row = line[5:].partition(b" ")
            if token.isdigit():
                node = unsigned(token)
            else:
                row = b""
        key, _, rest = row.partition(b":")
        amount, _, unit = rest.strip().partition(b" ")
        value = unsigned(amount)
        if value is None or not key or unit not in (b"kB", b""):
            problems.append(problem(path, number, line, "[Node N ]KEY: N [kB]"))
        elif unit:
            kib[key] = value
        else:
            counts[key] = value
    return MemInfo._make(
        [
            node,
            *[kib.pop(key, None) for key in _KIB_KEYS],
            *[counts.pop(key, None) for key in _COUNT_KEYS],
            {decode(key): value for key, value in kib.items()},
            {decode(key): value for key, value in counts.items()},
            tuple(problems),
        ]
    )
