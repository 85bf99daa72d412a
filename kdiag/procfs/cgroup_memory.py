"""``memory.stat`` and ``memory.events`` of a cgroup: what its memory is made of, and what its limits did.

Documented in Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst, made by mm/memcontrol.c and
mm/memcontrol-v1.c. Bytes, but for the keys that count (``pgfault``, ``workingset_*``, ...).

v2 counts the cgroup and what is below it. v1 prints the cgroup alone first, and the same with what is below
it under ``total_``: those are the ones to set against ``memory.usage_in_bytes``, and the ones taken here.
The current usage includes the page cache; what the cgroup works with is usage less ``inactive_file``.

``memory.events`` counts since the cgroup was made, for it and what is below it (``memory.events.local``: it
alone). v1 has no such file: its ``memory.oom_control`` has an ``oom_kill`` line, and is of the same form.
"""

from typing import List, Mapping, Optional, Tuple

from kdiag.procfs.flat_keyed import flat_keyed
from kdiag.procfs.limit import Limit, limit_of_number
from kdiag.procfs.text import Problem
from kdiag.records import NamedTuple

__all__ = ["CgroupMemoryStat", "MemoryEvents", "parse_cgroup_memory_stat", "parse_memory_events"]


class _Values(NamedTuple):
    """All that the file says, by the kernel's keys."""

    values: Mapping[str, int]
    problems: Tuple[Problem, ...] = ()


class _Key:
    """A value by its key of v1, which is printed on v1 alone, or else of v2."""

    __slots__ = ("_keys",)

    def __init__(self, v1: str, v2: str) -> None:
        self._keys = (v1, v2)

    def __get__(self, stat: _Values, owner: type) -> Optional[int]:
        for key in self._keys:
            if key in stat.values:
                return stat.values[key]
        return None


class CgroupMemoryStat(_Values):
    """A cgroup's memory, with what is below it: the keys of both versions; ``values`` has all."""

    __slots__ = ()

    anon_bytes = _Key("total_rss", "anon")
    file_bytes = _Key("total_cache", "file")
    shmem_bytes = _Key("total_shmem", "shmem")
    active_anon_bytes = _Key("total_active_anon", "active_anon")
    inactive_anon_bytes = _Key("total_inactive_anon", "inactive_anon")
    active_file_bytes = _Key("total_active_file", "active_file")
    inactive_file_bytes = _Key("total_inactive_file", "inactive_file")
    unevictable_bytes = _Key("total_unevictable", "unevictable")
    dirty_bytes = _Key("total_dirty", "file_dirty")
    writeback_bytes = _Key("total_writeback", "file_writeback")
    pgfault = _Key("total_pgfault", "pgfault")
    pgmajfault = _Key("total_pgmajfault", "pgmajfault")
    workingset_refault_anon = _Key("total_workingset_refault_anon", "workingset_refault_anon")
    workingset_refault_file = _Key("total_workingset_refault_file", "workingset_refault_file")

    @property
    def hierarchical_limit_bytes(self) -> Optional[Limit]:
        """The least limit of the cgroup and those above it, which only v1 prints."""
        limit = self.values.get("hierarchical_memory_limit")
        return None if limit is None else limit_of_number(limit)


class MemoryEvents(NamedTuple):
    """How often the cgroup met its limits; ``oom_kill`` counts tasks that were killed."""

    low: Optional[int]
    high: Optional[int]
    max: Optional[int]
    oom: Optional[int]
    oom_kill: Optional[int]
    oom_group_kill: Optional[int]
    extra: Mapping[str, int]
    problems: Tuple[Problem, ...] = ()


def parse_cgroup_memory_stat(data: bytes, path: str = "memory.stat") -> CgroupMemoryStat:
    r"""Parse ``memory.stat`` of either version.

    >>> v2 = parse_cgroup_memory_stat(b"anon 11952128\nfile 38600704\ninactive_file 13897728\n")
    >>> v2.anon_bytes, v2.inactive_file_bytes, v2.shmem_bytes
    (11952128, 13897728, None)
    >>> v1 = parse_cgroup_memory_stat(b"inactive_file 0\ntotal_inactive_file 13897728\n")
    >>> v1.inactive_file_bytes
    13897728
    """
    problems: List[Problem] = []
    values = flat_keyed(data, path, problems)
    return CgroupMemoryStat(values, tuple(problems))


def parse_memory_events(data: bytes, path: str = "memory.events") -> MemoryEvents:
    r"""Parse ``memory.events``, ``memory.events.local``, or ``memory.oom_control`` of v1.

    >>> events = parse_memory_events(b"low 0\nhigh 12\nmax 3\noom 1\noom_kill 1\n")
    >>> events.max, events.oom_kill, events.oom_group_kill
    (3, 1, None)
    """
    problems: List[Problem] = []
    found = flat_keyed(data, path, problems)
    return MemoryEvents(
        low=found.pop("low", None),
        high=found.pop("high", None),
        max=found.pop("max", None),
        oom=found.pop("oom", None),
        oom_kill=found.pop("oom_kill", None),
        oom_group_kill=found.pop("oom_group_kill", None),
        extra=found,
        problems=tuple(problems),
    )
