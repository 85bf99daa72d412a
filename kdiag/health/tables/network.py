"""The network: each interface as ``sar -n DEV,EDEV`` shows it, TCP and UDP as ``sar -n TCP,ETCP,UDP``."""

from typing import Optional, Tuple

from kdiag.health.figures.network import (
    NET_DEV,
    NETSTAT,
    SNMP,
    InterfaceView,
    mib_of,
    mib_value,
    view_interfaces,
)
from kdiag.health.sample import Sample
from kdiag.health.table import Rows, Table, TableOptions
from kdiag.health.window import CannotJudge, Window
from kdiag.records import NamedTuple

__all__ = ["TABLES", "CounterRow", "InterfaceRow"]

_BYTES_PER_KIB = 1024
_HEADERS = {
    "received_packets_per_s": "rxpck/s",
    "sent_packets_per_s": "txpck/s",
    "received_kib_per_s": "rx/s",
    "sent_kib_per_s": "tx/s",
    "received_errors": "rxerr",
    "sent_errors": "txerr",
    "received_dropped": "rxdrop",
    "sent_dropped": "txdrop",
}
#: Names of devices whose packets pass another device too, as tools and the kernel give them.
_VIRTUAL = (
    "bond",
    "br-",
    "cali",
    "cni",
    "docker",
    "flannel",
    "ifb",
    "ipvlan",
    "macvlan",
    "tap",
    "team",
    "tun",
    "veth",
    "virbr",
    "vlan",
    "vnet",
    "vxlan",
    "wg",
)

#: What is now: the field of /proc/net/sockstat (but for the first one), its kernel name, what it counts.
_GAUGES = {
    "established": ("Tcp CurrEstab", "connections established now"),
    "tcp_time_wait": ("TCP tw", "connections in TIME_WAIT now"),
    "tcp_orphans": ("TCP orphan", "closed, but with data to send, now"),
}

#: What is shown of /proc/net/snmp and /proc/net/netstat: file, protocol, the kernel's name, what it counts.
_COUNTERS: Tuple[Tuple[str, str, str, str], ...] = (
    (SNMP, "Tcp", "ActiveOpens", "connections opened"),
    (SNMP, "Tcp", "PassiveOpens", "connections accepted"),
    (SNMP, "Tcp", "AttemptFails", "attempts that failed"),
    (SNMP, "Tcp", "EstabResets", "connections reset"),
    (SNMP, "Tcp", "InSegs", "segments received"),
    (SNMP, "Tcp", "OutSegs", "segments sent"),
    (SNMP, "Tcp", "RetransSegs", "segments sent again"),
    (SNMP, "Tcp", "InErrs", "bad segments received"),
    (SNMP, "Tcp", "OutRsts", "resets sent"),
    (NETSTAT, "TcpExt", "ListenOverflows", "accept queue full"),
    (NETSTAT, "TcpExt", "ListenDrops", "connections dropped by listeners"),
    (SNMP, "Udp", "InDatagrams", "datagrams received"),
    (SNMP, "Udp", "OutDatagrams", "datagrams sent"),
    (SNMP, "Udp", "NoPorts", "nobody listens"),
    (SNMP, "Udp", "InErrors", "datagrams lost on receipt"),
    (SNMP, "Udp", "RcvbufErrors", "of these, buffer full"),
    (SNMP, "Udp", "SndbufErrors", "send buffer full"),
)


class InterfaceRow(NamedTuple):
    """One interface; errors and drops are counts of the whole window, which are few and matter singly."""

    interface: str
    received_packets_per_s: Optional[float]
    sent_packets_per_s: Optional[float]
    received_kib_per_s: Optional[float]
    sent_kib_per_s: Optional[float]
    received_errors: Optional[int]
    sent_errors: Optional[int]
    received_dropped: Optional[int]
    sent_dropped: Optional[int]


class CounterRow(NamedTuple):
    """One counter of TCP or UDP: its rate, and its value, which began with this network namespace."""

    counter: str
    counts: str
    rate_per_s: Optional[float]
    total: Optional[int]


def _interface_rows(window: Window, options: TableOptions) -> Rows:
    views = view_interfaces(window)
    used = sorted((view for view in views if _ever_used(view)), key=_traffic, reverse=True)
    shown, left_out = used[: options.top], used[options.top :]
    seconds = window.seconds(NET_DEV)
    notes = [f"{view.interface.name}: {view.unknown}" for view in shown if view.unknown]
    virtual = [view.interface.name for view in shown if _is_virtual(view.interface.name)]
    if virtual:
        notes.append(f"may count packets that pass another interface too: {', '.join(virtual)}")
    unused = len(views) - len(used)
    if unused:
        notes.append(f"interfaces that never carried a packet are not shown: {unused}")
    if left_out:
        notes.append(f"{len(left_out)} interfaces with less traffic are not shown (--top)")
    return Rows([_interface_row(view, seconds) for view in shown], window.basis, tuple(notes))


def _ever_used(view: InterfaceView) -> bool:
    return any(view.interface[1:-1])


def _traffic(view: InterfaceView) -> int:
    return sum(way.bytes for way in view.ways)


def _is_virtual(name: str) -> bool:
    return name.startswith(_VIRTUAL) or "." in name or ":" in name


def _interface_row(view: InterfaceView, seconds: Optional[float]) -> InterfaceRow:
    name = view.interface.name
    if view.unknown:
        return InterfaceRow(name, None, None, None, None, None, None, None, None)
    received, sent = view.ways

    def per_s(count: float) -> Optional[float]:
        return count / seconds if seconds else None

    return InterfaceRow(
        name,
        per_s(received.packets),
        per_s(sent.packets),
        per_s(received.bytes / _BYTES_PER_KIB),
        per_s(sent.bytes / _BYTES_PER_KIB),
        received.errors,
        sent.errors,
        received.dropped,
        sent.dropped,
    )


def _counter_rows(window: Window, options: TableOptions) -> Rows:
    sample = window.after
    unread = [path for path in (SNMP, NETSTAT) if mib_of(sample, path) is None]
    notes = [f"{path}: {sample.why_missing(path)}" for path in unread]
    if len(unread) > 1:
        raise CannotJudge(SNMP, sample.why_missing(SNMP))
    rows = [_gauge_row(sample, name) for name in _GAUGES]
    rows += [_counter_row(window, *counter) for counter in _COUNTERS]
    known = [row for row in rows if row.total is not None]
    return Rows(known, window.basis, tuple(notes))


def _gauge_row(sample: Sample, field: str) -> CounterRow:
    counter, counts = _GAUGES[field]
    if field == "established":
        return CounterRow(counter, counts, None, mib_value(sample, SNMP, "Tcp", "CurrEstab"))
    sockets = sample.net_sockstat
    return CounterRow(counter, counts, None, getattr(sockets, field) if sockets is not None else None)


def _counter_row(window: Window, path: str, protocol: str, name: str, counts: str) -> CounterRow:
    def get(sample: Sample) -> Optional[int]:
        return mib_value(sample, path, protocol, name)

    return CounterRow(f"{protocol} {name}", counts, window.per_s(path, get), get(window.after))


TABLES = (
    Table("network", "Network interfaces", InterfaceRow, _interface_rows, _HEADERS),
    Table("tcp", "TCP and UDP", CounterRow, _counter_rows, {"rate_per_s": "/s"}),
)
