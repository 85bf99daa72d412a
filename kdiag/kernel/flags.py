"""Arguments of system calls as their names: flags of open(2), protections, socket families, whence ...

Values from ``include/uapi`` (``asm-generic/fcntl.h``, ``linux/socket.h`` ...), up to Linux 7.2. x86, riscv
and s390 have the generic values; arm, arm64, m68k and powerpc number four flags of open(2) in their own way.
"""

from typing import Mapping, Optional, Tuple

from kdiag.records import NamedTuple

__all__ = ["ARGUMENTS", "TABLES", "Table", "decode", "table_of_argument"]


class Table(NamedTuple):
    """Names of values. ``choice`` are the bits that make one value of ``choices``; all others are flags.

    ``choices`` and ``flags`` are (value, name); a flag of several bits comes before those that it includes.
    ``zero`` is what 0 is called where there are flags alone.
    """

    flags: Tuple[Tuple[int, str], ...] = ()
    choices: Tuple[Tuple[int, str], ...] = ()
    choice: int = 0
    zero: str = "0"


def _table(flags: str = "", choices: str = "", choice: int = 0, zero: str = "0") -> Table:
    return Table(_pairs(flags), _pairs(choices), choice, zero)


def _pairs(text: str) -> Tuple[Tuple[int, str], ...]:
    words = text.split()
    return tuple((int(value, 0), name) for name, value in zip(words[::2], words[1::2]))


_ALL = -1
_ACCESS_MODE = "O_RDONLY 0 O_WRONLY 1 O_RDWR 2"
_OPEN = """
    O_SYNC 0o4010000 O_TMPFILE {tmpfile} O_CREAT 0o100 O_EXCL 0o200 O_NOCTTY 0o400 O_TRUNC 0o1000
    O_APPEND 0o2000 O_NONBLOCK 0o4000 O_DSYNC 0o10000 O_ASYNC 0o20000 O_DIRECT {direct}
    O_LARGEFILE {large} O_DIRECTORY {directory} O_NOFOLLOW {nofollow} O_NOATIME 0o1000000
    O_CLOEXEC 0o2000000 O_PATH 0o10000000
"""
_OPEN_GENERIC = _OPEN.format(
    tmpfile="0o20200000", direct="0o40000", large="0o100000", directory="0o200000", nofollow="0o400000"
)
_OPEN_ARM = _OPEN.format(
    tmpfile="0o20040000", direct="0o200000", large="0o400000", directory="0o40000", nofollow="0o100000"
)
_SIGNALS = """
    SIGHUP 1 SIGINT 2 SIGQUIT 3 SIGILL 4 SIGTRAP 5 SIGABRT 6 SIGBUS 7 SIGFPE 8 SIGKILL 9 SIGUSR1 10
    SIGSEGV 11 SIGUSR2 12 SIGPIPE 13 SIGALRM 14 SIGTERM 15 SIGSTKFLT 16 SIGCHLD 17 SIGCONT 18 SIGSTOP 19
    SIGTSTP 20 SIGTTIN 21 SIGTTOU 22 SIGURG 23 SIGXCPU 24 SIGXFSZ 25 SIGVTALRM 26 SIGPROF 27 SIGWINCH 28
    SIGIO 29 SIGPWR 30 SIGSYS 31
"""

#: By what a value means; a name with ``@machine`` is that machine's own.
TABLES: Mapping[str, Table] = {
    "access": _table("R_OK 4 W_OK 2 X_OK 1", zero="F_OK"),
    "at_flags": _table("""
        AT_SYMLINK_NOFOLLOW 0x100 AT_REMOVEDIR 0x200 AT_SYMLINK_FOLLOW 0x400 AT_NO_AUTOMOUNT 0x800
        AT_EMPTY_PATH 0x1000 AT_STATX_FORCE_SYNC 0x2000 AT_STATX_DONT_SYNC 0x4000 AT_RECURSIVE 0x8000
    """),
    "clock": _table(
        choices="""
            CLOCK_REALTIME 0 CLOCK_MONOTONIC 1 CLOCK_PROCESS_CPUTIME_ID 2 CLOCK_THREAD_CPUTIME_ID 3
            CLOCK_MONOTONIC_RAW 4 CLOCK_REALTIME_COARSE 5 CLOCK_MONOTONIC_COARSE 6 CLOCK_BOOTTIME 7
            CLOCK_REALTIME_ALARM 8 CLOCK_BOOTTIME_ALARM 9 CLOCK_TAI 11
        """,
        choice=_ALL,
    ),
    "clone": _table(
        """
        CLONE_NEWTIME 0x80 CLONE_VM 0x100 CLONE_FS 0x200 CLONE_FILES 0x400 CLONE_SIGHAND 0x800
        CLONE_PIDFD 0x1000 CLONE_PTRACE 0x2000 CLONE_VFORK 0x4000 CLONE_PARENT 0x8000
        CLONE_THREAD 0x10000 CLONE_NEWNS 0x20000 CLONE_SYSVSEM 0x40000 CLONE_SETTLS 0x80000
        CLONE_PARENT_SETTID 0x100000 CLONE_CHILD_CLEARTID 0x200000 CLONE_DETACHED 0x400000
        CLONE_UNTRACED 0x800000 CLONE_CHILD_SETTID 0x1000000 CLONE_NEWCGROUP 0x2000000
        CLONE_NEWUTS 0x4000000 CLONE_NEWIPC 0x8000000 CLONE_NEWUSER 0x10000000 CLONE_NEWPID 0x20000000
        CLONE_NEWNET 0x40000000 CLONE_IO 0x80000000
        """,
        choices=_SIGNALS,
        choice=0x7F,
    ),
    "epoll_op": _table(choices="EPOLL_CTL_ADD 1 EPOLL_CTL_DEL 2 EPOLL_CTL_MOD 3", choice=_ALL),
    "fallocate": _table("""
        FALLOC_FL_KEEP_SIZE 1 FALLOC_FL_PUNCH_HOLE 2 FALLOC_FL_NO_HIDE_STALE 4
        FALLOC_FL_COLLAPSE_RANGE 8 FALLOC_FL_ZERO_RANGE 16 FALLOC_FL_INSERT_RANGE 32
        FALLOC_FL_UNSHARE_RANGE 64 FALLOC_FL_WRITE_ZEROES 128
    """),
    "family": _table(
        choices="""
            AF_UNSPEC 0 AF_UNIX 1 AF_INET 2 AF_AX25 3 AF_IPX 4 AF_APPLETALK 5 AF_NETROM 6 AF_BRIDGE 7
            AF_ATMPVC 8 AF_X25 9 AF_INET6 10 AF_ROSE 11 AF_DECnet 12 AF_NETBEUI 13 AF_SECURITY 14
            AF_KEY 15 AF_NETLINK 16 AF_PACKET 17 AF_ASH 18 AF_ECONET 19 AF_ATMSVC 20 AF_RDS 21 AF_SNA 22
            AF_IRDA 23 AF_PPPOX 24 AF_WANPIPE 25 AF_LLC 26 AF_IB 27 AF_MPLS 28 AF_CAN 29 AF_TIPC 30
            AF_BLUETOOTH 31 AF_IUCV 32 AF_RXRPC 33 AF_ISDN 34 AF_PHONET 35 AF_IEEE802154 36 AF_CAIF 37
            AF_ALG 38 AF_NFC 39 AF_VSOCK 40 AF_KCM 41 AF_QIPCRTR 42 AF_SMC 43 AF_XDP 44 AF_MCTP 45
        """,
        choice=_ALL,
    ),
    "fcntl": _table(
        choices="""
            F_DUPFD 0 F_GETFD 1 F_SETFD 2 F_GETFL 3 F_SETFL 4 F_GETLK 5 F_SETLK 6 F_SETLKW 7 F_SETOWN 8
            F_GETOWN 9 F_SETSIG 10 F_GETSIG 11 F_SETOWN_EX 15 F_GETOWN_EX 16 F_OFD_GETLK 36
            F_OFD_SETLK 37 F_OFD_SETLKW 38 F_SETLEASE 1024 F_GETLEASE 1025 F_NOTIFY 1026
            F_DUPFD_QUERY 1027 F_CREATED_QUERY 1028 F_CANCELLK 1029 F_DUPFD_CLOEXEC 1030
            F_SETPIPE_SZ 1031 F_GETPIPE_SZ 1032 F_ADD_SEALS 1033 F_GET_SEALS 1034 F_GET_RW_HINT 1035
            F_SET_RW_HINT 1036 F_GET_FILE_RW_HINT 1037 F_SET_FILE_RW_HINT 1038
        """,
        choice=_ALL,
    ),
    "flock": _table("LOCK_SH 1 LOCK_EX 2 LOCK_NB 4 LOCK_UN 8"),
    "futex": _table(
        "FUTEX_PRIVATE_FLAG 128 FUTEX_CLOCK_REALTIME 256",
        choices="""
            FUTEX_WAIT 0 FUTEX_WAKE 1 FUTEX_FD 2 FUTEX_REQUEUE 3 FUTEX_CMP_REQUEUE 4 FUTEX_WAKE_OP 5
            FUTEX_LOCK_PI 6 FUTEX_UNLOCK_PI 7 FUTEX_TRYLOCK_PI 8 FUTEX_WAIT_BITSET 9
            FUTEX_WAKE_BITSET 10 FUTEX_WAIT_REQUEUE_PI 11 FUTEX_CMP_REQUEUE_PI 12 FUTEX_LOCK_PI2 13
        """,
        choice=0x7F,
    ),
    "madvise": _table(
        choices="""
            MADV_NORMAL 0 MADV_RANDOM 1 MADV_SEQUENTIAL 2 MADV_WILLNEED 3 MADV_DONTNEED 4 MADV_FREE 8
            MADV_REMOVE 9 MADV_DONTFORK 10 MADV_DOFORK 11 MADV_MERGEABLE 12 MADV_UNMERGEABLE 13
            MADV_HUGEPAGE 14 MADV_NOHUGEPAGE 15 MADV_DONTDUMP 16 MADV_DODUMP 17 MADV_WIPEONFORK 18
            MADV_KEEPONFORK 19 MADV_COLD 20 MADV_PAGEOUT 21 MADV_POPULATE_READ 22 MADV_POPULATE_WRITE 23
            MADV_DONTNEED_LOCKED 24 MADV_COLLAPSE 25 MADV_HWPOISON 100 MADV_SOFT_OFFLINE 101
            MADV_GUARD_INSTALL 102 MADV_GUARD_REMOVE 103
        """,
        choice=_ALL,
    ),
    "mmap": _table(
        """
        MAP_FIXED 0x10 MAP_ANONYMOUS 0x20 MAP_32BIT 0x40 MAP_GROWSDOWN 0x100 MAP_DENYWRITE 0x800
        MAP_EXECUTABLE 0x1000 MAP_LOCKED 0x2000 MAP_NORESERVE 0x4000 MAP_POPULATE 0x8000
        MAP_NONBLOCK 0x10000 MAP_STACK 0x20000 MAP_HUGETLB 0x40000 MAP_SYNC 0x80000
        MAP_FIXED_NOREPLACE 0x100000
        """,
        choices="MAP_SHARED 1 MAP_PRIVATE 2 MAP_SHARED_VALIDATE 3 MAP_DROPPABLE 8",
        choice=0xF,
    ),
    "msg": _table("""
        MSG_OOB 1 MSG_PEEK 2 MSG_DONTROUTE 4 MSG_CTRUNC 8 MSG_PROBE 0x10 MSG_TRUNC 0x20
        MSG_DONTWAIT 0x40 MSG_EOR 0x80 MSG_WAITALL 0x100 MSG_FIN 0x200 MSG_SYN 0x400 MSG_CONFIRM 0x800
        MSG_RST 0x1000 MSG_ERRQUEUE 0x2000 MSG_NOSIGNAL 0x4000 MSG_MORE 0x8000 MSG_WAITFORONE 0x10000
        MSG_BATCH 0x40000 MSG_ZEROCOPY 0x4000000 MSG_FASTOPEN 0x20000000 MSG_CMSG_CLOEXEC 0x40000000
    """),
    "open": _table(_OPEN_GENERIC, choices=_ACCESS_MODE, choice=3),
    "open@aarch64": _table(_OPEN_ARM, choices=_ACCESS_MODE, choice=3),
    "poll": _table("""
        POLLIN 1 POLLPRI 2 POLLOUT 4 POLLERR 8 POLLHUP 16 POLLNVAL 32 POLLRDNORM 64 POLLRDBAND 128
        POLLWRNORM 256 POLLWRBAND 512 POLLMSG 1024 POLLRDHUP 8192
    """),
    "prot": _table(
        "PROT_READ 1 PROT_WRITE 2 PROT_EXEC 4 PROT_SEM 8 PROT_GROWSDOWN 0x1000000 PROT_GROWSUP 0x2000000",
        zero="PROT_NONE",
    ),
    "rename": _table("RENAME_NOREPLACE 1 RENAME_EXCHANGE 2 RENAME_WHITEOUT 4"),
    "shutdown": _table(choices="SHUT_RD 0 SHUT_WR 1 SHUT_RDWR 2", choice=_ALL),
    "signal": _table(choices=_SIGNALS, choice=_ALL),
    "socket_type": _table(
        "SOCK_NONBLOCK 0o4000 SOCK_CLOEXEC 0o2000000",
        choices="SOCK_STREAM 1 SOCK_DGRAM 2 SOCK_RAW 3 SOCK_RDM 4 SOCK_SEQPACKET 5 SOCK_DCCP 6",
        choice=0xF,
    ),
    "sync_file_range": _table("""
        SYNC_FILE_RANGE_WAIT_BEFORE 1 SYNC_FILE_RANGE_WRITE 2 SYNC_FILE_RANGE_WAIT_AFTER 4
    """),
    "wait": _table("""
        WNOHANG 1 WUNTRACED 2 WEXITED 4 WCONTINUED 8 WNOWAIT 0x1000000 __WNOTHREAD 0x20000000
        __WALL 0x40000000 __WCLONE 0x80000000
    """),
    "whence": _table(choices="SEEK_SET 0 SEEK_CUR 1 SEEK_END 2 SEEK_DATA 3 SEEK_HOLE 4", choice=_ALL),
}

#: Entry point and argument -> table; ``*`` for every call with such an argument (``dfd`` is a descriptor).
ARGUMENTS: Mapping[Tuple[str, str], str] = {
    ("*", "dfd"): "fd",
    ("*", "olddfd"): "fd",
    ("*", "newdfd"): "fd",
    ("*", "mode"): "mode",
    ("*", "prot"): "prot",
    ("*", "sig"): "signal",
    ("*", "whence"): "whence",
    ("*", "which_clock"): "clock",
    ("accept4", "flags"): "socket_type",
    ("access", "mode"): "access",
    ("clone", "clone_flags"): "clone",
    ("epoll_ctl", "op"): "epoll_op",
    ("faccessat", "mode"): "access",
    ("faccessat2", "flags"): "at_flags",
    ("faccessat2", "mode"): "access",
    ("fallocate", "mode"): "fallocate",
    ("fchownat", "flag"): "at_flags",
    ("fcntl", "cmd"): "fcntl",
    ("flock", "cmd"): "flock",
    ("futex", "op"): "futex",
    ("linkat", "flags"): "at_flags",
    ("madvise", "behavior"): "madvise",
    ("mmap", "flags"): "mmap",
    ("newfstatat", "flag"): "at_flags",
    ("open", "flags"): "open",
    ("openat", "flags"): "open",
    ("pipe2", "flags"): "open",
    ("recvfrom", "flags"): "msg",
    ("recvmsg", "flags"): "msg",
    ("renameat2", "flags"): "rename",
    ("sendmsg", "flags"): "msg",
    ("sendto", "flags"): "msg",
    ("shutdown", "how"): "shutdown",
    ("socket", "family"): "family",
    ("socket", "type"): "socket_type",
    ("socketpair", "family"): "family",
    ("socketpair", "type"): "socket_type",
    ("statx", "flags"): "at_flags",
    ("sync_file_range", "flags"): "sync_file_range",
    ("unlinkat", "flag"): "at_flags",
    ("unshare", "unshare_flags"): "clone",
    ("utimensat", "flags"): "at_flags",
    ("wait4", "options"): "wait",
    ("waitid", "options"): "wait",
}

_AT_FDCWD = -100


def table_of_argument(entry_name: str, argument: str) -> Optional[str]:
    """Return what :func:`decode` calls an argument of a system call, ``None`` for a plain number.

    >>> table_of_argument("openat", "flags"), table_of_argument("mkdirat", "dfd"), table_of_argument("x", "y")
    ('open', 'fd', None)
    """
    return ARGUMENTS.get((entry_name, argument)) or ARGUMENTS.get(("*", argument))


def decode(table: str, value: int, machine: str = "x86_64") -> str:
    """Return a value in names; what has no name stays a number.

    >>> decode("open", 0o1101), decode("open", 0), decode("prot", 3), decode("family", 10)
    ('O_WRONLY|O_CREAT|O_TRUNC', 'O_RDONLY', 'PROT_READ|PROT_WRITE', 'AF_INET6')
    >>> decode("fd", 0xffffff9c), decode("fd", 3), decode("mode", 0o644), decode("whence", 9)
    ('AT_FDCWD', '3', '0644', '9')
    >>> decode("open", 0o200000), decode("open", 0o200000, "aarch64")
    ('O_RDONLY|O_DIRECTORY', 'O_RDONLY|O_DIRECT')
    """
    if table == "fd":
        return _descriptor(value)
    if table == "mode":
        return f"0{value & 0xFFFFFFFF:o}" if value else "0"
    names = TABLES.get(f"{table}@{_KIN.get(machine, machine)}") or TABLES[table]
    value &= 0xFFFFFFFFFFFFFFFF
    if value >> 32 == 0xFFFFFFFF:  # a negative int that was extended
        value &= 0xFFFFFFFF
    if names.choice == _ALL:
        return next((name for number, name in names.choices if number == value), _number(value))
    found = []
    rest = value
    if names.choices:
        chosen = value & names.choice
        name = next((name for number, name in names.choices if number == chosen), None)
        if name is not None:
            found.append(name)
            rest &= ~names.choice
    for bits, name in names.flags:
        if bits & rest == bits:
            found.append(name)
            rest &= ~bits
    if rest:
        found.append(hex(rest))
    return "|".join(found) or names.zero


#: Machines that number as another does.
_KIN: Mapping[str, str] = {"armv7l": "aarch64", "ppc64": "aarch64", "ppc64le": "aarch64"}


def _descriptor(value: int) -> str:
    value &= 0xFFFFFFFF
    signed = value - (1 << 32) if value >> 31 else value
    if signed == _AT_FDCWD:
        return "AT_FDCWD"
    return str(signed)


def _number(value: int) -> str:
    signed = value - (1 << 32) if 1 << 31 <= value < 1 << 32 else value
    return str(signed) if abs(signed) < 1 << 16 else hex(value)
