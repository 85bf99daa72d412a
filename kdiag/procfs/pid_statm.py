"""``/proc/<pid>/statm``: the memory of a process, in pages.

Documented in proc_pid_statm(5), made by proc_pid_statm() in fs/proc/array.c. ``lib`` and ``dirty`` have
been 0 since 2.6. All is 0 for kernel threads and zombies. The manual calls the numbers inexact; on 6.18
they are those of status, and better than ``rss`` of stat.
"""

from typing import List, Optional, Tuple

from kdiag.procfs.one_line import one_line
from kdiag.procfs.text import Problem, problem, unsigned
from kdiag.records import NamedTuple

__all__ = ["PidStatm", "parse_pid_statm"]

_WANTED = "size resident shared text lib data dirty"
_COLUMNS = 7


class PidStatm(NamedTuple):
    """Sizes in pages; ``shared_pages`` are those of files and of shared memory."""

    size_pages: Optional[int]
    resident_pages: Optional[int]
    shared_pages: Optional[int]
    text_pages: Optional[int]
    lib_pages: Optional[int]
    data_pages: Optional[int]
    dirty_pages: Optional[int]
    problems: Tuple[Problem, ...] = ()


def parse_pid_statm(data: bytes, path: str = "/proc/<pid>/statm") -> PidStatm:
    r"""Parse a statm file.

    >>> statm = parse_pid_statm(b"10511 3195 1558 1327 0 8669 0\n")
    >>> statm.resident_pages, statm.shared_pages
    (3195, 1558)
    """
    problems: List[Problem] = []
    line = one_line(data, path, _WANTED, problems)
    columns = [] if line is None else [unsigned(token) for token in line.split()[:_COLUMNS]]
    if line is not None and (len(columns) < _COLUMNS or None in columns):
        problems.append(problem(path, 1, line, _WANTED))
        columns = []
    size, resident, shared, text, lib, data_pages, dirty = columns or [None] * _COLUMNS
    return PidStatm(size, resident, shared, text, lib, data_pages, dirty, tuple(problems))
