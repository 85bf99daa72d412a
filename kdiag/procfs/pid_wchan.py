"""``/proc/<pid>/wchan``: the kernel function in which a task sleeps.

Documented in proc_pid_wchan(5), made by proc_pid_wchan() in fs/proc/base.c. One symbol, or ``0`` if the
task does not sleep, if the reader may not ptrace it, or if the kernel has no name for the place.

Traps. There is no newline at the end: a name cut short cannot be told from a whole one. Older kernels print
nothing where the reader may not see it, and a decimal address where they have no name.
"""

import re
from typing import Optional, Tuple

from kdiag.procfs.text import Problem, decode, problem, unsigned
from kdiag.records import NamedTuple

__all__ = ["PidWchan", "parse_pid_wchan"]

#: No name of a function starts with a digit or a sign, or holds a blank or a control byte.
_SYMBOL = re.compile(rb"[A-Za-z_.$][!-~]*").fullmatch


class PidWchan(NamedTuple):
    """Where the task sleeps; ``symbol`` is ``None`` if it runs, or if that is hidden."""

    symbol: Optional[str]
    address: Optional[int]
    problems: Tuple[Problem, ...] = ()


def parse_pid_wchan(data: bytes, path: str = "/proc/<pid>/wchan") -> PidWchan:
    """Parse a task's wchan file.

    >>> parse_pid_wchan(b"hrtimer_nanosleep").symbol, parse_pid_wchan(b"0").symbol
    ('hrtimer_nanosleep', None)
    """
    text = data[:-1] if data.endswith(b"\n") else data  # whoever copied it may have ended the line
    if not text:
        return PidWchan(None, None)
    address = unsigned(text)
    if address is not None:
        return PidWchan(None, address or None)
    if not _SYMBOL(text):
        return PidWchan(None, None, (problem(path, 1, data, "a symbol or 0"),))
    return PidWchan(decode(text), None)
