"""Which functions mark the way of a system call from layer to layer: a few per layer, by kind of call.

Names are tried with the compiler's suffixes (``link_path_walk.part.0.constprop.0`` for ``link_path_walk``),
and only those that this kernel has are probed. They are chosen to return what they were asked for (an error,
a count), and to be called a few times in a call and not a thousand times: no locks, no allocators. Kernels
rename functions: both names stand here then.
"""

import re
from typing import Dict, Iterable, List, Mapping, Tuple

__all__ = ["FAMILIES", "GROUPS", "boundaries_of"]

#: Functions by part of the kernel, callers before what they call.
GROUPS: Dict[str, Tuple[str, ...]] = {
    "open": (
        "do_sys_openat2",
        "getname_flags",
        "do_getname",  # on 7.2
        "do_filp_open",
        "do_file_open",  # on 7.2
        "path_openat",
        "alloc_fd",
        "alloc_empty_file",
        "vfs_open",
        "do_dentry_open",
        "may_open",
        "vfs_create",
        "security_file_open",
        "ext4_file_open",
        "xfs_file_open",
        "btrfs_file_open",
        "nfs4_file_open",
        "proc_reg_open",
    ),
    "walk": (
        "filename_lookup",
        "path_lookupat",
        "path_parentat",
        "path_init",
        "link_path_walk",
        "walk_component",
        "lookup_fast",
        "lookup_slow",
        "lookup_one_qstr_excl",
        "step_into",
        "step_into_slowpath",  # on 7.2
        "pick_link",
        "complete_walk",
        "inode_permission",
        "generic_permission",
        "security_inode_permission",
        "d_alloc_parallel",
        "ext4_lookup",
        "xfs_vn_lookup",
        "btrfs_lookup",
        "nfs_lookup",
        "proc_root_lookup",
    ),
    "names": (
        "do_unlinkat",
        "do_mkdirat",
        "do_rmdir",
        "do_renameat2",
        "do_linkat",
        "do_symlinkat",
        "vfs_unlink",
        "vfs_mkdir",
        "vfs_rmdir",
        "vfs_rename",
        "vfs_link",
        "vfs_symlink",
        "may_delete",
        "security_inode_unlink",
        "security_inode_create",
        "mnt_want_write",
        "ext4_unlink",
        "ext4_create",
        "ext4_mkdir",
        "ext4_rmdir",
    ),
    "stat": (
        "vfs_statx",
        "vfs_fstat",
        "vfs_fstatat",
        "vfs_getattr",
        "vfs_getattr_nosec",
        "security_inode_getattr",
        "ext4_file_getattr",
        "do_faccessat",
        "do_readlinkat",
    ),
    "read": (
        "ksys_read",
        "ksys_pread64",
        "do_readv",
        "vfs_read",
        "rw_verify_area",
        "security_file_permission",
        "new_sync_read",
        "generic_file_read_iter",
        "ext4_file_read_iter",
        "xfs_file_read_iter",
        "btrfs_file_read_iter",
        "filemap_read",
        "generic_file_buffered_read",  # up to 5.11
        "filemap_get_pages",
        "page_cache_sync_ra",
        "read_pages",
        "ext4_readahead",
        "ext4_mpage_readpages",
        "pipe_read",
        "anon_pipe_read",  # on 7.2
        "tty_read",
        "kernfs_fop_read_iter",
        "seq_read_iter",
        "iterate_dir",
    ),
    "write": (
        "ksys_write",
        "ksys_pwrite64",
        "do_writev",
        "vfs_write",
        "rw_verify_area",
        "security_file_permission",
        "new_sync_write",
        "generic_file_write_iter",
        "ext4_file_write_iter",
        "ext4_buffered_write_iter",
        "xfs_file_write_iter",
        "btrfs_file_write_iter",
        "generic_perform_write",
        "ext4_write_begin",
        "ext4_da_write_begin",
        "balance_dirty_pages_ratelimited",
        "pipe_write",
        "anon_pipe_write",  # on 7.2
        "tty_write",
    ),
    "direct": (
        "iomap_dio_rw",
        "__iomap_dio_rw",
        "ext4_dio_write_iter",
        "iomap_iter",
        "ext4_map_blocks",
        "blkdev_read_iter",
        "blkdev_direct_IO",
    ),
    "block": (
        "submit_bio",
        "submit_bio_noacct",
        "blk_mq_submit_bio",
        "blk_finish_plug",
        "__blk_flush_plug",
        "blk_mq_flush_plug_list",
        "blk_mq_run_hw_queue",
        "__blk_mq_do_dispatch_sched",
        "blk_mq_dispatch_rq_list",
        "scsi_queue_rq",
        "virtio_queue_rq",
        "nvme_queue_rq",
        "submit_bio_wait",
        "blkdev_issue_flush",
        "io_schedule",
    ),
    "sync": (
        "do_fsync",
        "vfs_fsync_range",
        "ext4_sync_file",
        "xfs_file_fsync",
        "btrfs_sync_file",
        "file_write_and_wait_range",
        "filemap_write_and_wait_range",
        "__filemap_fdatawrite_range",
        "do_writepages",
        "ext4_writepages",
        "__filemap_fdatawait_range",
        "ext4_fc_commit",
        "jbd2_complete_transaction",
        "jbd2_log_wait_commit",
        "sync_filesystem",
    ),
    "socket": (
        "__sys_socket",
        "__sys_connect",
        "__sys_connect_file",
        "__sys_bind",
        "__sys_listen",
        "__sys_accept4",
        "__sys_sendto",
        "__sys_recvfrom",
        "__sys_sendmsg",
        "__sys_recvmsg",
        "sock_sendmsg",
        "sock_recvmsg",
        "security_socket_connect",
        "security_socket_sendmsg",
        "inet_stream_connect",
        "__inet_stream_connect",
        "inet_dgram_connect",
        "inet_wait_for_connect",
        "unix_stream_connect",
        "unix_find_other",
        "tcp_v4_connect",
        "tcp_v6_connect",
        "tcp_connect",
        "ip_route_output_flow",
        "inet_bind",
        "inet_csk_get_port",
        "inet_accept",
        "inet_csk_accept",
        "tcp_sendmsg",
        "tcp_sendmsg_locked",
        "tcp_write_xmit",
        "tcp_recvmsg",
        "tcp_recvmsg_locked",
        "udp_sendmsg",
        "udp_recvmsg",
        "unix_stream_sendmsg",
        "unix_stream_recvmsg",
        "ip_queue_xmit",
        "__ip_queue_xmit",
        "ip_finish_output2",
        "__dev_queue_xmit",
    ),
    "wait": (
        "do_poll",
        "do_sys_poll",
        "do_select",
        "core_sys_select",
        "ep_poll",
        "do_epoll_wait",
        "do_epoll_ctl",
        "do_futex",
        "futex_wait",
        "futex_wake",
        "futex_wait_queue",
        "hrtimer_nanosleep",
        "do_nanosleep",
        "do_wait",
        "kernel_wait4",
        "schedule_timeout",
        "schedule_hrtimeout_range",
    ),
    "process": (
        "kernel_clone",
        "_do_fork",  # up to 5.9
        "copy_process",
        "dup_mm",
        "do_execveat_common",
        "bprm_execve",
        "do_open_execat",
        "exec_binprm",
        "search_binary_handler",
        "load_elf_binary",
        "begin_new_exec",
        "security_bprm_check",
        "do_exit",
        "kill_pid_info",
        "group_send_sig_info",
        "do_send_sig_info",
        "security_task_kill",
    ),
    "memory": (
        "vm_mmap_pgoff",
        "do_mmap",
        "mmap_region",
        "security_mmap_file",
        "__vm_munmap",
        "do_munmap",
        "do_vmi_munmap",
        "do_mprotect_pkey",
        "do_madvise",
        "do_brk_flags",
        "mlock_fixup",
        "__mm_populate",
    ),
    "ioctl": ("vfs_ioctl", "do_vfs_ioctl", "security_file_ioctl", "tty_ioctl", "blkdev_ioctl", "sock_ioctl"),
    "mount": ("path_mount", "do_new_mount", "vfs_get_tree", "path_umount", "security_sb_mount"),
}

#: Which parts a system call goes through, by its name: the first row that matches.
FAMILIES: Tuple[Tuple[str, Tuple[str, ...]], ...] = (
    (r"open(at2?)?|creat", ("open", "walk")),
    (r"p?readv?(64|2)?|preadv2?|getdents(64)?", ("read", "direct", "block")),
    (r"sendfile(64)?|splice|copy_file_range", ("read", "write", "block")),
    (r"p?writev?(64|2)?|pwritev2?", ("write", "direct", "block")),
    (r"f(data)?sync|sync|syncfs|sync_file_range|msync", ("sync", "block")),
    (r"(new|f|l)?stat(at|x|64|fs)?|newfstatat|statx|faccessat2?|access|readlink(at)?", ("stat", "walk")),
    (r"unlink(at)?|mkdir(at)?|rmdir|rename(at2?)?|link(at)?|symlink(at)?|mknod(at)?|ch(mod|own)|fchmodat2?|"
     r"fchownat|truncate|chdir|utimensat", ("names", "walk")),
    (r"socket|connect|bind|listen|accept4?|send(to|msg|mmsg)?|recv(from|msg|mmsg)?|shutdown|"
     r"[gs]etsockopt|getsockname|getpeername|socketpair", ("socket",)),
    (r"p?poll|p?select6?|epoll_.*|futex.*|.*nanosleep|wait4|waitid|pause", ("wait",)),
    (r"execve(at)?", ("process", "open", "walk")),
    (r"clone3?|v?fork|exit(_group)?|kill|tg?kill|pidfd_send_signal|ptrace", ("process",)),
    (r"mmap|munmap|mremap|mprotect|madvise|brk|mlock(all|2)?|munlock", ("memory",)),
    (r"ioctl", ("ioctl",)),
    (r"mount|umount2?|fsopen|fsmount|move_mount|pivot_root", ("mount", "walk")),
)  # fmt: skip

_SUFFIX = re.compile(r"(?:\.(?:part|isra|constprop|llvm)(?:\.\d+)?)+$")


def boundaries_of(name: str, traceable: Iterable[str], most: int = 60) -> Tuple[List[str], int]:
    """Return the functions to probe for a system call or function, as this kernel spells them.

    ``traceable`` are the functions that may be probed. At most ``most``; the number says how many were left
    out. A name that is on no list gets the parts that most calls go through.

    >>> boundaries_of("openat", ["vfs_open", "vfs_read", "link_path_walk.part.0", "vfs_open.cold"])
    (['vfs_open', 'link_path_walk.part.0'], 0)
    """
    spelled = _by_stem(traceable)
    chosen: Dict[str, None] = {}
    for group in _groups_of(name):
        for stem in GROUPS[group]:
            for function in spelled.get(stem, ()):
                chosen.setdefault(function)
    found = list(chosen)
    return found[:most], max(0, len(found) - most)


def _groups_of(name: str) -> Tuple[str, ...]:
    for pattern, groups in FAMILIES:
        if re.fullmatch(pattern, name):
            return groups
    return ("read", "write", "open", "sync", "block", "socket", "wait")


def _by_stem(traceable: Iterable[str]) -> Mapping[str, List[str]]:
    wanted = {stem for group in GROUPS.values() for stem in group}
    found: Dict[str, List[str]] = {}
    for function in traceable:
        stem = _SUFFIX.sub("", function)
        if stem in wanted and function not in found.setdefault(stem, []):
            found[stem].append(function)
    return found
