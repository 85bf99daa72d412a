"""What interfaces and the CPUs' receive queues did between two samples, for the checks and the tables."""

from typing import Dict, List, Optional, Tuple

from kdiag.health.finding import Evidence
from kdiag.health.sample import Sample
from kdiag.health.window import CannotJudge, Window, counter_delta
from kdiag.procfs.net_dev import NetInterface
from kdiag.procfs.net_snmp import NetSnmp
from kdiag.procfs.net_softnet_stat import SoftnetCpu
from kdiag.procfs.text import decode
from kdiag.records import NamedTuple

__all__ = [
    "NETSTAT",
    "NET_DEV",
    "SNMP",
    "SOFTNET",
    "InterfaceView",
    "SoftnetGrowth",
    "Traffic",
    "line_evidence",
    "mib_evidence",
    "mib_of",
    "mib_value",
    "softnet_growth",
    "view_interfaces",
]

NET_DEV = "/proc/net/dev"
SNMP = "/proc/net/snmp"
NETSTAT = "/proc/net/netstat"
SOFTNET = "/proc/net/softnet_stat"

_FIELDS = ("bytes", "packets", "errors", "dropped")


class Traffic(NamedTuple):
    """What an interface received, or sent, in the time between two samples."""

    direction: str
    """``received`` or ``sent``."""
    bytes: int
    packets: int
    errors: int
    dropped: int


class InterfaceView(NamedTuple):
    """An interface and its traffic both ways; ``unknown`` says why there is none."""

    interface: NetInterface
    ways: Tuple[Traffic, ...]
    unknown: str = ""


class SoftnetGrowth(NamedTuple):
    """What one CPU did with received packets; ``cpu`` is ``None`` on kernels that do not number the lines."""

    cpu: Optional[int]
    line: int
    processed: int
    dropped: int
    squeezed: int


def view_interfaces(window: Window) -> List[InterfaceView]:
    """Return every interface of this network namespace with what it received and sent.

    Raises :class:`~kdiag.health.window.CannotJudge` where nothing is known of any.
    """
    table = window.after.net_dev
    if table is None:
        raise CannotJudge(NET_DEV, window.after.why_missing(NET_DEV))
    if not table.interfaces and table.problems:
        raise CannotJudge(NET_DEV, "no line of it could be read")
    earlier = window.before.net_dev if window.before is not None else None
    if window.before is not None and earlier is None:
        raise CannotJudge(NET_DEV, f"{window.before.why_missing(NET_DEV)} (in the first reading)")
    known = {each.name: each for each in earlier.interfaces} if earlier is not None else {}
    views: List[InterfaceView] = []
    for interface in table.interfaces:
        before = known.get(interface.name)
        if window.before is not None and before is None:
            views.append(InterfaceView(interface, (), "it came between the readings"))
            continue
        ways = [_traffic(before, interface, *way) for way in (("rx", "received"), ("tx", "sent"))]
        known_ways = tuple(way for way in ways if way is not None)
        views.append(
            InterfaceView(interface, known_ways)
            if len(known_ways) == len(ways)
            else InterfaceView(interface, (), "its counters were reset")
        )
    return views


def _traffic(
    before: Optional[NetInterface], after: NetInterface, prefix: str, direction: str
) -> Optional[Traffic]:
    grown: List[int] = []
    for field in _FIELDS:
        name = f"{prefix}_{field}"
        delta = counter_delta(getattr(before, name) if before is not None else 0, getattr(after, name))
        if delta is None:
            return None
        grown.append(delta)
    return Traffic(direction, *grown)


def softnet_growth(window: Window) -> List[SoftnetGrowth]:
    """Return what each CPU did with received packets (since boot: as far as its 32 bits count).

    Kernels without a column for the CPU print a line for each CPU that is online, so there the lines of two
    samples belong together only while as many are online.
    """
    after, before = window.after, window.before
    lines = _softnet_lines(after, "")
    if before is None:
        return [SoftnetGrowth(cpu.cpu, line, *_counts(cpu)) for line, cpu in lines]
    earlier = _softnet_lines(before, " (in the first reading)")
    numbered = all(cpu.cpu is not None for _, cpu in (*lines, *earlier))
    if not numbered and len(lines) != len(earlier):
        raise CannotJudge(
            SOFTNET, "CPUs came or went between the readings, and this kernel does not number them"
        )
    known: Dict[Optional[int], SoftnetCpu] = {cpu.cpu if numbered else line: cpu for line, cpu in earlier}
    grown: List[SoftnetGrowth] = []
    for line, cpu in lines:
        other = known.get(cpu.cpu if numbered else line)
        if other is None:  # the CPU came between the readings
            continue
        deltas = [counter_delta(*counts, "counter32") for counts in zip(_counts(other), _counts(cpu))]
        sure = [delta for delta in deltas if delta is not None]
        if len(sure) < len(deltas):
            raise CannotJudge(SOFTNET, f"the counters in line {line} went back: they were reset")
        grown.append(SoftnetGrowth(cpu.cpu, line, *sure))
    return grown


def _softnet_lines(sample: Sample, where: str) -> List[Tuple[int, SoftnetCpu]]:
    """Return the lines with their numbers; a line that could not be read makes the numbers unsure."""
    stat = sample.net_softnet_stat
    if stat is None:
        raise CannotJudge(SOFTNET, sample.why_missing(SOFTNET) + where)
    if stat.problems:
        bad = stat.problems[0]
        raise CannotJudge(SOFTNET, f"line {bad.line} could not be read; wanted {bad.wanted}{where}")
    return list(enumerate(stat.cpus, 1))


def _counts(cpu: SoftnetCpu) -> Tuple[int, int, int]:
    return cpu.processed, cpu.dropped, cpu.squeezed


def mib_of(sample: Sample, path: str) -> Optional[NetSnmp]:
    """Return the counters of ``/proc/net/snmp`` or ``/proc/net/netstat``, if they were read."""
    return sample.net_snmp if path == SNMP else sample.net_netstat


def mib_value(sample: Sample, path: str, protocol: str, name: str) -> Optional[int]:
    """Return a counter of one of the two files by its kernel name."""
    table = mib_of(sample, path)
    return None if table is None else table.value(protocol, name)


def mib_evidence(sample: Sample, path: str, protocol: str, *names: str) -> Evidence:
    """Return the line of values of a protocol, cut down to some names: a whole one has a hundred numbers."""
    told = [(name, mib_value(sample, path, protocol, name)) for name in names]
    prefix = protocol.encode() + b":"
    rows = [
        number
        for number, line in enumerate(sample.raw.get(path, b"").split(b"\n"), 1)
        if line.startswith(prefix)
    ]
    raw = f"{protocol}: " + " ".join(f"{name}={value}" for name, value in told if value is not None)
    return Evidence(path, rows[1] if len(rows) > 1 else None, raw)


def line_evidence(sample: Sample, path: str, line: int) -> Evidence:
    """Return a line of a file by its number, from 1."""
    lines = sample.raw.get(path, b"").split(b"\n")
    return Evidence(path, line, decode(lines[line - 1]).strip() if line <= len(lines) else "")
