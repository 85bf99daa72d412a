"""``/proc/loadavg``: three load averages, threads runnable and in all, and the newest process id.

Documented in Documentation/filesystems/proc.rst and proc(5), made by fs/proc/loadavg.c. The averages are
decayed over 1, 5 and 15 minutes from a sample of running plus uninterruptible (state D) threads, taken every
5 s: a dead NFS server raises them while the CPUs idle. They are the host's, in a container too.

The counts after them are threads, not processes. The last process id is the reader's pid namespace's.
"""

import re
from typing import List, NamedTuple, Optional, Tuple

from kdiag.procfs.one_line import one_line
from kdiag.procfs.text import Problem, decode, problem

__all__ = ["LoadAvg", "parse_loadavg"]


class LoadAvg(NamedTuple):
    """The one line of the file; every field is ``None`` if the line could not be read."""

    load1: Optional[float]
    load5: Optional[float]
    load15: Optional[float]
    runnable_threads: Optional[int]
    total_threads: Optional[int]
    last_pid: Optional[int]
    extra: Tuple[str, ...] = ()
    problems: Tuple[Problem, ...] = ()


_WANTED = "LOAD1 LOAD5 LOAD15 RUNNABLE/TOTAL LAST_PID"
_LINE = re.compile(rb"(\d{1,20}\.\d{1,20}) " * 3 + rb"(\d{1,20})/(\d{1,20}) (\d{1,20})((?: .*)?)")


def parse_loadavg(data: bytes, path: str = "/proc/loadavg") -> LoadAvg:
    r"""Parse ``/proc/loadavg``.

    >>> parsed = parse_loadavg(b"0.01 0.03 0.00 1/85 3544\n")
    >>> parsed.load5, parsed.runnable_threads, parsed.total_threads, parsed.last_pid
    (0.03, 1, 85, 3544)
    """
    problems: List[Problem] = []
    line = one_line(data, path, _WANTED, problems)
    match = None if line is None else _LINE.fullmatch(line)
    if match is None:
        if line is not None:
            problems.append(problem(path, 1, line, _WANTED))
        return LoadAvg(None, None, None, None, None, None, (), tuple(problems))
    load1, load5, load15, runnable, total, last_pid, rest = match.groups()
    return LoadAvg(
        float(load1),
        float(load5),
        float(load15),
        int(runnable),
        int(total),
        int(last_pid),
        tuple(decode(token) for token in rest.split()),
        tuple(problems),
    )
