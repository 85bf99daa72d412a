"""``/proc/net/dev``: packets and bytes of each network interface of this network namespace.

Documented in Documentation/filesystems/proc.rst, made by dev_seq_printf_stats() in net/core/net-procfs.c.
Two header lines, then a name, a colon and 8 counters received, 8 sent.

Traps: a wide number stands right behind the colon (``eth0:123``), and alias names of old kernels hold a
colon themselves, so the last colon of the line ends the name. Several columns are sums: ``rx_dropped`` is
dropped plus missed, ``rx_frame_errors`` adds length, overrun, CRC and frame errors, ``tx_carrier_errors``
adds carrier, aborted, window and heartbeat errors. Bridges, bonds, VLANs and tunnels count again what
the device below them counts.
"""

from typing import List, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem, unsigned
from kdiag.records import NamedTuple

__all__ = ["NetDev", "NetInterface", "parse_net_dev"]

_WANTED = "NAME: and 16 or more numbers"
_HEADERS = (b"Inter-|", b" face |")
_COLUMNS = 16


class NetInterface(NamedTuple):
    """The counters of one interface since it was made."""

    name: str
    rx_bytes: int
    rx_packets: int
    rx_errors: int
    rx_dropped: int
    rx_fifo_errors: int
    rx_frame_errors: int
    rx_compressed: int
    rx_multicast: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
    tx_dropped: int
    tx_fifo_errors: int
    collisions: int
    tx_carrier_errors: int
    tx_compressed: int
    extra: Tuple[int, ...]


class NetDev(NamedTuple):
    """All interfaces, in the kernel's order."""

    interfaces: Tuple[NetInterface, ...]
    problems: Tuple[Problem, ...] = ()


def parse_net_dev(data: bytes, path: str = "/proc/net/dev") -> NetDev:
    r"""Parse the interfaces' counters.

    >>> parsed = parse_net_dev(b"  eth0:69920711 1902 0 3 0 0 0 0 124130 1195 0 0 0 0 0 0\n")
    >>> eth0 = parsed.interfaces[0]
    >>> eth0.name, eth0.rx_bytes, eth0.rx_dropped, eth0.tx_packets
    ('eth0', 69920711, 3, 1195)
    """
    problems: List[Problem] = []
    interfaces: List[NetInterface] = []
    for number, line in complete_lines(data, path, problems):
        # By place and text: an interface may be called "a|b", and a bare "|" would take it for a header.
        if number <= len(_HEADERS) and line.startswith(_HEADERS):
            continue
        interface = _parse_line(line)
        if interface is None:
            problems.append(problem(path, number, line, _WANTED))
        else:
            interfaces.append(interface)
    return NetDev(tuple(interfaces), tuple(problems))


def _parse_line(line: bytes) -> Optional[NetInterface]:
    padded_name, _, rest = line.rpartition(b":")
    name = padded_name.lstrip(b" ")
    counters = [unsigned(token) for token in rest.split()]
    if not name or len(counters) < _COLUMNS or None in counters:
        return None
    return NetInterface._make((decode(name), *counters[:_COLUMNS], tuple(counters[_COLUMNS:])))
