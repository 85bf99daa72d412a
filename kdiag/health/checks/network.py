"""Packets lost on interfaces and in the kernel's queues, and connections turned away or going badly.

Most of it is of the network namespace that kdiag runs in; softnet_stat, the memory of TCP and its orphans are
of the whole kernel.
"""

from typing import Callable, Iterator, List, Optional, Tuple

from kdiag.health.check import Case, DoesNotApply, check
from kdiag.health.figures.network import (
    NET_DEV,
    NETSTAT,
    SNMP,
    SOFTNET,
    InterfaceView,
    Traffic,
    line_evidence,
    mib_evidence,
    mib_value,
    softnet_growth,
    view_interfaces,
)
from kdiag.health.finding import INSTANT, Evidence, Finding, rank
from kdiag.health.sample import Sample
from kdiag.health.subjects import shell_word, worst_subjects
from kdiag.health.window import CannotJudge, Rate
from kdiag.records import NamedTuple

__all__ = ["CHECKS"]

_SOCKSTAT = "/proc/net/sockstat"
_TCP_MEM = "/proc/sys/net/ipv4/tcp_mem"
_MAX_ORPHANS = "/proc/sys/net/ipv4/tcp_max_orphans"
_CONNTRACK_COUNT = "/proc/sys/net/netfilter/nf_conntrack_count"
_CONNTRACK_MAX = "/proc/sys/net/netfilter/nf_conntrack_max"
_SHOWN_LINES = 3


class _Loss(NamedTuple):
    """Errors or drops of an interface one way; named so that the worst one is the greatest."""

    severity: int
    share_pct: float
    status: str
    told: str


@check(
    "net.errors",
    title="Packets lost on an interface",
    formula="d(errors) / (d(packets) + d(errors)), d(dropped) / (d(packets) + d(dropped)), for each way",
    unit="%",
    thresholds={
        "errors_warning_pct": 1,
        "errors_warning_min": 5,
        "drops_warning_pct": 2,
        "drops_min_packets": 10_000,
    },
    source="node-mixin 1 % errors, netdata 2 % drops among 10000 packets or more; "
    "kdiag's own: fewer than 5 errors are an info",
    because="What is lost must be sent again, if anybody cares to, and whoever waits for it waits longer.",
    next="ethtool -S, with the interface's name",
)
def errors(case: Case) -> Iterator[Finding]:
    """Judge errors and drops of every interface, each way."""
    views = view_interfaces(case.window)
    if not views:
        raise DoesNotApply("there are no network interfaces", NET_DEV)
    known = [view for view in views if not view.unknown]
    unknown = [f"{view.interface.name}: {view.unknown}" for view in views if view.unknown]
    bad = [found for found in (_judge_interface(case, view) for view in known) if found is not None]
    for finding in worst_subjects(case, bad):
        # Looked up only for those that are told: there may be thousands of interfaces.
        yield finding._replace(evidence=(case.evidence(NET_DEV, finding.subject),))
    if not known:
        raise CannotJudge(NET_DEV, "; ".join(unknown))
    if not bad:
        packets = sum(way.packets for view in known for way in view.ways)
        dropped = sum(way.dropped for view in known for way in view.ways)
        summary = f"no errors on any interface; {packets} packets passed, {dropped} were dropped"
        if unknown:
            summary += f" (not judged: {'; '.join(unknown)})"
        names = [view.interface.name for view in known[:_SHOWN_LINES]]
        yield case.finding("ok", 0.0, summary, *[case.evidence(NET_DEV, name) for name in names])


def _judge_interface(case: Case, view: InterfaceView) -> Optional[Finding]:
    losses = [
        loss for way in view.ways for loss in (_errors(case, way), _drops(case, way)) if loss is not None
    ]
    if not losses:
        return None
    worst = max(losses)
    name = view.interface.name
    return case.finding(
        worst.status,
        worst.share_pct,
        "; ".join(loss.told for loss in losses),
        subject=name,
        next=f"ethtool -S {shell_word(name)}",
    )


def _errors(case: Case, way: Traffic) -> Optional[_Loss]:
    if not way.errors:
        return None
    share_pct = 100 * way.errors / (way.packets + way.errors)
    many = way.errors >= case.limit("errors_warning_min") and share_pct >= case.limit("errors_warning_pct")
    status = "warning" if many else "info"
    told = f"{way.errors} errors, {way.packets} packets {way.direction} ({share_pct:.1f}% lost)"
    return _Loss(rank(status), share_pct, status, told)


def _drops(case: Case, way: Traffic) -> Optional[_Loss]:
    packets = way.packets + way.dropped
    if not way.dropped or packets < case.limit("drops_min_packets"):
        return None
    share_pct = 100 * way.dropped / packets
    if share_pct < case.limit("drops_warning_pct"):
        return None
    told = f"{way.dropped} dropped, {way.packets} packets {way.direction} ({share_pct:.1f}% lost)"
    return _Loss(rank("warning"), share_pct, "warning", told)


@check(
    "net.softnet",
    title="Received packets that a CPU could not keep up with",
    formula="d(dropped)/time above its threshold, d(squeezed)/time above its own; summed over the CPUs",
    unit="packets/s",
    thresholds={"dropped_warning_per_s": 0, "squeezed_warning_per_s": 10},
    source="netdata: any drop, and running out of budget 10 times a second",
    because="Dropped: the queue of a CPU was full, and packets were lost before any protocol saw them. "
    "Squeezed: net_rx_action() ran out of budget or time with packets left.",
    next="sysctl net.core.netdev_max_backlog net.core.netdev_budget net.core.netdev_budget_usecs",
)
def softnet(case: Case) -> Iterator[Finding]:
    """Judge drops of the receive queues, and how often their budget ran out."""
    window = case.window
    if window.since_boot:
        raise CannotJudge(
            SOFTNET, window.note or "one reading gives only totals since boot, of counters that wrap at 2^32"
        )
    seconds = window.seconds(SOFTNET)
    if not seconds:
        raise CannotJudge(SOFTNET, "the time between the readings is not known")
    cpus = softnet_growth(window)
    if not cpus:
        raise CannotJudge(SOFTNET, "no CPU has a line in both readings")
    dropped_per_s = sum(cpu.dropped for cpu in cpus) / seconds
    squeezed_per_s = sum(cpu.squeezed for cpu in cpus) / seconds
    too_many_dropped = dropped_per_s > case.limit("dropped_warning_per_s")
    too_many_squeezed = squeezed_per_s > case.limit("squeezed_warning_per_s")
    worst = max(cpus, key=lambda cpu: (cpu.dropped, cpu.squeezed, cpu.processed))
    summary = f"{dropped_per_s:.1f} packets/s dropped, budget ran out {squeezed_per_s:.1f} times/s"
    if too_many_dropped or too_many_squeezed:
        summary += f"; most on {_cpu(worst.cpu, worst.line)}"
    yield case.finding(
        "warning" if too_many_dropped or too_many_squeezed else "ok",
        squeezed_per_s if too_many_squeezed and not too_many_dropped else dropped_per_s,
        summary,
        line_evidence(window.after, SOFTNET, worst.line),
    )


def _cpu(cpu: Optional[int], line: int) -> str:
    return f"the CPU of line {line}" if cpu is None else f"CPU {cpu}"


@check(
    "net.listen",
    title="Connections turned away by full listen queues",
    formula="(d(ListenOverflows) + d(TCPReqQFullDrop)) / time of TcpExt in /proc/net/netstat",
    unit="connections/s",
    thresholds={"warning_per_s": 0, "critical_per_s": 5},
    source="pcp: any; netdata 1 and 5 a second",
    because="A server does not accept() as fast as clients connect, or its backlog is small: clients wait, "
    "try again, and give up.",
    next="ss -ltn, and compare Recv-Q with Send-Q (the backlog, at most net.core.somaxconn)",
)
def listen(case: Case) -> Iterator[Finding]:
    """Judge overflows of accept queues, and of request queues without SYN cookies."""
    window = case.window
    overflows = _rate(case, NETSTAT, "TcpExt", "ListenOverflows")
    parts = [f"{overflows.delta} overflows of accept queues"]
    per_s = overflows.per_s
    # Older kernels count only the overflows.
    if mib_value(window.after, NETSTAT, "TcpExt", "TCPReqQFullDrop") is not None:
        refused = _rate(case, NETSTAT, "TcpExt", "TCPReqQFullDrop")
        parts.append(f"{refused.delta} requests dropped by full request queues")
        per_s += refused.per_s
    status = "ok"
    if per_s > case.limit("critical_per_s"):
        status = "critical"
    elif per_s > case.limit("warning_per_s"):
        status = "warning"
    yield case.finding(
        status,
        per_s,
        ", ".join(parts) + f" in {overflows.seconds:.1f} s",
        mib_evidence(window.after, NETSTAT, "TcpExt", "ListenOverflows", "ListenDrops", "TCPReqQFullDrop"),
    )


def _rate(case: Case, path: str, protocol: str, name: str) -> Rate:
    return case.window.rate(
        path, f"{protocol} {name}", lambda sample: mib_value(sample, path, protocol, name)
    )


@check(
    "net.tcp",
    title="TCP: retransmits, memory, orphans, tracked connections",
    formula="d(RetransSegs) / (d(OutSegs) + d(RetransSegs)), for OutSegs does not count them; mem / tcp_mem; "
    "orphan / tcp_max_orphans; nf_conntrack_count / nf_conntrack_max",
    unit="%",
    thresholds={
        "retransmits_warning_pct": 1,
        "retransmits_min": 5,
        "memory_warning_pct_of_pressure": 100,
        "memory_critical_pct_of_high": 90,
        "orphans_warning_pct": 25,
        "orphans_critical_pct": 50,
        "conntrack_warning_pct": 75,
        "conntrack_critical_pct": 90,
    },
    source="hotsos 1 % retransmits (that fewer than 5 are not judged is kdiag's own); netdata for memory and "
    "orphans; node-mixin 75 % for conntrack, 90 % is kdiag's own",
    because="Connections stall, or new ones are refused.",
    next="ss -s",
)
def tcp(case: Case) -> Iterator[Finding]:
    """Judge the four together: one finding for each that is wrong or not known, else one for all."""
    found: List[Finding] = []
    for subject, judge in _TCP_PARTS:
        try:
            found.append(judge(case))
        except CannotJudge as error:
            found.append(case.unknown(error)._replace(subject=subject))
        except DoesNotApply:
            continue
    wrong = [finding for finding in found if finding.status != "ok"]
    yield from wrong
    if not wrong:
        yield found[0]._replace(
            subject="",
            summary="; ".join(finding.summary for finding in found),
            evidence=tuple(evidence for finding in found for evidence in finding.evidence),
        )


def _retransmits(case: Case) -> Finding:
    again = _rate(case, SNMP, "Tcp", "RetransSegs")
    sent = _rate(case, SNMP, "Tcp", "OutSegs")
    all_sent = sent.delta + again.delta
    share_pct = 100 * again.delta / all_sent if all_sent else 0.0
    many = again.delta >= case.limit("retransmits_min") and share_pct >= case.limit("retransmits_warning_pct")
    return case.finding(
        "warning" if many else "ok",
        share_pct,
        f"{again.delta} of {all_sent} segments were retransmitted ({share_pct:.1f}%)",
        mib_evidence(case.window.after, SNMP, "Tcp", "OutSegs", "RetransSegs"),
        subject="retransmits",
        because="Segments are lost on the way, or their acknowledgements are: throughput falls, and answers "
        "wait for a timeout.",
        next="ss -ti, and look for retrans",
    )


def _memory(case: Case) -> Finding:
    sample = case.window.after
    used = sample.net_sockstat.tcp_mem_pages if sample.net_sockstat is not None else None
    used_pages = _known(sample, used, _SOCKSTAT, "TCP mem")
    limits = sample.tcp_mem
    pressure_pages = _known(sample, limits.pressure_pages if limits else None, _TCP_MEM, "pressure")
    high_pages = _known(sample, limits.high_pages if limits else None, _TCP_MEM, "high")
    of_pressure_pct = _share_pct(used_pages, pressure_pages, _TCP_MEM)
    of_high_pct = _share_pct(used_pages, high_pages, _TCP_MEM)
    status = "ok"
    if of_high_pct > case.limit("memory_critical_pct_of_high"):
        status = "critical"
    elif of_pressure_pct > case.limit("memory_warning_pct_of_pressure"):
        status = "warning"
    return case.finding(
        status,
        of_high_pct,
        f"TCP holds {used_pages} pages, {of_high_pct:.1f}% of its limit (it saves from {pressure_pages} on)",
        case.evidence(_SOCKSTAT, "TCP"),
        case.evidence(_TCP_MEM),
        subject="memory",
        basis=INSTANT,
        because="Above the pressure mark TCP shrinks its buffers; at the limit it drops data and sockets.",
        next="ss -tm, and look for the sockets with the largest queues",
    )


def _orphans(case: Case) -> Finding:
    sample = case.window.after
    orphans = sample.net_sockstat.tcp_orphans if sample.net_sockstat is not None else None
    return _of_limit(
        case,
        (_known(sample, orphans, _SOCKSTAT, "TCP orphan"), case.evidence(_SOCKSTAT, "TCP")),
        _MAX_ORPHANS,
        ("orphans", "sockets are orphans"),
        because="Closed sockets that still have data to send take memory; beyond the limit they are reset.",
        next="ss -tn state fin-wait-1 state last-ack state closing",
    )


def _conntrack(case: Case) -> Finding:
    sample = case.window.after
    if sample.absent(_CONNTRACK_COUNT):
        raise DoesNotApply("connections are not tracked")
    if sample.integers.get(_CONNTRACK_MAX) == 0:
        raise DoesNotApply("tracked connections have no limit")
    count = _known(sample, sample.integers.get(_CONNTRACK_COUNT), _CONNTRACK_COUNT)
    return _of_limit(
        case,
        (count, case.evidence(_CONNTRACK_COUNT)),
        _CONNTRACK_MAX,
        ("conntrack", "connections are tracked"),
        because="At the limit packets of new connections are dropped: nf_conntrack: table full.",
        next="sysctl net.netfilter.nf_conntrack_max net.netfilter.nf_conntrack_buckets",
    )


def _of_limit(
    case: Case,
    used: Tuple[int, Evidence],
    limit_path: str,
    names: Tuple[str, str],
    *,
    because: str,
    next: str,
) -> Finding:
    """Judge a count against the number in a file; thresholds are called after the subject."""
    sample, (subject, what) = case.window.after, names
    limit = _known(sample, sample.integers.get(limit_path), limit_path)
    share_pct = _share_pct(used[0], limit, limit_path)
    return case.finding(
        case.above(share_pct, f"{subject}_warning_pct", f"{subject}_critical_pct"),
        share_pct,
        f"{used[0]} of at most {limit} {what} ({share_pct:.1f}%)",
        used[1],
        case.evidence(limit_path),
        subject=subject,
        basis=INSTANT,
        because=because,
        next=next,
    )


def _known(sample: Sample, value: Optional[int], path: str, item: str = "") -> int:
    if value is None and path in (_TCP_MEM, _MAX_ORPHANS) and sample.absent(path):
        raise CannotJudge(path, "it is shown only in the first network namespace, not in a container's")
    if value is None:
        raise CannotJudge(path, sample.why_missing(path, item))
    return value


def _share_pct(part: int, whole: int, path: str) -> float:
    if whole <= 0:
        raise CannotJudge(path, f"it is {whole}, of which nothing is a share")
    return 100 * part / whole


_TCP_PARTS: Tuple[Tuple[str, Callable[[Case], Finding]], ...] = (
    ("retransmits", _retransmits),
    ("memory", _memory),
    ("orphans", _orphans),
    ("conntrack", _conntrack),
)

CHECKS = (errors, softnet, listen, tcp)
