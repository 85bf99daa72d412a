"""Limits of a cgroup, one a file: ``memory.max``, ``pids.max``, ``memory.limit_in_bytes``, ...

Documented in Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/. Bytes, tasks or microseconds, as the
file's name says. The usages beside them (``memory.current``, ``pids.current``, ``memory.usage_in_bytes``)
are plain numbers: :func:`~kdiag.procfs.sysctl.parse_integer` reads them.

v2 prints ``max`` where there is no limit; so does ``pids.max`` of v1. ``memory.limit_in_bytes`` of v1
prints a number about 2^63, ``cpu.cfs_quota_us`` prints -1. The limit that holds is the least one of the
cgroup and of all above it. The root cgroup of v2 has none of these files.
"""

from typing import List, Optional, Tuple

from kdiag.procfs.limit import Limit, limit_of_token
from kdiag.procfs.one_line import one_line
from kdiag.procfs.text import Problem, problem
from kdiag.records import NamedTuple

__all__ = ["CgroupLimit", "parse_cgroup_limit"]

_WANTED = "N|max"


class CgroupLimit(NamedTuple):
    """A limit; ``None`` if the file holds none, which is not the same as no limit."""

    limit: Optional[Limit]
    problems: Tuple[Problem, ...] = ()


def parse_cgroup_limit(data: bytes, path: str = "memory.max") -> CgroupLimit:
    r"""Parse a file that holds one limit.

    >>> parse_cgroup_limit(b"max\n").limit, parse_cgroup_limit(b"536870912\n").limit
    (Limit(value=None, unlimited=True), Limit(value=536870912, unlimited=False))
    """
    problems: List[Problem] = []
    line = one_line(data, path, _WANTED, problems)
    limit = None if line is None else limit_of_token(line)
    if line is not None and limit is None:
        problems.append(problem(path, 1, line, _WANTED))
    return CgroupLimit(limit, tuple(problems))
