"""What it would cost to trace the whole system: how often its probes would fire, and what each time costs.

Only asked where no target is given, for a target is one that its user chose to slow down. It is an estimate:
the rate is that of a moment, the cost of one event that of another machine.
"""

import time
from typing import Any, Callable, Iterator, Mapping, Optional, Tuple

from kdiag.ebpf import pieces
from kdiag.ebpf.assembler import R0, R10, Assembler
from kdiag.ebpf.btf import NoBtf
from kdiag.ebpf.collector import load
from kdiag.ebpf.maps import MapSpec
from kdiag.ebpf.program import ProgramSpec
from kdiag.ebpf.syscall import BpfError
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import NoTraceFs, TraceFsError, find_tracefs
from kdiag.host.base import Host, ReadError
from kdiag.procfs.cpulist import parse_cpulist
from kdiag.procfs.diskstats import parse_diskstats
from kdiag.procfs.stat import parse_stat
from kdiag.records import NamedTuple
from kdiag.tools.block_disks import whole_disks
from kdiag.tools.tool import Option, Tool

__all__ = ["MOST_SHARE", "Cost", "Rate", "cost_of", "rate_of"]

#: More than this share of all CPUs is refused without ``--force``.
MOST_SHARE = 0.05
_COUNTED_S, _READ_S = 0.02, 0.15
_ONLINE = "/sys/devices/system/cpu/online"
_FIRED = MapSpec("fired", "percpu_array", 4, 8, 1)
_SMALL_KIB = 64
_WORDS = {
    "syscalls": "system calls",
    "switches": "switches",
    "forks": "forks",
    "block": "requests to disks",
}
#: Nanoseconds of CPU time for one event, in the kernel and in kdiag: by tool and mechanism.
#: Measured by ``python -m bench costs`` on Linux 6.18 (x86_64, two busy virtual CPUs); two digits are more
#: than is certain. A line costs most, by what kdiag does for it; calls that make no line cost opensnoop and
#: its kin far less. What is not here is not known: exitsnoop by ftrace is at two kinds of event.
_NS: Mapping[Tuple[str, str], int] = {
    ("execsnoop", "bcc"): 170,
    ("execsnoop", "bpf"): 180,
    ("execsnoop", "ftrace"): 100,
    ("exitsnoop", "bcc"): 51_000,
    ("exitsnoop", "bpf"): 39_000,
    ("offcpu", "bpf"): 2400,
    ("offcpu", "ftrace"): 6600,
    ("opensnoop", "bcc"): 210,
    ("opensnoop", "bpf"): 240,
    ("opensnoop", "ftrace"): 140,
    ("runqlat", "bpf"): 550,
    ("runqlat", "ftrace"): 5300,
    ("statsnoop", "bcc"): 360,
    ("statsnoop", "bpf"): 240,
    ("statsnoop", "ftrace"): 150,
    ("syscalls", "bcc"): 18_000,
    ("syscalls", "bpf"): 14_000,
    ("syscalls", "ftrace"): 11_000,
    ("syscount", "bcc"): 360,
    ("syscount", "bpf"): 230,
    ("syscount", "ftrace"): 440,
}


#: It costs what it reads, however much happens.
_WITHOUT_PROBES = "procfs"
#: Tools that show a line for each event, unless their options choose some.
_SHOWS_ALL = ("syscalls",)


class Rate(NamedTuple):
    """How often something happens on the whole system now; ``per_s`` is ``None`` where it is not known."""

    what: str
    per_s: Optional[float]
    online_cpus: Optional[int]


class Cost(NamedTuple):
    """What a mechanism would cost: ``share`` of all online CPUs, from 0 to 1, ``None`` where it is not known.

    >>> print(Cost("system calls", 41000.0, 0.0034))
    about 0.34 % of the CPUs at 41k system calls a second
    >>> print(Cost("switches", 900.0, 0.00001)), print(Cost("system calls", None, None))
    less than 0.01 % of the CPUs at 900 switches a second
    unknown: how many system calls there are cannot be counted here
    (None, None)
    """

    what: str
    per_s: Optional[float]
    share: Optional[float]

    def __str__(self) -> str:
        if self.per_s is None:
            return f"unknown: how many {self.what} there are cannot be counted here"
        rate = f"{_short(self.per_s)} {self.what} a second"
        if self.share is None:
            return f"unknown at {rate}"
        percent = self.share * 100
        told = f"about {percent:.2g} %" if percent >= 0.01 else "less than 0.01 %"
        return f"{told} of the CPUs at {rate}"

    @property
    def too_much(self) -> bool:
        """Tell whether it is more than :data:`MOST_SHARE`."""
        return self.share is not None and self.share > MOST_SHARE


def _short(number: float) -> str:
    if number >= 1e6:
        return f"{number / 1e6:.3g}M"
    return f"{number / 1e3:.3g}k" if number >= 1000 else f"{number:.0f}"


def cost_of(rate: Rate, tool: Tool, mechanism: str, options: Mapping[str, Any]) -> Optional[Cost]:
    """Return what a mechanism of a tool costs at that rate; ``None`` for one that has no probes.

    How many lines are shown of those that options choose is not known, and so is their cost.
    """
    if mechanism == _WITHOUT_PROBES:
        return None
    ns = _NS.get((tool.name, mechanism))
    if tool.name in _SHOWS_ALL and any(options[each.name] != each.default for each in _choosing(tool)):
        ns = None
    if rate.per_s is None or rate.online_cpus is None or ns is None:
        return Cost(rate.what, rate.per_s, None)
    return Cost(rate.what, rate.per_s, rate.per_s * ns / 1e9 / rate.online_cpus)


def _choosing(tool: Tool) -> Iterator[Option]:
    """Yield the options with their defaults as they come from the command line."""
    for each in tool.options:
        if each.kind == "flag":
            yield each._replace(default=False)
        else:
            yield each._replace(default=()) if each.kind == "texts" else each


def rate_of(host: Host, what: str, sleep: Callable[[float], object] = time.sleep) -> Rate:
    """Measure how often something happens: a key of :attr:`kdiag.tools.tool.Tool.rate`; takes up to 0.2 s."""
    per_s = _syscalls_per_s(host, sleep) if what == "syscalls" else _read_per_s(host, what, sleep)
    return Rate(_WORDS[what], per_s, _online_cpus(host))


def _online_cpus(host: Host) -> Optional[int]:
    try:
        return len(parse_cpulist(host.read(_ONLINE), _ONLINE).cpus or ()) or None
    except ReadError:
        return None


def _switches(host: Host) -> Optional[int]:
    return parse_stat(host.read("/proc/stat")).ctxt


def _forks(host: Host) -> Optional[int]:
    return parse_stat(host.read("/proc/stat")).processes


def _requests(host: Host) -> Optional[int]:
    """Return the reads and writes of all disks; those of partitions are among them."""
    whole = set(whole_disks(host))
    disks = parse_diskstats(host.read("/proc/diskstats")).disks
    return sum(disk.reads + disk.writes for disk in disks if disk.name in whole)


_READ: Mapping[str, Callable[[Host], Optional[int]]] = {
    "switches": _switches,
    "forks": _forks,
    "block": _requests,
}


def _read_per_s(host: Host, what: str, sleep: Callable[[float], object]) -> Optional[float]:
    """Return the rate of a counter of /proc that only goes up."""
    try:
        before, began_s = _READ[what](host), time.monotonic()
        sleep(_READ_S)
        after, ended_s = _READ[what](host), time.monotonic()
    except ReadError:
        return None
    # A disk that was taken away takes its requests with it.
    if before is None or after is None or after < before or ended_s <= began_s:
        return None
    return (after - before) / (ended_s - began_s)


def _syscalls_per_s(host: Host, sleep: Callable[[float], object]) -> Optional[float]:
    if host.kind != "live":
        return None
    try:
        return _counted_by_bpf(host, sleep)
    except (BpfError, NoBtf, ReadError):
        pass  # Without BPF, the counters of a buffer tell.
    try:
        return _counted_by_ftrace(host, sleep)
    except (NoTraceFs, TraceFsError, ReadError):
        return None


def _counted_by_bpf(host: Host, sleep: Callable[[float], object]) -> float:
    """Count begins by a program that does nothing else."""
    a = Assembler()
    pieces.begin(a)
    a.store(R10, -4, 0, 4)
    pieces.lookup(a, _FIRED.name, -4)
    a.jump_if(R0, "==", 0, "out")
    pieces.add(a, R0, 0, 1)
    pieces.end(a)
    says = "counts system calls for a moment"
    program = ProgramSpec("syscall_rate", "raw_tracepoint", "sys_enter", a.code(), says)
    with load(host, None, (_FIRED,), (program,)) as collector:
        collector.attach()
        began_s = time.monotonic()
        sleep(_COUNTED_S)
        collector.stop()
        lasted_s = time.monotonic() - began_s
        return collector.maps[_FIRED.name].sums()[0] / lasted_s


def _counted_by_ftrace(host: Host, sleep: Callable[[float], object]) -> float:
    """Count begins by the counters of a small buffer, in which they overwrite one another."""
    with Session(find_tracefs(host), host, buffer_kib_per_cpu=_SMALL_KIB, deadline_s=30) as session:
        session.enable("raw_syscalls", "sys_enter")
        session.start()
        began_s = time.monotonic()
        sleep(_COUNTED_S)
        session.stop()
        lasted_s = time.monotonic() - began_s
        counted = sum(each.entries + each.lost for each in session.stats())
    return counted / lasted_s
