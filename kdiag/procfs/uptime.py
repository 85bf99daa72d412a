"""``/proc/uptime``: seconds since boot, and idle seconds summed over all CPUs.

Documented in proc(5), made by fs/proc/uptime.c. Time in suspend counts as up (the clock is CLOCK_BOOTTIME),
and a time namespace shifts it. As the second number is a sum over CPUs, it exceeds the first on most hosts.
"""

from typing import List, Optional, Tuple

from kdiag.procfs.one_line import one_line
from kdiag.procfs.text import Problem, decimal, decode, problem
from kdiag.records import NamedTuple

__all__ = ["Uptime", "parse_uptime"]


class Uptime(NamedTuple):
    """The one line of the file; both fields are ``None`` if the line could not be read."""

    up_s: Optional[float]
    idle_s: Optional[float]
    extra: Tuple[str, ...] = ()
    problems: Tuple[Problem, ...] = ()


_WANTED = "UP_SECONDS IDLE_SECONDS"


def parse_uptime(data: bytes, path: str = "/proc/uptime") -> Uptime:
    r"""Parse ``/proc/uptime``.

    >>> parsed = parse_uptime(b"579.51 1126.44\n")
    >>> parsed.up_s, parsed.idle_s
    (579.51, 1126.44)
    """
    problems: List[Problem] = []
    line = one_line(data, path, _WANTED, problems)
    tokens = [] if line is None else line.split()
    seconds = [decimal(token) for token in tokens[:2]]
    if len(seconds) < 2 or None in seconds:
        if line is not None:
            problems.append(problem(path, 1, line, _WANTED))
        return Uptime(None, None, (), tuple(problems))
    return Uptime(seconds[0], seconds[1], tuple(map(decode, tokens[2:])), tuple(problems))
