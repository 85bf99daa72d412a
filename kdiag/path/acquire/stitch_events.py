"""Which trace events show the way of a system call through the kernel, by subsystem.

A name here need not exist: what this kernel has of it is taken. Not wanted are events that say the same at
every call of everything (memcg statistics, RCU, reference counts): each costs every process of the host some
20 ns as long as it is enabled, and the one that is watched a stack (about 1.5 us).

The events' own documentation is include/trace/events/SYSTEM.h.
"""

from fnmatch import fnmatchcase
from typing import Callable, Dict, Iterable, List, Mapping, Sequence, Tuple

from kdiag.records import NamedTuple

__all__ = ["BLOCK_EVENTS", "GROUPS", "Group", "RELEASES", "SHOWN", "TASK_EVENTS", "choose_events", "detail"]


class Group(NamedTuple):
    """Events of one system: patterns of names, parted by blanks; the first that fits counts, ``!`` refuses.

    ``file_systems`` are the types of which one must be mounted for the group to be of use.
    """

    system: str
    events: str = "*"
    file_systems: str = ""


#: Waiting, and being born; always enabled.
TASK_EVENTS: Tuple[Tuple[str, str], ...] = (
    ("sched", "sched_switch"),
    ("sched", "sched_waking"),
    ("sched", "sched_process_exit"),
    ("task", "task_newtask"),
    ("task", "task_rename"),
)
#: What devices do, for whomever; traced apart, without stacks.
BLOCK_EVENTS: Tuple[Tuple[str, str], ...] = (("block", "block_rq_issue"), ("block", "block_rq_complete"))

GROUPS: Tuple[Group, ...] = (
    # Memory: allocations are what shows the way through the VFS, which has hardly an event of its own.
    Group("kmem", "kmalloc* kmem_cache_alloc* kmem_cache_free kfree mm_page_alloc"),
    Group("exceptions", "page_fault_*"),
    Group("mmap_lock"),
    Group("mmap", "vm_unmapped_area exit_mmap vma_*"),
    Group("maple_tree", "ma_write"),
    Group("percpu", "percpu_alloc_percpu"),
    Group("vmalloc", "alloc_vmap_area"),
    Group("huge_memory", "mm_collapse_huge_page* mm_khugepaged_collapse_file"),
    Group("migrate", "mm_migrate_pages*"),
    Group("compaction", "mm_compaction_begin mm_compaction_end mm_compaction_try_to_compact_pages"),
    Group(
        "vmscan", "mm_vmscan_direct_reclaim_* mm_vmscan_memcg_reclaim_* mm_shrink_slab_* mm_vmscan_throttled"
    ),
    Group("vmscan", "mm_vmscan_lru_shrink_*"),
    Group("oom", "mark_victim compact_retry reclaim_retry_zone"),
    # Page cache and file systems.
    Group("filemap"),
    Group("readahead"),
    Group("pagemap", "mm_lru_insertion"),
    Group("writeback", "!*_register !global_dirty_state !bdi_* !writeback_pages_written !*foreign* *"),
    Group("timestamp", "fill_mg_cmtime inode_set_ctime_to_ts"),
    Group("filelock"),
    Group("fs_dax"),
    Group("iomap"),
    Group("netfs"),
    Group("cachefiles"),
    Group("ext4", "*", "ext2 ext3 ext4"),
    Group("jbd2", "*", "ext3 ext4 ocfs2"),
    Group(
        "xfs", "xfs_file_* xfs_iomap_* xfs_ilock* xfs_iunlock xfs_map_blocks_* xfs_trans_* xfs_log_*", "xfs"
    ),
    Group("xfs", "xfs_buf_read xfs_buf_submit xfs_buf_iowait* xfs_buf_get xfs_vm_* xfs_end_io*", "xfs"),
    Group("xfs", "xfs_lookup xfs_create* xfs_remove xfs_rename xfs_link xfs_symlink xfs_readlink", "xfs"),
    Group("xfs", "xfs_readdir xfs_getattr xfs_setattr xfs_iget_* xfs_inode_* xfs_dir2_* xfs_da_*", "xfs"),
    Group("xfs", "xfs_attr_* xfs_read_extent xfs_bmap* xfs_alloc_*_done", "xfs"),
    Group("btrfs", "!*lock* !*_extent_bit !*_extent_state !find_free_extent* *", "btrfs"),
    Group("f2fs", "*", "f2fs"),
    Group("erofs", "*", "erofs"),
    Group("bcachefs", "!*trans_* !*path* *", "bcachefs"),
    Group("nilfs2", "*", "nilfs2"),
    Group("gfs2", "*", "gfs2"),
    Group("ocfs2", "*", "ocfs2"),
    Group("nfs", "*", "nfs nfs4"),
    Group("nfs4", "*", "nfs4"),
    Group("sunrpc", "rpc_task_* rpc_call_* rpc_xdr_* rpc_socket_* xprt_* xs_*", "nfs nfs4"),
    Group("cifs", "*", "cifs smb3"),
    Group("smb3", "*", "cifs smb3"),
    Group("ceph", "*", "ceph"),
    Group("afs", "*", "afs"),
    Group("9p", "*", "9p"),
    Group("fuse", "*", "fuse fuseblk virtiofs"),
    Group("zonefs", "*", "zonefs"),
    Group("hugetlbfs", "*", "hugetlbfs"),
    # Block layer and drivers.
    Group("block", "!block_touch_buffer !blk_zone* *"),
    Group("wbt", "wbt_lat"),
    Group("kyber"),
    Group("iocost", "iocost_iocg_activate iocost_inuse_shortage"),
    Group("bcache"),
    Group("scsi"),
    Group("ata", "ata_qc_*"),
    Group("nvme"),
    Group("mmc"),
    Group("ufs", "ufshcd_command ufshcd_upiu"),
    Group("xen", "!xen_mc_* !xen_mmu_* !xen_cpu_* *"),
    Group("dma", "dma_map_* dma_unmap_* dma_alloc*"),
    Group("swiotlb"),
    Group("iommu", "map unmap io_page_fault"),
    Group("regmap", "regmap_reg_* regmap_hw_*"),
    Group("i2c"),
    Group("spi"),
    # Network.
    Group("sock"),
    Group("skb"),
    Group("net"),
    Group("tcp", "!tcp_probe *"),
    Group("udp"),
    Group("icmp"),
    Group("fib"),
    Group("fib6"),
    Group("neigh"),
    Group("qdisc"),
    Group("napi", "napi_poll"),
    Group("netlink"),
    Group("mptcp"),
    Group("vsock"),
    Group("sctp"),
    Group("bridge"),
    Group("xdp", "xdp_exception xdp_redirect*"),
    # Security, signals, locks, time, deferred work, interrupts.
    Group("capability"),
    Group("avc"),
    Group("signal"),
    Group("lock", "contention_*"),
    Group("timer", "hrtimer_start hrtimer_cancel timer_start timer_cancel itimer_state"),
    Group("alarmtimer"),
    Group("sched", "sched_process_fork sched_process_exec sched_process_wait sched_prepare_exec"),
    Group("sched", "sched_migrate_task sched_pi_setprio"),
    Group("task"),
    Group("workqueue", "workqueue_queue_work"),
    Group("io_uring"),
    Group("irq", "irq_handler_* softirq_entry softirq_exit"),
    Group("ipi"),
    Group("module"),
    Group("cgroup", "cgroup_attach_task cgroup_transfer_tasks cgroup_mkdir cgroup_rmdir"),
    Group("error_report"),
    Group("kvm", "kvm_entry kvm_exit kvm_userspace_exit"),
    Group("vfio"),
    Group("drm"),
)


def _name(value: object) -> str:
    return str(value)


def _size(value: object) -> str:
    return f"{value} bytes"


#: What of an event tells a reader more than its place on the stack does: field, and how it is written.
SHOWN: Dict[str, Tuple[Tuple[str, Callable[[object], str]], ...]] = {
    "kmem:kmem_cache_alloc": (("name", _name),),
    "kmem:kmem_cache_free": (("name", _name),),
    "kmem:kmalloc": (("bytes_req", _size),),
    "irq:irq_handler_entry": (("name", _name),),
    "netlink:netlink_extack": (("msg", _name),),
    "signal:signal_generate": (("sig", lambda value: f"signal {value}"),),
    "signal:signal_deliver": (("sig", lambda value: f"signal {value}"),),
}


#: Giving back what was taken. When a call fails, that is what it does last.
RELEASES = frozenset(
    "kmem:kfree kmem:kmem_cache_free kmem:mm_page_free skb:consume_skb skb:kfree_skb"
    " mmap_lock:mmap_lock_released".split()
)


def choose_events(
    listed: Callable[[str], Sequence[str]],
    mounted: Iterable[str],
    groups: Sequence[Group] = GROUPS,
) -> List[Tuple[str, str]]:
    """Return the (system, event) pairs to enable, of those that a system has as ``listed``.

    ``mounted`` are the types of the file systems in use. :data:`TASK_EVENTS` are not among them.

    >>> has = {"kmem": ["kfree", "rss_stat"], "xfs": ["xfs_file_fsync"], "ext4": ["ext4_sync_file_enter"]}
    >>> choose_events(lambda system: has.get(system, []), ["ext4", "proc"])
    [('kmem', 'kfree'), ('ext4', 'ext4_sync_file_enter')]
    """
    types = set(mounted)
    chosen: Dict[Tuple[str, str], None] = {}
    for group in groups:
        if group.file_systems and types.isdisjoint(group.file_systems.split()):
            continue
        for event in listed(group.system):
            if _wanted(event, group.events.split()):
                chosen[group.system, event] = None
    for each in TASK_EVENTS:
        chosen.pop(each, None)
    return list(chosen)


def _wanted(event: str, patterns: Sequence[str]) -> bool:
    """Tell whether the first pattern that fits an event takes it in.

    >>> _wanted("block_touch_buffer", ("!block_touch_buffer", "*")), _wanted("kfree", ("kmalloc*",))
    (False, False)
    """
    for pattern in patterns:
        if fnmatchcase(event, pattern.lstrip("!")):
            return not pattern.startswith("!")
    return False


def detail(event: str, fields: Mapping[str, object]) -> str:
    """Return what to say about an event beside its place, "" if nothing."""
    told = [write(fields[name]) for name, write in SHOWN.get(event, ()) if fields.get(name) not in (None, "")]
    return ", ".join(told)
