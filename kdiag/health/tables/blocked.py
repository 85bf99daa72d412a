"""Tasks in uninterruptible sleep, with where they sleep, and dead ones that nobody waited for."""

from typing import TYPE_CHECKING, List, Optional, Tuple

from kdiag.health.figures.tasks import (
    WHOLE_VIEW_PCT,
    SleepingTask,
    dead_by_parent,
    seen_tasks,
    share_in_sight_pct,
    tasks_in_d,
)
from kdiag.health.sample import Sample, Task
from kdiag.health.table import Rows, Table, TableOptions
from kdiag.health.window import Window
from kdiag.records import NamedTuple

if TYPE_CHECKING:
    from kdiag.procfs.pid_status import PidStatus

__all__ = ["TABLES", "BlockedRow", "ZombieRow"]

_SHOWN_FRAMES = 3
_SHOWN_NAMES = 3
_MOST_ROWS = 50


class BlockedRow(NamedTuple):
    """A task in state D. ``at_least_s`` is how long it is known to have been in this one sleep."""

    pid: int
    tid: int
    user: Optional[str]
    comm: Optional[str]
    at_least_s: Optional[float]
    wchan: Optional[str]
    syscall_number: Optional[int]
    """By the table of the task's own instruction set; kernel threads make no system calls."""
    stack: Optional[str]
    """The innermost functions."""


class ZombieRow(NamedTuple):
    """Dead tasks of one parent, which has to wait for them."""

    dead: int
    parent_pid: int
    parent_comm: Optional[str]
    user: Optional[str]
    """Of the parent."""
    dead_comms: Tuple[str, ...]


def _blocked(window: Window, options: TableOptions) -> Rows:
    sample = window.after
    seen_tasks(sample)
    found = tasks_in_d(window)
    # Those that are known to be stuck come first; one frozen on purpose is no sign of trouble.
    found.sort(key=lambda task: (not task.same_sleep, bool(task.detail.frozen)))
    notes = []
    if any(task.same_sleep for task in found):
        notes.append("for: at least so long, it may have begun before")
    if len(found) > _MOST_ROWS:
        notes.append(f"{len(found) - _MOST_ROWS} more are not shown")
    frozen = sum(bool(task.detail.frozen) for task in found)
    if frozen:
        notes.append(f"{frozen} of them are frozen by a freezer cgroup")
    woke = sum(task.woke for task in found)
    if woke:
        notes.append(f"{woke} of them had woken when they were looked at, so it is not told where they slept")
    if woke < len(found) and all(task.place is None for task in found):
        notes.append("where they sleep is shown to root alone")
    if sample.threads_skipped:
        notes.append(sample.threads_skipped)
    elif not sample.threads_scanned:
        notes.append(
            "of each process only the first thread was looked at, as nothing points to blocked others"
        )
    notes.extend(_partial_view(sample))
    seconds = window.seconds("/proc/stat") if window.before is not None else None
    return Rows([_blocked_row(task, sample, seconds) for task in found[:_MOST_ROWS]], notes=tuple(notes))


def _partial_view(sample: Sample) -> Tuple[str, ...]:
    seen_pct = share_in_sight_pct(sample)
    if seen_pct is None or seen_pct >= WHOLE_VIEW_PCT:
        return ()
    return (f"{seen_pct:.0f}% of all threads are in sight: there may be more",)


def _blocked_row(task: SleepingTask, sample: Sample, seconds: Optional[float]) -> BlockedRow:
    detail = task.detail
    call = detail.syscall
    # A kernel thread shows zeros, which are no call of number 0: it has no stack pointer.
    number = call.number if call is not None and call.stack_pointer and not task.woke else None
    frames = detail.stack.frames[:_SHOWN_FRAMES] if detail.stack is not None and not task.woke else ()
    return BlockedRow(
        task.pid,
        task.tid,
        _user(detail.status, sample),
        task.task.stat.comm,
        seconds if task.same_sleep else None,
        detail.wchan.symbol if detail.wchan is not None and not task.woke else None,
        number,
        " < ".join(frame.symbol or "?" for frame in frames) or None,
    )


def _zombies(window: Window, options: TableOptions) -> Rows:
    sample = window.after
    seen_tasks(sample)
    ordered = list(dead_by_parent(window).items())
    rows = [_zombie_row(sample, ppid, dead) for ppid, dead in ordered[: options.top]]
    more = len(ordered) - len(rows)
    notes = (f"{more} more parents are not shown",) if more else ()
    return Rows(rows, notes=(*notes, *_partial_view(sample)))


def _zombie_row(sample: Sample, ppid: int, dead: List[Task]) -> ZombieRow:
    parent = sample.tasks.get(ppid)
    detail = sample.details.get((ppid, ppid))
    names = tuple(dict.fromkeys(task.stat.comm or "" for task in dead))
    return ZombieRow(
        len(dead),
        ppid,
        parent.stat.comm if parent is not None else None,
        _user(detail.status if detail is not None else None, sample),
        names[:_SHOWN_NAMES],
    )


def _user(status: "Optional[PidStatus]", sample: Sample) -> Optional[str]:
    if status is None or status.uid is None:
        return None
    return sample.user_names.get(status.uid.real, str(status.uid.real))


TABLES = (
    Table(
        "blocked",
        "Tasks in uninterruptible sleep (D)",
        BlockedRow,
        _blocked,
        {
            "pid": "PID",
            "tid": "TID",
            "comm": "command",
            "at_least_s": "for",
            "syscall_number": "call",
        },
    ),
    Table(
        "zombies",
        "Dead tasks not waited for (Z)",
        ZombieRow,
        _zombies,
        {"parent_pid": "parent PID", "parent_comm": "parent", "dead_comms": "commands"},
    ),
)
