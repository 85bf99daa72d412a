"""Lists of numbers as in ``/sys/devices/system/cpu/{online,possible,present}`` and ``nodeN/cpulist``: ``0-3,8``.

Documented in Documentation/admin-guide/cputopology.rst, made by bitmap_print_to_pagebuf (lib/bitmap.c). Node lists
(``/sys/devices/system/node/online``) have the same form. An empty line is an answer: no CPU is in the list
(``offline`` on most hosts, ``cpulist`` of a node that has memory only).
"""

import re
from typing import List, NamedTuple, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, problem

__all__ = ["CpuList", "parse_cpulist"]


class CpuList(NamedTuple):
    """The numbers in the list, ascending; ``None`` if the line could not be read."""

    cpus: Optional[Tuple[int, ...]]
    problems: Tuple[Problem, ...] = ()


# No kernel is built for more (NR_CPUS is at most 8192); the bound keeps a hostile recording from filling memory.
_MOST = 65536
_RANGE = re.compile(rb"(\d{1,9})(?:-(\d{1,9}))?")


def parse_cpulist(data: bytes, path: str = "/sys/devices/system/cpu/online") -> CpuList:
    r"""Parse a list of CPUs or nodes.

    >>> parse_cpulist(b"0-3,8\n").cpus, parse_cpulist(b"\n").cpus
    ((0, 1, 2, 3, 8), ())
    """
    problems: List[Problem] = []
    cpus: Optional[Tuple[int, ...]] = None
    for number, line in complete_lines(data, path, problems):
        parsed = _parse_ranges(line)
        if parsed is None or cpus is not None:
            problems.append(problem(path, number, line, "a list such as 0-3,8"))
        else:
            cpus = parsed
    if not data:
        problems.append(problem(path, 1, data, "a list such as 0-3,8"))
    return CpuList(cpus, tuple(problems))


def _parse_ranges(line: bytes) -> Optional[Tuple[int, ...]]:
    cpus: List[int] = []
    for token in line.split(b",") if line else []:
        match = _RANGE.fullmatch(token)
        if match is None:
            return None
        first = int(match.group(1))
        last = int(match.group(2)) if match.group(2) else first
        if not (cpus[-1] if cpus else -1) < first <= last < _MOST:
            return None
        cpus.extend(range(first, last + 1))
    return tuple(cpus)
