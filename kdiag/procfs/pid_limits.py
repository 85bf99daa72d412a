"""``/proc/<pid>/limits``: the resource limits of a process.

Documented in proc_pid_limits(5) and getrlimit(2), made by proc_pid_limits() in fs/proc/base.c. Columns of
fixed width: a name of several words, the soft and the hard limit (a number or ``unlimited``), and a unit,
which the nice and the realtime priority do not have.

Traps. ``Max processes`` bounds the tasks of a user, not those of the process. The file is empty for a
process that is just going away.
"""

from typing import Dict, List, Mapping, Optional, Tuple

from kdiag.procfs.limit import Limit, limit_of_token
from kdiag.procfs.text import Problem, complete_lines, decode, problem
from kdiag.records import NamedTuple

__all__ = ["PidLimit", "PidLimits", "parse_pid_limits"]

_HEADER = [b"Limit", b"Soft", b"Limit", b"Hard", b"Limit", b"Units"]


class PidLimit(NamedTuple):
    """A resource's limits; the unit is empty where there is none."""

    soft: Limit
    hard: Limit
    unit: str


class PidLimits(NamedTuple):
    """The limits by the names that the kernel prints, such as ``Max open files``."""

    limits: Mapping[str, PidLimit]
    problems: Tuple[Problem, ...] = ()

    @property
    def open_files_soft(self) -> Optional[Limit]:
        """How many descriptors the process may have open before it gets EMFILE."""
        limit = self.limits.get("Max open files")
        return None if limit is None else limit.soft


def parse_pid_limits(data: bytes, path: str = "/proc/<pid>/limits") -> PidLimits:
    r"""Parse a process's limits file.

    >>> limits = parse_pid_limits(
    ...     b"Limit                     Soft Limit           Hard Limit           Units     \n"
    ...     b"Max open files            1024                 4096                 files     \n"
    ...     b"Max nice priority         0                    0                    \n")
    >>> limits.open_files_soft, limits.limits["Max nice priority"].unit
    (Limit(value=1024, unlimited=False), '')
    """
    problems: List[Problem] = []
    limits: Dict[str, PidLimit] = {}
    for number, line in complete_lines(data, path, problems):
        words = line.split()
        if words == _HEADER:
            continue
        unit = b"" if not words or limit_of_token(words[-1]) else words.pop()
        soft, hard = (limit_of_token(word) for word in words[-2:]) if len(words) > 2 else (None, None)
        if soft is None or hard is None:
            problems.append(problem(path, number, line, "name soft hard unit"))
        else:
            limits[decode(b" ".join(words[:-2]))] = PidLimit(soft, hard, decode(unit))
    return PidLimits(limits, tuple(problems))
