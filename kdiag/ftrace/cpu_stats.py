"""``per_cpu/cpuN/stats``: how many events a buffer holds, and how many are lost.

Made by tracing_stats_read() in kernel/trace/trace.c. ``overrun`` were overwritten before anybody read them,
``dropped events`` found no room where a buffer does not overwrite, ``commit overrun`` were interrupted by so
many others that their page was used up. With the clocks ``counter`` and ``x86-tsc`` the times below are no
seconds; they are not read here.
"""

from typing import Dict

from kdiag.records import NamedTuple

__all__ = ["CpuStats", "parse_stats"]


class CpuStats(NamedTuple):
    """``per_cpu/cpuN/stats``: events in the buffer, read, and lost in one way or another."""

    cpu: int
    entries: int
    overrun: int
    commit_overrun: int
    dropped: int
    read: int

    @property
    def lost(self) -> int:
        """Events that nobody will ever read."""
        return self.overrun + self.commit_overrun + self.dropped


def parse_stats(cpu: int, text: str) -> CpuStats:
    r"""Parse ``per_cpu/cpuN/stats``.

    >>> parse_stats(1, "entries: 5\noverrun: 2\ncommit overrun: 0\nbytes: 4\n"
    ...     "dropped events: 1\nread events: 9\n")
    CpuStats(cpu=1, entries=5, overrun=2, commit_overrun=0, dropped=1, read=9)
    """
    found: Dict[str, int] = {}
    for line in text.split("\n"):
        name, _, value = line.partition(":")
        if value.strip().isdigit():
            found[name.strip()] = int(value)
    wanted = ("entries", "overrun", "commit overrun", "dropped events", "read events")
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ValueError(f"per_cpu/cpu{cpu}/stats has no {', '.join(missing)}: loss cannot be counted")
    return CpuStats(cpu, *(found[name] for name in wanted))
