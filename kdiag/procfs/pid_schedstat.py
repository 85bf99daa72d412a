"""``/proc/<pid>/schedstat``: time on a CPU, and time spent waiting for one.

Documented in Documentation/scheduler/sched-stats.rst, made by proc_pid_schedstat() in fs/proc/base.c.
Nanoseconds. The growth of ``wait_ns`` is the best sign that a task lacks CPU that needs no privilege.

Traps. It is of one thread: for a process, its main thread; the others are below ``task/``. A kernel that
keeps no such account prints ``0 0 0``. It can be there where ``/proc/schedstat`` is not.
"""

from typing import List, Optional, Tuple

from kdiag.procfs.one_line import one_line
from kdiag.procfs.text import Problem, problem, unsigned
from kdiag.records import NamedTuple

__all__ = ["PidSchedstat", "parse_pid_schedstat"]

_WANTED = "run_ns wait_ns slices"
_COLUMNS = 3


class PidSchedstat(NamedTuple):
    """Time run, time runnable but waiting, and how many times it got a CPU."""

    run_ns: Optional[int]
    wait_ns: Optional[int]
    slices: Optional[int]
    problems: Tuple[Problem, ...] = ()


def parse_pid_schedstat(data: bytes, path: str = "/proc/<pid>/schedstat") -> PidSchedstat:
    r"""Parse a task's schedstat file.

    >>> parse_pid_schedstat(b"175330028 10823932 364\n").wait_ns
    10823932
    """
    problems: List[Problem] = []
    line = one_line(data, path, _WANTED, problems)
    columns = [] if line is None else [unsigned(token) for token in line.split()[:_COLUMNS]]
    if line is not None and (len(columns) < _COLUMNS or None in columns):
        problems.append(problem(path, 1, line, _WANTED))
        columns = []
    run_ns, wait_ns, slices = columns or [None] * _COLUMNS
    return PidSchedstat(run_ns, wait_ns, slices, tuple(problems))
