"""``/proc/uptime``: seconds since boot, and idle seconds summed over all CPUs.

Documented in proc(5), made by fs/proc/uptime.c. Time in suspend counts as up (the clock is CLOCK_BOOTTIME),
and a time namespace shifts it. As the second number is a sum over CPUs, it exceeds the first on most hosts.
"""

import re
from typing import List, NamedTuple, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem

__all__ = ["Uptime", "parse_uptime"]


class Uptime(NamedTuple):
    """The one line of the file; both fields are ``None`` if the line could not be read."""

    up_s: Optional[float]
    idle_s: Optional[float]
    extra: Tuple[str, ...] = ()
    problems: Tuple[Problem, ...] = ()


_WANTED = "UP_SECONDS IDLE_SECONDS"
_LINE = re.compile(rb"(\d{1,20}\.\d{1,20}) (\d{1,20}\.\d{1,20})((?: .*)?)")


def parse_uptime(data: bytes, path: str = "/proc/uptime") -> Uptime:
    r"""Parse ``/proc/uptime``.

    >>> parsed = parse_uptime(b"579.51 1126.44\n")
    >>> parsed.up_s, parsed.idle_s
    (579.51, 1126.44)
    """
    problems: List[Problem] = []
    found: Optional[Uptime] = None
    for number, line in complete_lines(data, path, problems):
        match = _LINE.fullmatch(line)
        if match is None or found is not None:
            problems.append(problem(path, number, line, _WANTED))
            continue
        up, idle, rest = match.groups()
        found = Uptime(float(up), float(idle), tuple(decode(token) for token in rest.split()))
    if not data:
        problems.append(problem(path, 1, data, _WANTED))
    return (found or Uptime(None, None))._replace(problems=tuple(problems))
