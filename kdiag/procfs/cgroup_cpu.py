"""``cpu.stat`` and ``cpu.max`` of a cgroup: CPU time used, and time taken away by a quota.

Documented in Documentation/admin-guide/cgroup-v2.rst and Documentation/scheduler/sched-bwc.rst.

v2 prints microseconds; v1 prints ``throttled_time`` and ``burst_time`` in nanoseconds, which are turned
into microseconds here. ``nr_periods`` and all that follows are there only where the cpu controller is on,
so not in the root cgroup of v2. They count since the cgroup was made.

v1 has no ``cpu.max`` but two files of one number each, ``cpu.cfs_quota_us`` (-1: no quota) and
``cpu.cfs_period_us``: :func:`~kdiag.procfs.cgroup_limit.parse_cgroup_limit` reads the one and
:func:`~kdiag.procfs.sysctl.parse_integer` the other, and a :class:`CpuMax` holds them too.
"""

from typing import List, Mapping, Optional, Tuple

from kdiag.procfs.flat_keyed import flat_keyed
from kdiag.procfs.limit import Limit, limit_of_token
from kdiag.procfs.one_line import one_line
from kdiag.procfs.text import Problem, problem, unsigned
from kdiag.records import NamedTuple

__all__ = ["CgroupCpuStat", "CpuMax", "parse_cgroup_cpu_stat", "parse_cpu_max"]

_NS_PER_US = 1000
_WANTED_MAX = "max|QUOTA PERIOD"


class CgroupCpuStat(NamedTuple):
    """CPU time of a cgroup and what is below it; v1 has no times of use here."""

    usage_us: Optional[int]
    user_us: Optional[int]
    system_us: Optional[int]
    nice_us: Optional[int]
    nr_periods: Optional[int]
    nr_throttled: Optional[int]
    throttled_us: Optional[int]
    nr_bursts: Optional[int]
    burst_us: Optional[int]
    extra: Mapping[str, int]
    problems: Tuple[Problem, ...] = ()


class CpuMax(NamedTuple):
    """The quota of CPU time that the cgroup may use in each period."""

    quota_us: Optional[Limit]
    period_us: Optional[int]
    problems: Tuple[Problem, ...] = ()

    @property
    def cpus(self) -> Optional[float]:
        """The quota as a number of CPUs; ``None`` without a quota, and where it is not known."""
        if self.quota_us is None or self.quota_us.value is None or not self.period_us:
            return None
        return self.quota_us.value / self.period_us


def parse_cgroup_cpu_stat(data: bytes, path: str = "cpu.stat") -> CgroupCpuStat:
    r"""Parse ``cpu.stat`` of either version.

    >>> stat = parse_cgroup_cpu_stat(b"nr_periods 20\nnr_throttled 5\nthrottled_time 1500000\n")
    >>> stat.nr_throttled, stat.throttled_us, stat.usage_us
    (5, 1500, None)
    """
    problems: List[Problem] = []
    found = flat_keyed(data, path, problems)
    throttled_ns, burst_ns = found.pop("throttled_time", None), found.pop("burst_time", None)
    return CgroupCpuStat(
        usage_us=found.pop("usage_usec", None),
        user_us=found.pop("user_usec", None),
        system_us=found.pop("system_usec", None),
        nice_us=found.pop("nice_usec", None),
        nr_periods=found.pop("nr_periods", None),
        nr_throttled=found.pop("nr_throttled", None),
        throttled_us=found.pop(
            "throttled_usec", None if throttled_ns is None else throttled_ns // _NS_PER_US
        ),
        nr_bursts=found.pop("nr_bursts", None),
        burst_us=found.pop("burst_usec", None if burst_ns is None else burst_ns // _NS_PER_US),
        extra=found,
        problems=tuple(problems),
    )


def parse_cpu_max(data: bytes, path: str = "cpu.max") -> CpuMax:
    r"""Parse ``cpu.max``.

    >>> parse_cpu_max(b"150000 100000\n").cpus
    1.5
    >>> parse_cpu_max(b"max 100000\n").quota_us
    Limit(value=None, unlimited=True)
    """
    problems: List[Problem] = []
    line = one_line(data, path, _WANTED_MAX, problems)
    if line is None:
        return CpuMax(None, None, tuple(problems))
    tokens = line.split()
    if len(tokens) == 2:
        quota_us, period_us = limit_of_token(tokens[0]), unsigned(tokens[1])
        if quota_us is not None and period_us is not None:
            return CpuMax(quota_us, period_us, tuple(problems))
    problems.append(problem(path, 1, line, _WANTED_MAX))
    return CpuMax(None, None, tuple(problems))
