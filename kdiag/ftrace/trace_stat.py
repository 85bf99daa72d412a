"""``trace_stat/functionN``: what the function profiler counted on CPU N.

Documented in Documentation/trace/ftrace.rst (``function_profile_enabled``), made by function_stat_show() in
kernel/trace/ftrace.c; there only with CONFIG_FUNCTION_PROFILER, which Debian's kernels lack. Times are there
only with the graph tracer built in. They have seven digits at most, and hold what was called unless
``graph-time`` is off.

Traps. Names are cut at 30 bytes, so that several functions may bear one name. ``s^2`` is the variance, in
square microseconds, whatever its unit says. A time of a function that is still running is not in it.
"""

import re
from typing import List, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem
from kdiag.records import NamedTuple

__all__ = ["FunctionProfile", "FunctionStat", "parse_function_stat"]

_MOST_NAME = 30


class FunctionStat(NamedTuple):
    """One function; ``cut`` marks a name that is as long as can be, and may be only the first part of one."""

    name: str
    hits: int
    time_us: Optional[float]
    avg_us: Optional[float]
    variance_us2: Optional[float]
    cut: bool


class FunctionProfile(NamedTuple):
    """One CPU's functions, in the kernel's order: most time first."""

    functions: Tuple[FunctionStat, ...]
    problems: Tuple[Problem, ...] = ()


_TIME = rb"\s+(\d{1,20}(?:\.\d{1,9})?) us"
_LINE = re.compile(rb"  (\S+)\s+(\d{1,20})(?:" + _TIME * 3 + rb"\s*)?\s*").fullmatch


def parse_function_stat(data: bytes, path: str = "trace_stat/function") -> FunctionProfile:
    r"""Parse one CPU's file.

    >>> [found] = parse_function_stat(
    ...     b"  Function                               Hit    Time            Avg             s^2\n"
    ...     b"  --------                               ---    ----            ---             ---\n"
    ...     b"  schedule                                10    102824.6 us     10282.46 us     242006853 us \n"
    ... ).functions
    >>> found.name, found.hits, found.time_us, found.avg_us
    ('schedule', 10, 102824.6, 10282.46)
    """
    problems: List[Problem] = []
    functions: List[FunctionStat] = []
    for number, line in complete_lines(data, path, problems):
        match = _LINE(line)
        if match is not None:
            name, hits, *times = match.groups()
            time_us, avg_us, variance = (None if each is None else float(each) for each in times)
            functions.append(
                FunctionStat(decode(name), int(hits), time_us, avg_us, variance, len(name) >= _MOST_NAME)
            )
        elif (
            line.split()[:1] not in ([b"Function"], [b"--------"]) and line.strip() != b"no function profiles"
        ):
            problems.append(problem(path, number, line, "FUNCTION HITS TIME us AVG us S2 us"))
    return FunctionProfile(tuple(functions), tuple(problems))
