"""Lists of numbers such as ``0-3,8``: ``/sys/devices/system/cpu/{online,possible,present}`` and their kin.

Documented in Documentation/admin-guide/cputopology.rst. ``/sys/devices/system/node/online`` and a node's
``cpulist`` have the same form. An empty line is an answer: no CPU is in the list (``offline`` on most hosts,
``cpulist`` of a node that has memory only).
"""

from typing import List, Optional, Tuple

from kdiag.procfs.one_line import one_line
from kdiag.procfs.text import Problem, problem, unsigned
from kdiag.records import NamedTuple

__all__ = ["CpuList", "parse_cpulist"]


class CpuList(NamedTuple):
    """The numbers in the list, ascending; ``None`` if the line could not be read."""

    cpus: Optional[Tuple[int, ...]]
    problems: Tuple[Problem, ...] = ()


_WANTED = "a list such as 0-3,8"
# Far above what any kernel is built for (NR_CPUS), and low enough that no recording can fill the memory.
_MOST = 65536


def parse_cpulist(data: bytes, path: str = "/sys/devices/system/cpu/online") -> CpuList:
    r"""Parse a list of CPUs or nodes.

    >>> parse_cpulist(b"0-3,8\n").cpus, parse_cpulist(b"\n").cpus
    ((0, 1, 2, 3, 8), ())
    """
    problems: List[Problem] = []
    line = one_line(data, path, _WANTED, problems)
    cpus = None if line is None else _parse_ranges(line)
    if cpus is None and line is not None:
        problems.append(problem(path, 1, line, _WANTED))
    return CpuList(cpus, tuple(problems))


def _parse_ranges(line: bytes) -> Optional[Tuple[int, ...]]:
    cpus: List[int] = []
    for token in line.split(b",") if line else []:
        left, dash, right = token.partition(b"-")
        first = unsigned(left)
        last = unsigned(right) if dash else first
        if first is None or last is None:
            return None
        if not (cpus[-1] if cpus else -1) < first <= last < _MOST:
            return None
        cpus.extend(range(first, last + 1))
    return tuple(cpus)
