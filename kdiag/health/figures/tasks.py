"""Tasks in uninterruptible sleep (state D), and whether for a whole window; and dead ones (Z).

State D by itself is normal: every read from a disk passes through it. A task is stuck if it was in D in both
readings and has not run in between, which its counts of context switches tell, or its number of time slices.
"""

from typing import Dict, Iterable, List, Optional, Tuple

from kdiag.health.sample import Sample, Task, TaskDetail
from kdiag.health.window import CannotJudge, Window
from kdiag.records import NamedTuple

__all__ = [
    "WHOLE_VIEW_PCT",
    "SleepingTask",
    "dead_by_parent",
    "places",
    "seen_tasks",
    "share_in_sight_pct",
    "task_name",
    "tasks_in_d",
    "threads_in_sight",
]

#: Of fewer threads in sight than this, "none" cannot be said of all (hidepid, a PID namespace).
WHOLE_VIEW_PCT = 80

_NO_DETAIL = TaskDetail()


class SleepingTask(NamedTuple):
    """A task in state D, a process's leader or another of its threads."""

    pid: int
    tid: int
    task: Task
    detail: TaskDetail
    same_sleep: Optional[bool]
    """Whether it has been in this one sleep since the first reading; ``None`` if that is not known."""

    @property
    def folder(self) -> str:
        """Where its files are."""
        return f"/proc/{self.pid}" if self.pid == self.tid else f"/proc/{self.pid}/task/{self.tid}"

    @property
    def woke(self) -> bool:
        """Whether it has woken since its state was read: its stack is then that of whatever it did next."""
        call, status = self.detail.syscall, self.detail.status
        told = status.state if status is not None else None
        return (call is not None and call.running is True) or told not in (None, "D")

    @property
    def place(self) -> Optional[str]:
        """The kernel function in which it sleeps; ``None`` where the kernel does not tell the reader."""
        if self.woke:
            return None
        wchan, stack = self.detail.wchan, self.detail.stack
        if wchan is not None and wchan.symbol is not None:
            return wchan.symbol
        return stack.frames[0].symbol if stack is not None and stack.frames else None


def seen_tasks(sample: Sample) -> Dict[int, Task]:
    """Return all tasks; raise :class:`CannotJudge` if there is none, as the reader at least should be."""
    if not sample.tasks:
        known = "/proc" in sample.failures
        raise CannotJudge("/proc", sample.why_missing("/proc") if known else "no process is seen")
    return sample.tasks


def share_in_sight_pct(sample: Sample) -> Optional[float]:
    """Return the share of all threads that are in sight: hidepid hides others', and a PID namespace.

    Both move while they are read, so some percent more or less mean nothing.
    """
    total = sample.loadavg.total_threads if sample.loadavg is not None else None
    seen = threads_in_sight(sample)
    return 100 * seen / total if total else None


def threads_in_sight(sample: Sample) -> int:
    """Return the number of threads of all processes that are seen."""
    return sum(task.stat.num_threads or 1 for task in sample.tasks.values())


def task_name(task: Optional[Task], pid: int) -> str:
    """Call a task by its name and number, by its number alone if it was not seen."""
    return f"pid {pid}" if task is None or task.stat.comm is None else f"{task.stat.comm} ({pid})"


def tasks_in_d(window: Window) -> List[SleepingTask]:
    """Return all tasks in D of the latest sample, leaders first."""
    after = window.after
    found = [((pid, pid), task) for pid, task in after.tasks.items() if task.stat.state == "D"]
    found.extend(after.threads.items())
    return [
        SleepingTask(key[0], key[1], task, after.details.get(key, _NO_DETAIL), _same_sleep(window, key, task))
        for key, task in found
    ]


def places(tasks: Iterable[SleepingTask], most: int = 3) -> str:
    """Say which tasks sleep where, the place of most of them first: ``tar (812) in wait_on_page_bit``."""
    groups: Dict[Optional[str], List[SleepingTask]] = {}
    for task in tasks:
        groups.setdefault(task.place, []).append(task)
    told = []
    for place, members in sorted(groups.items(), key=lambda group: -len(group[1])):
        names = ", ".join(task_name(each.task, each.tid) for each in members[:most])
        more = f" and {len(members) - most} more" if len(members) > most else ""
        told.append(f"{names}{more} in {place}" if place is not None else f"{names}{more}")
    left = f"; and {len(told) - most} more places" if len(told) > most else ""
    return "; ".join(told[:most]) + left


def dead_by_parent(window: Window) -> Dict[int, List[Task]]:
    """Return the dead tasks of each parent, most of them first.

    Where there is an earlier reading, only those that were dead in it already: a moment between the end of a
    task and its parent's wait is normal.
    """
    found: Dict[int, List[Task]] = {}
    for task in window.after.tasks.values():
        if _is_dead(task) and (window.before is None or _was_dead(window.before, task)):
            found.setdefault(task.stat.ppid or 0, []).append(task)
    return dict(sorted(found.items(), key=lambda entry: -len(entry[1])))


def _is_dead(task: Task) -> bool:
    # A process whose first thread alone has ended shows Z too, and lives on in its other threads.
    return task.stat.state == "Z" and (task.stat.num_threads or 0) <= 1


def _was_dead(before: Sample, task: Task) -> bool:
    earlier = before.tasks.get(task.pid)
    if earlier is None or earlier.stat.starttime_ticks != task.stat.starttime_ticks:
        return False
    return _is_dead(earlier)


def _same_sleep(window: Window, key: Tuple[int, int], task: Task) -> Optional[bool]:
    before = window.before
    if before is None:
        return None
    leads = key[0] == key[1]
    earlier = before.tasks.get(key[0]) if leads else before.threads.get(key)
    if earlier is None:
        # Only threads in D are kept, so one that is missing was in another state, if they were looked at.
        return False if leads or before.threads_scanned else None
    if earlier.stat.state != "D" or earlier.stat.starttime_ticks != task.stat.starttime_ticks:
        return False
    for first, last in (
        (_switches(before, key), _switches(window.after, key)),
        (_slices(earlier), _slices(task)),
    ):
        if first is not None and last is not None:
            return first == last
    return None


def _switches(sample: Sample, key: Tuple[int, int]) -> Optional[int]:
    status = sample.details.get(key, _NO_DETAIL).status
    if status is None or status.voluntary_ctxt_switches is None or status.nonvoluntary_ctxt_switches is None:
        return None
    return status.voluntary_ctxt_switches + status.nonvoluntary_ctxt_switches


def _slices(task: Task) -> Optional[int]:
    # A kernel that keeps no such account prints 0, which no task that sleeps can have.
    return (task.schedstat.slices or None) if task.schedstat is not None else None
