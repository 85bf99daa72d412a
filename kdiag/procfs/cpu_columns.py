"""Tables with a column for each CPU: the heading and numbers of ``/proc/interrupts`` and ``/proc/softirqs``.

The heading alone says which CPU a column stands for, and it is good for its own file only: interrupts
(kernel/irq/proc.c) has the online CPUs, softirqs (fs/proc/softirqs.c) the possible ones.
"""

from typing import List, Optional, Tuple

from kdiag.procfs.text import unsigned

__all__ = ["counts", "cpu_heading"]

_MOST_DIGITS = 20


def cpu_heading(line: bytes) -> Optional[Tuple[int, ...]]:
    """Return the CPU number of each column, or ``None`` if ``line`` is no such heading.

    >>> cpu_heading(b"           CPU0       CPU2       "), cpu_heading(b" 24:   1   0")
    ((0, 2), None)
    """
    cpus: List[int] = []
    for token in line.split():
        cpu = unsigned(token[3:]) if token[:3] == b"CPU" else None
        if cpu is None:
            return None
        cpus.append(cpu)
    return tuple(cpus) if cpus else None


def counts(tokens: List[bytes]) -> Optional[Tuple[int, ...]]:
    """Return the numbers that all tokens are, or ``None``. Made for rows of thousands of columns.

    >>> counts([b"12", b"0"]), counts([b"12", b"x"]), counts([])
    ((12, 0), None, None)
    """
    if not b"".join(tokens).isdigit() or max(map(len, tokens)) > _MOST_DIGITS:
        return None
    return tuple(map(int, tokens))
