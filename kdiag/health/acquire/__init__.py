"""Taking a sample of a host: everything that a check or a table needs, read in one pass."""

from typing import Callable, List, Optional

from kdiag.health.acquire.cgroup import read_cgroup
from kdiag.health.acquire.file_systems import read_file_systems
from kdiag.health.acquire.host_files import Scope, read_host_files
from kdiag.health.acquire.nodes import read_disk_kinds, read_memory_controllers, read_numa_nodes
from kdiag.health.acquire.reader import Reader
from kdiag.health.acquire.tasks import TaskKey, count_open_files, read_details, read_tasks, read_threads
from kdiag.health.sample import Sample, Task
from kdiag.host.base import Host

__all__ = ["FD_TASKS", "Scope", "take_sample"]

#: Of so many tasks with the most open files the limit is read.
FD_TASKS = 16
#: More stuck or dead tasks than this are counted, but not looked into one by one.
_MAX_LOOKED_INTO = 64

_OF_BLOCKED = ("status", "wchan", "stack", "syscall", "cgroup")


def take_sample(host: Host, scope: Scope, before: Optional[Sample] = None) -> Sample:
    """Read one sample; ``before`` is the one that rates will start from, if there is any."""
    sample = Sample(host.facts)
    reader = Reader(host, sample)
    read_host_files(reader, scope)
    read_cgroup(reader, scope.last)
    read_numa_nodes(reader)
    read_tasks(reader)
    read_threads(reader)
    blocked = [*_in_state(sample, "D"), *sample.threads][:_MAX_LOOKED_INTO]
    if scope.last:
        count_open_files(reader)
        read_disk_kinds(reader)
        read_memory_controllers(reader)
        read_details(
            reader,
            (blocked, _OF_BLOCKED),
            (_parents(sample, _in_state(sample, "Z"))[:_MAX_LOOKED_INTO], ("status",)),
            (_busiest(sample, before, scope.top), ("status",)),
            (_top(sample, FD_TASKS, lambda task: task.fd_count or 0), ("limits",)),
        )
        _name_users(host, sample)
        # Last: dead mounts use up the time for questions that may hang, and stacks tell who waits for them.
        read_file_systems(reader)
    else:
        read_details(reader, (blocked, ("status",)))
    reader.finish()
    return sample


def _in_state(sample: Sample, state: str) -> List[TaskKey]:
    return [(pid, pid) for pid, task in sample.tasks.items() if task.stat.state == state]


def _parents(sample: Sample, children: List[TaskKey]) -> List[TaskKey]:
    """Return the parents of some processes, as far as they are seen."""
    parents = dict.fromkeys(sample.tasks[pid].stat.ppid for pid, _ in children)
    return [(pid, pid) for pid in parents if pid in sample.tasks]


def _top(sample: Sample, count: int, key: Callable[[Task], int]) -> List[TaskKey]:
    ranked = sorted(sample.tasks.values(), key=key, reverse=True)
    return [(task.pid, task.pid) for task in ranked[:count] if key(task)]


def _busiest(sample: Sample, before: Optional[Sample], count: int) -> List[TaskKey]:
    """Return the tasks with the most CPU time, and with the most run delay, since ``before`` (or ever)."""

    def earlier(task: Task) -> Optional[Task]:
        other = before.tasks.get(task.pid) if before is not None else None
        same = other is not None and other.stat.starttime_ticks == task.stat.starttime_ticks
        return other if same else None

    def cpu_ticks(task: Task) -> int:
        other = earlier(task)
        return _cpu_ticks(task) - (_cpu_ticks(other) if other is not None else 0)

    def delay_ns(task: Task) -> int:
        other = earlier(task)
        return _delay_ns(task) - (_delay_ns(other) if other is not None else 0)

    chosen = [*_top(sample, count, cpu_ticks), *_top(sample, count, delay_ns)]
    return list(dict.fromkeys(chosen))


def _cpu_ticks(task: Task) -> int:
    return (task.stat.utime_ticks or 0) + (task.stat.stime_ticks or 0)


def _delay_ns(task: Task) -> int:
    return (task.schedstat.wait_ns or 0) if task.schedstat is not None else 0


def _name_users(host: Host, sample: Sample) -> None:
    for detail in sample.details.values():
        uids = detail.status.uid if detail.status is not None else None
        if uids is not None and uids[0] not in sample.user_names:
            name = host.user_name(uids[0])
            if name is not None:
                sample.user_names[uids[0]] = name
