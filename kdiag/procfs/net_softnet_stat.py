"""``/proc/net/softnet_stat``: how each online CPU got on with receiving packets.

Made by softnet_seq_show() in net/core/net-procfs.c (net/core/dev.c in old kernels), which is its only
documentation. One line of hexadecimal u32 columns per online CPU; every counter wraps at 2^32.

Columns: 9 in 2.6.32 (processed, dropped, squeezed, five of the fast route removed long ago, collisions); 10
in 3.10 (received_rps); 11 in 4.0 (flow_limited); 13 in 5.10 (backlog, CPU number); 15 in 6.18 (the two
queues that make up the backlog). Traps: offline CPUs have no line, so without the CPU column the place of
a line does not tell its CPU, and ``cpu`` is ``None`` there. Column 9 is a constant 0 where the kernel no
longer counts collisions.
"""

from typing import List, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, hexadecimal, problem
from kdiag.records import NamedTuple

__all__ = ["NetSoftnetStat", "SoftnetCpu", "parse_net_softnet_stat"]

_WANTED = "9 or more hexadecimal numbers"
_FIRST, _ALL = 9, 15
_FAST_ROUTE, _CPU = 3, 12  # places of the five columns that mean nothing any more, and of the CPU's number


class SoftnetCpu(NamedTuple):
    """One CPU's line; what its kernel does not print is ``None``."""

    cpu: Optional[int]
    processed: int
    dropped: int
    squeezed: int
    collisions: int
    received_rps: Optional[int]
    flow_limited: Optional[int]
    backlog_packets: Optional[int]
    input_queue_packets: Optional[int]
    process_queue_packets: Optional[int]
    extra: Tuple[int, ...]


class NetSoftnetStat(NamedTuple):
    """All online CPUs, in the kernel's order."""

    cpus: Tuple[SoftnetCpu, ...]
    problems: Tuple[Problem, ...] = ()


def parse_net_softnet_stat(data: bytes, path: str = "/proc/net/softnet_stat") -> NetSoftnetStat:
    r"""Parse the packet counters of the CPUs.

    >>> parsed = parse_net_softnet_stat(b"00000783 00000002 0000000a 0 0 0 0 0 0 0 0 00000004 00000001 3 1\n")
    >>> cpu = parsed.cpus[0]
    >>> cpu.cpu, cpu.processed, cpu.dropped, cpu.squeezed, cpu.backlog_packets
    (1, 1923, 2, 10, 4)
    """
    problems: List[Problem] = []
    cpus: List[SoftnetCpu] = []
    for number, line in complete_lines(data, path, problems):
        columns: List[Optional[int]] = [hexadecimal(token) for token in line.split()]
        if len(columns) < _FIRST or None in columns:
            problems.append(problem(path, number, line, _WANTED))
            continue
        known = columns[:_ALL] + [None] * (_ALL - len(columns))
        cpu, extra = known.pop(_CPU), tuple(columns[_ALL:])
        cpus.append(SoftnetCpu._make((cpu, *known[:_FAST_ROUTE], *known[_FAST_ROUTE + 5 :], extra)))
    return NetSoftnetStat(tuple(cpus), tuple(problems))
