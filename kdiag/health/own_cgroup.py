"""The control group that kdiag runs in, and those above it: their limits, and what is used of them.

Documented in Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/. A limit holds for a group and for all
below it, and what counts against it is the use of the group that has it. So a group without a limit of its
own may be throttled, or killed, for what its neighbours below the same group use, and each limit is judged
where it is set.

Groups above a container's are out of its sight, and so are their limits.
"""

from typing import Mapping, Optional, Tuple

from kdiag.procfs.cgroup_cpu import CgroupCpuStat, CpuMax
from kdiag.procfs.cgroup_memory import CgroupMemoryStat, MemoryEvents
from kdiag.procfs.limit import Limit
from kdiag.procfs.pressure import Pressure
from kdiag.records import NamedTuple

__all__ = [
    "CpuGroup",
    "MemoryGroup",
    "OwnCgroup",
    "PidsGroup",
    "hidden_limit_bytes",
    "least_cpus",
    "least_memory",
    "least_pids",
]


class CpuGroup(NamedTuple):
    """CPU quota of a group and what it took away; ``files`` are the paths, by field."""

    name: str
    files: Mapping[str, str]
    quota: Optional[CpuMax] = None
    stat: Optional[CgroupCpuStat] = None

    @property
    def limit(self) -> Optional[Limit]:
        """The quota in microseconds a period; ``None`` if it is not known."""
        return self.quota.quota_us if self.quota is not None else None

    @property
    def quota_cpus(self) -> Optional[float]:
        """The quota as a number of CPUs; ``None`` without a quota, and where it is not known."""
        return self.quota.cpus if self.quota is not None else None


class MemoryGroup(NamedTuple):
    """Memory of a group; what is used is read of the own group and of those that have a limit."""

    name: str
    files: Mapping[str, str]
    limit: Optional[Limit] = None
    high: Optional[Limit] = None
    """From here on the kernel slows the group down; v1 has no such limit."""
    current_bytes: Optional[int] = None
    swap_bytes: Optional[int] = None
    swap_limit: Optional[Limit] = None
    """v1 limits memory and swap together, which is not this."""
    stat: Optional[CgroupMemoryStat] = None
    events: Optional[MemoryEvents] = None

    @property
    def limit_bytes(self) -> Optional[int]:
        """The limit; ``None`` without one, and where it is not known."""
        return self.limit.value if self.limit is not None else None

    @property
    def working_set_bytes(self) -> Optional[int]:
        """The memory that the kernel cannot take back cheaply: all but the inactive page cache."""
        inactive_bytes = self.stat.inactive_file_bytes if self.stat is not None else None
        if self.current_bytes is None or inactive_bytes is None:
            return None
        # The two are read one after the other, and memory.stat lags behind.
        return max(0, self.current_bytes - inactive_bytes)


class PidsGroup(NamedTuple):
    """Tasks (threads count) in a group and below it; a group without the controller has ``None`` for both."""

    name: str
    files: Mapping[str, str]
    limit: Optional[Limit] = None
    current: Optional[int] = None

    @property
    def limit_tasks(self) -> Optional[int]:
        """The limit; ``None`` without one, and where it is not known."""
        return self.limit.value if self.limit is not None else None


class OwnCgroup(NamedTuple):
    """The groups of this process: its own first, then those above it as far as they can be seen.

    v1 has a hierarchy for each controller, so the own groups of two controllers may differ. A controller that
    this kernel does not have has no groups; ``out_of_reach`` says why the files of another cannot be read.
    """

    layout: str
    """``v1``, ``v2`` or ``hybrid`` (both)."""
    cpu: Tuple[CpuGroup, ...]
    memory: Tuple[MemoryGroup, ...]
    pids: Tuple[PidsGroup, ...]
    pressure: Mapping[str, Optional[Pressure]]
    """Of the own group by path, ``/sys/fs/cgroup/a/cpu.pressure``; v1 has none."""
    out_of_reach: Mapping[str, Tuple[str, str]]
    """Path and reason, by controller."""


def least_cpus(groups: Tuple[CpuGroup, ...]) -> Optional[CpuGroup]:
    """Return the group with the least CPU quota; ``None`` if none has any."""
    limited = [group for group in groups if group.quota_cpus is not None]
    return min(limited, key=lambda group: group.quota_cpus or 0.0, default=None)


def least_memory(groups: Tuple[MemoryGroup, ...]) -> Optional[MemoryGroup]:
    """Return the group with the least memory limit; ``None`` if none has any."""
    limited = [group for group in groups if group.limit_bytes is not None]
    return min(limited, key=lambda group: group.limit_bytes or 0, default=None)


def least_pids(groups: Tuple[PidsGroup, ...]) -> Optional[PidsGroup]:
    """Return the group in which the fewest tasks more can be made; ``None`` if none has a limit."""
    limited = [group for group in groups if group.limit_tasks is not None]
    return min(limited, key=lambda group: (group.limit_tasks or 0) - (group.current or 0), default=None)


def hidden_limit_bytes(groups: Tuple[MemoryGroup, ...]) -> Optional[int]:
    """Return the limit of a group out of sight, if it is less than those in sight; v1 alone tells it."""
    told = groups[0].stat.hierarchical_limit_bytes if groups and groups[0].stat is not None else None
    if told is None or told.value is None:
        return None
    least = least_memory(groups)
    seen = least.limit_bytes if least is not None else None
    return told.value if seen is None or told.value < seen else None
