"""One reading of a host: every record that was parsed, when each file was read, and what could not be.

A field that is ``None`` was not read; :attr:`Sample.failures` says why. The bytes are kept, so that a
finding can show the very line that it rests on.
"""

from typing import TYPE_CHECKING, Dict, List, Optional, Tuple

from kdiag.health.finding import Evidence
from kdiag.host.base import Facts, Failure, FileSystemSize
from kdiag.procfs.meminfo import MemInfo
from kdiag.procfs.mountinfo import Mount
from kdiag.procfs.numastat import NumaStat
from kdiag.procfs.pid_cgroup import PidCgroup
from kdiag.procfs.pid_limits import PidLimits
from kdiag.procfs.pid_schedstat import PidSchedstat
from kdiag.procfs.pid_stat import PidStat
from kdiag.procfs.pid_status import PidStatus
from kdiag.records import NamedTuple

# A name in quotes inside a NamedTuple is compiled when the class is made, which costs as much as an import:
# what every run loads anyway is imported, the rest stays in quotes.
if TYPE_CHECKING:
    from kdiag.health.own_cgroup import OwnCgroup
    from kdiag.procfs.bracketed_choice import BracketedChoice
    from kdiag.procfs.buddyinfo import BuddyInfo
    from kdiag.procfs.cmdline import CmdLine
    from kdiag.procfs.cpulist import CpuList
    from kdiag.procfs.diskstats import DiskStats
    from kdiag.procfs.fstab import Fstab
    from kdiag.procfs.interrupts import Interrupts
    from kdiag.procfs.loadavg import LoadAvg
    from kdiag.procfs.mdstat import MdStat
    from kdiag.procfs.mountinfo import MountInfo
    from kdiag.procfs.net_dev import NetDev
    from kdiag.procfs.net_snmp import NetSnmp
    from kdiag.procfs.net_sockstat import NetSockstat
    from kdiag.procfs.net_softnet_stat import NetSoftnetStat
    from kdiag.procfs.os_release import OsRelease
    from kdiag.procfs.pid_stack import PidStack
    from kdiag.procfs.pid_syscall import PidSyscall
    from kdiag.procfs.pid_wchan import PidWchan
    from kdiag.procfs.pressure import Pressure
    from kdiag.procfs.schedstat import SchedStat
    from kdiag.procfs.slabinfo import SlabInfo
    from kdiag.procfs.softirqs import Softirqs
    from kdiag.procfs.stat import Stat
    from kdiag.procfs.swaps import Swaps
    from kdiag.procfs.sysctl import DentryState, FileNr, InodeState, TcpMem
    from kdiag.procfs.text import Problem
    from kdiag.procfs.uptime import Uptime
    from kdiag.procfs.version import KernelVersion
    from kdiag.procfs.vmstat import VmStat
    from kdiag.procfs.zoneinfo import ZoneInfo

__all__ = ["Cost", "MountedFileSystem", "NumaNode", "Sample", "Task", "TaskDetail"]


class Task(NamedTuple):
    """A process (or, in :attr:`Sample.threads`, a thread) as every sample has it."""

    pid: int
    stat: PidStat
    schedstat: Optional[PidSchedstat]
    fd_count: Optional[int]
    """Open descriptors; ``None`` where the kernel does not count them in st_size."""


class TaskDetail(NamedTuple):
    """What is read only of tasks that a finding or a table speaks of."""

    status: Optional[PidStatus] = None
    wchan: "Optional[PidWchan]" = None
    stack: "Optional[PidStack]" = None
    syscall: "Optional[PidSyscall]" = None
    limits: Optional[PidLimits] = None
    cgroup: Optional[PidCgroup] = None
    frozen: Optional[bool] = None
    """Whether a freezer of cgroup v1 holds it, which shows as state D too; ``None`` if that is not known."""


class Cost(NamedTuple):
    """What reading one file, or a family of files, cost."""

    reads: int
    bytes: int
    duration_ns: int


class NumaNode(NamedTuple):
    """One node of ``/sys/devices/system/node``."""

    node: int
    meminfo: Optional[MemInfo]
    numastat: Optional[NumaStat]


class MountedFileSystem(NamedTuple):
    """A mounted file system of which space is asked, or why it did not answer."""

    mount: Mount
    size: Optional[FileSystemSize]
    failure: Optional[Failure]


class Sample:
    """Records of one moment, by the field names of :mod:`kdiag.procfs.catalogue`."""

    stat: "Optional[Stat]" = None
    loadavg: "Optional[LoadAvg]" = None
    uptime: "Optional[Uptime]" = None
    meminfo: "Optional[MemInfo]" = None
    vmstat: "Optional[VmStat]" = None
    pressure_cpu: "Optional[Pressure]" = None
    pressure_memory: "Optional[Pressure]" = None
    pressure_io: "Optional[Pressure]" = None
    pressure_irq: "Optional[Pressure]" = None
    swaps: "Optional[Swaps]" = None
    buddyinfo: "Optional[BuddyInfo]" = None
    zoneinfo: "Optional[ZoneInfo]" = None
    slabinfo: "Optional[SlabInfo]" = None
    interrupts: "Optional[Interrupts]" = None
    softirqs: "Optional[Softirqs]" = None
    schedstat: "Optional[SchedStat]" = None
    diskstats: "Optional[DiskStats]" = None
    net_dev: "Optional[NetDev]" = None
    net_snmp: "Optional[NetSnmp]" = None
    net_netstat: "Optional[NetSnmp]" = None
    net_sockstat: "Optional[NetSockstat]" = None
    net_softnet_stat: "Optional[NetSoftnetStat]" = None
    mountinfo: "Optional[MountInfo]" = None
    mdstat: "Optional[MdStat]" = None
    fstab: "Optional[Fstab]" = None
    version: "Optional[KernelVersion]" = None
    cmdline: "Optional[CmdLine]" = None
    os_release: "Optional[OsRelease]" = None
    cpu_online: "Optional[CpuList]" = None
    transparent_hugepage: "Optional[BracketedChoice]" = None
    file_nr: "Optional[FileNr]" = None
    inode_state: "Optional[InodeState]" = None
    dentry_state: "Optional[DentryState]" = None
    tcp_mem: "Optional[TcpMem]" = None
    self_cgroup: "Optional[PidCgroup]" = None
    #: Limits and use of the groups in ``self_cgroup``, and of those above them.
    cgroup: "Optional[OwnCgroup]" = None
    self_status: "Optional[PidStatus]" = None

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        #: The bytes of each host-wide file, by path.
        self.raw: Dict[str, bytes] = {}
        #: CLOCK_MONOTONIC in the middle of each file's read, by path.
        self.stamps_ns: Dict[str, int] = {}
        self.failures: Dict[str, Failure] = {}
        self.problems: List[Problem] = []
        #: What single-number files hold, by path.
        self.integers: Dict[str, int] = {}
        #: What files of one token or line hold, by path (a host name, a clock source).
        self.words: Dict[str, str] = {}
        self.tasks: Dict[int, Task] = {}
        #: Threads in uninterruptible sleep that do not lead their process, by (pid, tid).
        self.threads: Dict[Tuple[int, int], Task] = {}
        #: True if the threads of all processes were looked at for :attr:`threads`.
        self.threads_scanned = False
        #: Why they were not though something points to blocked ones; empty if nothing does.
        self.threads_skipped = ""
        #: Tasks of which more was read, by (pid, tid).
        self.details: Dict[Tuple[int, int], TaskDetail] = {}
        self.numa_nodes: List[NumaNode] = []
        self.file_systems: List[MountedFileSystem] = []
        #: Is the disk rotational, by its name in diskstats; a disk that does not say is not in it.
        self.rotational: Dict[str, bool] = {}
        #: Names of users, by uid.
        self.user_names: Dict[int, str] = {}
        #: What each file, or family of files, cost to read.
        self.costs: Dict[str, Cost] = {}

    @property
    def boot_id(self) -> str:
        """The identity of this boot, empty if unknown."""
        return self.words.get("/proc/sys/kernel/random/boot_id", "")

    @property
    def online_cpus(self) -> Optional[int]:
        """The number of CPUs that are online, as the file that says so, or else ``/proc/stat``, has it."""
        if self.cpu_online is not None and self.cpu_online.cpus:
            return len(self.cpu_online.cpus)
        return len(self.stat.cpus) or None if self.stat is not None else None

    def absent(self, path: str) -> bool:
        """Return true if this kernel is known not to have the file (not merely unreadable or unrecorded)."""
        failure = self.failures.get(path)
        return failure is not None and failure.kind == "absent"

    def garbled(self, path: str) -> bool:
        """Return true if lines of the file could not be parsed."""
        return any(problem.path == path for problem in self.problems)

    def why_missing(self, path: str, item: str = "") -> str:
        """Say why a value of a file is not known: the file's failure, or the item that it lacks."""
        failure = self.failures.get(path)
        if failure is not None:
            return str(failure).partition(": ")[2]
        if path not in self.raw:
            return "not read"
        return f"{item} is not in it" if item else "it has no usable value"

    def evidence(self, path: str, key: str = "") -> Evidence:
        """Return the first line of a file that begins with ``key``, or else holds it as a word.

        A file that was not kept (or a folder) is evidence without a line.
        """
        data = self.raw.get(path)
        if data is None:
            return Evidence(path, None, "")
        start = _find_line(data, key.encode("utf-8", "surrogateescape"))
        if start is None:
            return Evidence(path, None, "")
        end = data.find(b"\n", start)
        raw = data[start:] if end < 0 else data[start:end]
        return Evidence(
            path, data.count(b"\n", 0, start) + 1, raw[:200].decode("utf-8", "surrogateescape").strip()
        )


def _find_line(data: bytes, key: bytes) -> Optional[int]:
    """Return where the line starts that begins with ``key``, or else the first that holds it as a word."""
    if not key:
        return 0
    start = 0 if data.startswith(key) else data.find(b"\n" + key) + 1 or -1
    while start >= 0:
        following = data[start + len(key) : start + len(key) + 1]
        if not following or following in b" \t:=\n":
            return start
        start = data.find(b"\n" + key, start) + 1 or -1
    position = 0
    for line in data.split(b"\n"):
        if key in line.replace(b":", b" ").split():
            return position
        position += len(line) + 1
    return None
