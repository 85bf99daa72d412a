"""``/proc/loadavg``: three load averages, threads runnable and in all, and the newest process id.

Documented in Documentation/filesystems/proc.rst and proc(5), made by fs/proc/loadavg.c. The averages are
decayed over 1, 5 and 15 minutes from a sample of running plus uninterruptible (state D) threads, taken every
5 s: a dead NFS server raises them while the CPUs idle. They are the host's, in a container too.

The counts after them are threads, not processes. The last process id is the reader's pid namespace's.
"""

from typing import List, Optional, Tuple

from kdiag.procfs.one_line import one_line
from kdiag.procfs.text import Problem, decimal, decode, problem, unsigned
from kdiag.records import NamedTuple

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


def parse_loadavg(data: bytes, path: str = "/proc/loadavg") -> LoadAvg:
    r"""Parse ``/proc/loadavg``.

    >>> parsed = parse_loadavg(b"0.01 0.03 0.00 1/85 3544\n")
    >>> parsed.load5, parsed.runnable_threads, parsed.total_threads, parsed.last_pid
    (0.03, 1, 85, 3544)
    """
    problems: List[Problem] = []
    line = one_line(data, path, _WANTED, problems)
    tokens = [] if line is None else line.split()
    runnable, _, total = tokens[3].partition(b"/") if len(tokens) > 4 else (b"", b"", b"")
    loads = [decimal(token) for token in tokens[:3]]
    counts = [unsigned(token) for token in (runnable, total, *tokens[4:5])]
    if len(counts) < 3 or None in loads or None in counts:
        if line is not None:
            problems.append(problem(path, 1, line, _WANTED))
        return LoadAvg(None, None, None, None, None, None, (), tuple(problems))
    return LoadAvg._make([*loads, *counts, tuple(map(decode, tokens[5:])), tuple(problems)])
