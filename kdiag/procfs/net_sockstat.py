"""``/proc/net/sockstat`` and ``sockstat6``: how many sockets there are, and the memory they hold.

Documented in Documentation/filesystems/proc.rst, made by sockstat_seq_show() in net/ipv4/proc.c.

Units differ: ``mem`` of TCP and UDP is in pages and compares with tcp_mem and udp_mem, ``memory`` of FRAG
is in bytes. Scopes differ too: ``inuse`` is of this network namespace, but ``orphan``, ``alloc`` and ``mem``
are of the whole kernel. Old kernels have neither ``mem`` of UDP nor the line UDPLITE. ``sockstat6`` has the
keys TCP6, UDP6, UDPLITE6, RAW6 and FRAG6, which stand in ``extra``.
"""

from typing import Dict, List, Mapping, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem, signed
from kdiag.records import NamedTuple

__all__ = ["NetSockstat", "parse_net_sockstat"]

_WANTED = "PROTOCOL: and pairs of a name and a whole number"
_FIELDS = {
    ("FRAG", "inuse"): "frag_inuse",
    ("FRAG", "memory"): "frag_memory_bytes",
    ("RAW", "inuse"): "raw_inuse",
    ("TCP", "alloc"): "tcp_alloc",
    ("TCP", "inuse"): "tcp_inuse",
    ("TCP", "mem"): "tcp_mem_pages",
    ("TCP", "orphan"): "tcp_orphans",
    ("TCP", "tw"): "tcp_time_wait",
    ("UDP", "inuse"): "udp_inuse",
    ("UDP", "mem"): "udp_mem_pages",
    ("UDPLITE", "inuse"): "udplite_inuse",
    ("sockets", "used"): "sockets_used",
}


class NetSockstat(NamedTuple):
    """Socket counts; ``extra`` holds every other number by protocol and name, ``("TCP6", "inuse")``."""

    sockets_used: Optional[int]
    tcp_inuse: Optional[int]
    tcp_orphans: Optional[int]
    tcp_time_wait: Optional[int]
    tcp_alloc: Optional[int]
    tcp_mem_pages: Optional[int]
    udp_inuse: Optional[int]
    udp_mem_pages: Optional[int]
    udplite_inuse: Optional[int]
    raw_inuse: Optional[int]
    frag_inuse: Optional[int]
    frag_memory_bytes: Optional[int]
    extra: Mapping[Tuple[str, str], int]
    problems: Tuple[Problem, ...] = ()


def parse_net_sockstat(data: bytes, path: str = "/proc/net/sockstat") -> NetSockstat:
    r"""Parse the socket counts.

    >>> parsed = parse_net_sockstat(b"sockets: used 12\nTCP: inuse 1 orphan 0 tw 3 alloc 1 mem 67\n")
    >>> parsed.sockets_used, parsed.tcp_time_wait, parsed.tcp_mem_pages, parsed.udp_mem_pages
    (12, 3, 67, None)
    """
    problems: List[Problem] = []
    known: Dict[str, int] = {}
    extra: Dict[Tuple[str, str], int] = {}
    for number, line in complete_lines(data, path, problems):
        protocol, *tokens = line.split() or [b""]
        pairs = _pairs(tokens)
        if pairs is None or len(protocol) < 2 or not protocol.endswith(b":"):
            problems.append(problem(path, number, line, _WANTED))
            continue
        for name, value in pairs:
            key = (decode(protocol[:-1]), decode(name))
            if key in _FIELDS:
                known[_FIELDS[key]] = value
            else:
                extra[key] = value
    counts = [known.get(field) for field in NetSockstat._fields[: len(_FIELDS)]]
    return NetSockstat._make((*counts, extra, tuple(problems)))


def _pairs(tokens: List[bytes]) -> Optional[List[Tuple[bytes, int]]]:
    if not tokens or len(tokens) % 2:
        return None
    pairs: List[Tuple[bytes, int]] = []
    for name, token in zip(tokens[::2], tokens[1::2]):
        value = signed(token)
        if value is None:
            return None
        pairs.append((name, value))
    return pairs
