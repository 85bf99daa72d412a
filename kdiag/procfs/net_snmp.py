"""``/proc/net/snmp`` and ``/proc/net/netstat``: the counters of IP, ICMP, TCP and UDP (MIBs).

Documented in Documentation/networking/snmp_counter.rst, made by net/ipv4/proc.c. Both files are pairs of
lines, ``Tcp:`` with names and ``Tcp:`` with values. The columns grow with nearly every release and their
order is not promised, so each value goes by its name. One network namespace, not the host.

Traps: ``Tcp`` ``MaxConn`` is -1, the one signed column; the columns of ``IcmpMsg`` are only the types seen
so far, and more of them than fit into one pair of lines make a second pair.
"""

from typing import Dict, List, Mapping, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem, signed
from kdiag.records import NamedTuple

__all__ = ["NetSnmp", "parse_net_snmp"]


class NetSnmp(NamedTuple):
    """The counters by protocol and by the kernel's own name."""

    tables: Mapping[str, Mapping[str, int]]
    problems: Tuple[Problem, ...] = ()

    def value(self, protocol: str, name: str) -> Optional[int]:
        """Return one counter, or ``None`` where this kernel has no such counter."""
        return self.tables.get(protocol, {}).get(name)


class _Names(NamedTuple):
    """A line of names that waits for its line of values."""

    number: int
    line: bytes
    protocol: bytes
    names: List[bytes]


def parse_net_snmp(data: bytes, path: str = "/proc/net/snmp") -> NetSnmp:
    r"""Parse pairs of lines.

    >>> parsed = parse_net_snmp(b"Tcp: MaxConn OutSegs RetransSegs\nTcp: -1 1184 7\n")
    >>> parsed.value("Tcp", "RetransSegs"), parsed.value("Tcp", "MaxConn"), parsed.value("Udp", "NoPorts")
    (7, -1, None)
    """
    problems: List[Problem] = []
    tables: Dict[str, Dict[str, int]] = {}
    waiting: Optional[_Names] = None
    for number, line in complete_lines(data, path, problems):
        protocol, *tokens = line.split() or [b""]
        if len(protocol) < 2 or not protocol.endswith(b":"):
            problems.append(problem(path, number, line, "PROTOCOL: and names or values"))
        elif waiting is None:
            waiting = _Names(number, line, protocol, tokens)
        elif waiting.protocol != protocol:
            problems.append(_without_values(path, waiting))
            waiting = _Names(number, line, protocol, tokens)
        else:
            values = _values(waiting.names, tokens)
            if values is None:
                wanted = f"{len(waiting.names)} whole numbers, one for each name in line {waiting.number}"
                problems.append(problem(path, number, line, wanted))
            else:
                tables.setdefault(decode(protocol[:-1]), {}).update(values)
            waiting = None
    if waiting is not None:
        problems.append(_without_values(path, waiting))
    return NetSnmp(tables, tuple(sorted(problems, key=lambda found: found.line)))


def _without_values(path: str, names: _Names) -> Problem:
    return problem(path, names.number, names.line, "a line of values after this line of names")


def _values(names: List[bytes], tokens: List[bytes]) -> Optional[Dict[str, int]]:
    if len(names) != len(tokens):
        return None
    values: Dict[str, int] = {}
    for name, token in zip(names, tokens):
        value = signed(token)
        if value is None:
            return None
        values[decode(name)] = value
    return values
