"""System calls by number and by name, and what people mean by a name.

A call has three names. The one of its number (``__NR_stat``), which strace and the C library's headers use;
the one in the kernel's own symbols and tracepoints (``sys_newstat``), where the entry point is called
differently; and the one that a program calls (``stat``), which today's C library carries out with another
call (``newfstatat``).

Numbers: ``arch/x86/entry/syscalls/syscall_64.tbl`` and ``scripts/syscall.tbl`` (before 6.11:
``include/uapi/asm-generic/unistd.h``), which arm64, riscv and loongarch use, up to Linux 7.2. A number never
changes its meaning once it is given.
"""

from typing import Dict, Mapping, Optional, Tuple

__all__ = ["SYSCALLS", "entry_name", "meant_by", "name_of", "number_of"]

#: Names in the order of their numbers; ``424:`` goes on with another number.
_X86_64 = """
    read write open close stat fstat lstat poll lseek mmap mprotect munmap brk rt_sigaction
    rt_sigprocmask rt_sigreturn ioctl pread64 pwrite64 readv writev access pipe select sched_yield
    mremap msync mincore madvise shmget shmat shmctl dup dup2 pause nanosleep getitimer alarm setitimer
    getpid sendfile socket connect accept sendto recvfrom sendmsg recvmsg shutdown bind listen
    getsockname getpeername socketpair setsockopt getsockopt clone fork vfork execve exit wait4 kill
    uname semget semop semctl shmdt msgget msgsnd msgrcv msgctl fcntl flock fsync fdatasync truncate
    ftruncate getdents getcwd chdir fchdir rename mkdir rmdir creat link unlink symlink readlink chmod
    fchmod chown fchown lchown umask gettimeofday getrlimit getrusage sysinfo times ptrace getuid syslog
    getgid setuid setgid geteuid getegid setpgid getppid getpgrp setsid setreuid setregid getgroups
    setgroups setresuid getresuid setresgid getresgid getpgid setfsuid setfsgid getsid capget capset
    rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend sigaltstack utime mknod uselib
    personality ustat statfs fstatfs sysfs getpriority setpriority sched_setparam sched_getparam
    sched_setscheduler sched_getscheduler sched_get_priority_max sched_get_priority_min
    sched_rr_get_interval mlock munlock mlockall munlockall vhangup modify_ldt pivot_root _sysctl prctl
    arch_prctl adjtimex setrlimit chroot sync acct settimeofday mount umount2 swapon swapoff reboot
    sethostname setdomainname iopl ioperm create_module init_module delete_module get_kernel_syms
    query_module quotactl nfsservctl getpmsg putpmsg afs_syscall tuxcall security gettid readahead
    setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
    removexattr lremovexattr fremovexattr tkill time futex sched_setaffinity sched_getaffinity
    set_thread_area io_setup io_destroy io_getevents io_submit io_cancel get_thread_area lookup_dcookie
    epoll_create epoll_ctl_old epoll_wait_old remap_file_pages getdents64 set_tid_address
    restart_syscall semtimedop fadvise64 timer_create timer_settime timer_gettime timer_getoverrun
    timer_delete clock_settime clock_gettime clock_getres clock_nanosleep exit_group epoll_wait
    epoll_ctl tgkill utimes vserver mbind set_mempolicy get_mempolicy mq_open mq_unlink mq_timedsend
    mq_timedreceive mq_notify mq_getsetattr kexec_load waitid add_key request_key keyctl ioprio_set
    ioprio_get inotify_init inotify_add_watch inotify_rm_watch migrate_pages openat mkdirat mknodat
    fchownat futimesat newfstatat unlinkat renameat linkat symlinkat readlinkat fchmodat faccessat
    pselect6 ppoll unshare set_robust_list get_robust_list splice tee sync_file_range vmsplice
    move_pages utimensat epoll_pwait signalfd timerfd_create eventfd fallocate timerfd_settime
    timerfd_gettime accept4 signalfd4 eventfd2 epoll_create1 dup3 pipe2 inotify_init1 preadv pwritev
    rt_tgsigqueueinfo perf_event_open recvmmsg fanotify_init fanotify_mark prlimit64 name_to_handle_at
    open_by_handle_at clock_adjtime syncfs sendmmsg setns getcpu process_vm_readv process_vm_writev kcmp
    finit_module sched_setattr sched_getattr renameat2 seccomp getrandom memfd_create kexec_file_load
    bpf execveat userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2 pkey_mprotect pkey_alloc
    pkey_free statx io_pgetevents rseq uretprobe uprobe 424: pidfd_send_signal io_uring_setup
    io_uring_enter io_uring_register open_tree move_mount fsopen fsconfig fsmount fspick pidfd_open
    clone3 close_range openat2 pidfd_getfd faccessat2 process_madvise epoll_pwait2 mount_setattr
    quotactl_fd landlock_create_ruleset landlock_add_rule landlock_restrict_self memfd_secret
    process_mrelease futex_waitv set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack futex_wake
    futex_wait futex_requeue statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules
    mseal setxattrat getxattrat listxattrat removexattrat open_tree_attr file_getattr file_setattr
    listns rseq_slice_yield
"""

_GENERIC = """
    io_setup io_destroy io_submit io_cancel io_getevents setxattr lsetxattr fsetxattr getxattr lgetxattr
    fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr getcwd
    lookup_dcookie eventfd2 epoll_create1 epoll_ctl epoll_pwait dup dup3 fcntl inotify_init1
    inotify_add_watch inotify_rm_watch ioctl ioprio_set ioprio_get flock mknodat mkdirat unlinkat
    symlinkat linkat renameat umount2 mount pivot_root nfsservctl statfs fstatfs truncate ftruncate
    fallocate faccessat chdir fchdir chroot fchmod fchmodat fchownat fchown openat close vhangup pipe2
    quotactl getdents64 lseek read write readv writev pread64 pwrite64 preadv pwritev sendfile pselect6
    ppoll signalfd4 vmsplice splice tee readlinkat newfstatat fstat sync fsync fdatasync
    sync_file_range timerfd_create timerfd_settime timerfd_gettime utimensat acct capget capset
    personality exit exit_group waitid set_tid_address unshare futex set_robust_list get_robust_list
    nanosleep getitimer setitimer kexec_load init_module delete_module timer_create timer_gettime
    timer_getoverrun timer_settime timer_delete clock_settime clock_gettime clock_getres clock_nanosleep
    syslog ptrace sched_setparam sched_setscheduler sched_getscheduler sched_getparam sched_setaffinity
    sched_getaffinity sched_yield sched_get_priority_max sched_get_priority_min sched_rr_get_interval
    restart_syscall kill tkill tgkill sigaltstack rt_sigsuspend rt_sigaction rt_sigprocmask
    rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigreturn setpriority getpriority reboot setregid
    setgid setreuid setuid setresuid getresuid setresgid getresgid setfsuid setfsgid times setpgid
    getpgid getsid setsid getgroups setgroups uname sethostname setdomainname getrlimit setrlimit
    getrusage umask prctl getcpu gettimeofday settimeofday adjtimex getpid getppid getuid geteuid getgid
    getegid gettid sysinfo mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr msgget
    msgctl msgrcv msgsnd semget semctl semtimedop semop shmget shmctl shmat shmdt socket socketpair bind
    listen accept connect getsockname getpeername sendto recvfrom setsockopt getsockopt shutdown sendmsg
    recvmsg readahead brk munmap mremap add_key request_key keyctl clone execve mmap fadvise64 swapon
    swapoff mprotect msync mlock munlock mlockall munlockall mincore madvise remap_file_pages mbind
    get_mempolicy set_mempolicy migrate_pages move_pages rt_tgsigqueueinfo perf_event_open accept4
    recvmmsg 260: wait4 prlimit64 fanotify_init fanotify_mark name_to_handle_at open_by_handle_at
    clock_adjtime syncfs setns sendmmsg process_vm_readv process_vm_writev kcmp finit_module
    sched_setattr sched_getattr renameat2 seccomp getrandom memfd_create bpf execveat userfaultfd
    membarrier mlock2 copy_file_range preadv2 pwritev2 pkey_mprotect pkey_alloc pkey_free statx
    io_pgetevents rseq kexec_file_load 424: pidfd_send_signal io_uring_setup io_uring_enter
    io_uring_register open_tree move_mount fsopen fsconfig fsmount fspick pidfd_open clone3 close_range
    openat2 pidfd_getfd faccessat2 process_madvise epoll_pwait2 mount_setattr quotactl_fd
    landlock_create_ruleset landlock_add_rule landlock_restrict_self memfd_secret process_mrelease
    futex_waitv set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack futex_wake futex_wait
    futex_requeue statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal
    setxattrat getxattrat listxattrat removexattrat open_tree_attr file_getattr file_setattr listns
    rseq_slice_yield
"""


def _numbered(words: str) -> Dict[int, str]:
    table: Dict[int, str] = {}
    number = 0
    for word in words.split():
        if word.endswith(":"):
            number = int(word[:-1])
        else:
            table[number] = word
            number += 1
    return table


_OF_GENERIC = _numbered(_GENERIC)

#: Machine (as ``uname -m`` tells it) -> number -> name of the number.
SYSCALLS: Mapping[str, Mapping[int, str]] = {
    "aarch64": _OF_GENERIC,
    "loongarch64": _OF_GENERIC,
    "riscv64": {**_OF_GENERIC, 258: "riscv_hwprobe", 259: "riscv_flush_icache"},
    "x86_64": _numbered(_X86_64),
}

_NUMBERS: Dict[str, Dict[str, int]] = {
    machine: {name: number for number, name in table.items()} for machine, table in SYSCALLS.items()
}

#: Name of the number -> name of the entry point: ``sys_enter_newstat``, ``__x64_sys_newstat``.
_ENTRY: Mapping[str, str] = {
    "fstat": "newfstat",
    "lstat": "newlstat",
    "sendfile": "sendfile64",
    "stat": "newstat",
    "umount2": "umount",
    "uname": "newuname",
}
_ENTRY_OF_GENERIC: Mapping[str, str] = {**_ENTRY, "fadvise64": "fadvise64_64"}

#: What a program calls -> names of numbers that carry it out, likeliest first (glibc 2.26 to 2.42, musl).
_MEANT: Mapping[str, Tuple[str, ...]] = {
    "accept": ("accept", "accept4"),
    "access": ("access", "faccessat", "faccessat2"),
    "chmod": ("chmod", "fchmodat"),
    "chown": ("chown", "fchownat"),
    "creat": ("creat", "openat"),
    "dup2": ("dup2", "dup3"),
    "epoll_create": ("epoll_create1", "epoll_create"),
    "epoll_wait": ("epoll_wait", "epoll_pwait"),
    "eventfd": ("eventfd2", "eventfd"),
    "exec": ("execve", "execveat"),
    "execv": ("execve",),
    "execvp": ("execve",),
    "exit": ("exit_group", "exit"),
    "faccessat": ("faccessat", "faccessat2"),
    "fork": ("clone", "clone3", "fork"),
    "fstat": ("fstat", "newfstatat"),
    "fstatat": ("newfstatat", "statx"),
    "futimens": ("utimensat",),
    "getdents": ("getdents64", "getdents"),
    "inotify_init": ("inotify_init1", "inotify_init"),
    "lchown": ("lchown", "fchownat"),
    "link": ("link", "linkat"),
    "lstat": ("newfstatat", "lstat"),
    "mkdir": ("mkdir", "mkdirat"),
    "mknod": ("mknod", "mknodat"),
    "nanosleep": ("clock_nanosleep", "nanosleep"),
    "open": ("openat", "open"),
    "pause": ("pause", "ppoll"),
    "pipe": ("pipe2", "pipe"),
    "poll": ("poll", "ppoll"),
    "posix_fadvise": ("fadvise64",),
    "posix_fallocate": ("fallocate",),
    "pread": ("pread64",),
    "pselect": ("pselect6",),
    "pthread_create": ("clone3", "clone"),
    "pwrite": ("pwrite64",),
    "readdir": ("getdents64", "getdents"),
    "readlink": ("readlink", "readlinkat"),
    "recv": ("recvfrom",),
    "rename": ("rename", "renameat", "renameat2"),
    "rmdir": ("rmdir", "unlinkat"),
    "select": ("pselect6", "select"),
    "send": ("sendto",),
    "sendfile": ("sendfile",),
    "sigaction": ("rt_sigaction",),
    "signal": ("rt_sigaction",),
    "signalfd": ("signalfd4", "signalfd"),
    "sigprocmask": ("rt_sigprocmask",),
    "sigsuspend": ("rt_sigsuspend",),
    "sigtimedwait": ("rt_sigtimedwait",),
    "sigwait": ("rt_sigtimedwait",),
    "sleep": ("clock_nanosleep", "nanosleep"),
    "stat": ("newfstatat", "stat"),
    "symlink": ("symlink", "symlinkat"),
    "umount": ("umount2",),
    "unlink": ("unlink", "unlinkat"),
    "usleep": ("clock_nanosleep", "nanosleep"),
    "utime": ("utimensat", "utime"),
    "utimes": ("utimensat", "utimes"),
    "vfork": ("clone", "vfork"),
    "wait": ("wait4",),
    "waitpid": ("wait4",),
}


def name_of(number: int, machine: str) -> Optional[str]:
    """Return the name of a number, ``None`` for one that this table does not know.

    >>> name_of(257, "x86_64"), name_of(56, "aarch64"), name_of(335, "aarch64")
    ('openat', 'openat', None)
    """
    return SYSCALLS.get(machine, {}).get(number)


def number_of(name: str, machine: str) -> Optional[int]:
    """Return the number of a name or of an entry point's name, ``None`` where there is no such call.

    >>> number_of("openat", "x86_64"), number_of("newstat", "x86_64"), number_of("open", "aarch64")
    (257, 4, None)
    """
    numbers = _NUMBERS.get(machine, {})
    if name in numbers:
        return numbers[name]
    for uapi in numbers:
        if entry_name(uapi, machine) == name:
            return numbers[uapi]
    return None


def entry_name(name: str, machine: str) -> str:
    """Return the entry point's name: ``sys_enter_<it>`` is the tracepoint, ``__x64_sys_<it>`` the wrapper.

    >>> entry_name("stat", "x86_64"), entry_name("fadvise64", "aarch64"), entry_name("read", "x86_64")
    ('newstat', 'fadvise64_64', 'read')
    """
    return (_ENTRY if machine == "x86_64" else _ENTRY_OF_GENERIC).get(name, name)


def meant_by(word: str, machine: str) -> Tuple[str, ...]:
    """Return the names of entry points that a user may mean by a word, likeliest first; empty if unknown.

    The name of an entry point or of a number that no program calls otherwise means itself alone.

    >>> meant_by("open", "x86_64"), meant_by("open", "aarch64"), meant_by("openat", "x86_64")
    (('openat', 'open'), ('openat',), ('openat',))
    >>> meant_by("stat", "x86_64"), meant_by("newstat", "x86_64"), meant_by("nosuch", "x86_64")
    (('newfstatat', 'newstat'), ('newstat',), ())
    """
    word = word[4:] if word.startswith("sys_") else word
    numbers = _NUMBERS.get(machine, {})
    names = tuple(name for name in _MEANT.get(word, (word,)) if name in numbers)
    if names:
        return tuple(entry_name(name, machine) for name in names)
    return (word,) if number_of(word, machine) is not None else ()
