"""Top tasks: those that used most CPU, and those that waited longest for one.

A task is told by its id and its start, as ids are used again; one that started within the window is counted
from its start. Shares are of the window, and of one CPU: a task of four threads may have 400 %. With one
reading they are of each task's own life.

Run delay is ``wait_ns`` of ``/proc/<pid>/schedstat``: of a process with threads, that of the main thread
alone. The kernel adds it when the task gets its CPU at last (kernel/sched/stats.h, sched_info_arrive), so it
may hold waiting from before the window: the share stops at 100 % therefore.
"""

from heapq import nlargest
from typing import Iterable, List, Optional, Tuple

from kdiag.health.figures.cpu import elapsed_ticks
from kdiag.health.sample import Sample, Task
from kdiag.health.table import Rows, Table, TableOptions
from kdiag.health.window import CannotJudge, Window
from kdiag.records import NamedTuple

__all__ = ["TABLES", "TopRow"]

_STAT, _SCHEDSTAT = "/proc/[pid]/stat", "/proc/[pid]/schedstat"
_NS_PER_S = 1_000_000_000
_HEADERS = {"pid": "PID", "delay_pct": "%delay", "rss_kib": "RSS", "comm": "command"}


class TopRow(NamedTuple):
    """A task. ``sys_pct`` is the part of ``cpu_pct`` in the kernel, ``delay_pct`` runnable without a CPU."""

    pid: int
    user: Optional[str]
    state: Optional[str]
    cpu_pct: Optional[float]
    sys_pct: Optional[float]
    delay_pct: Optional[float]
    threads: Optional[int]
    rss_kib: Optional[float]
    comm: str
    """In brackets for a kernel thread."""


class _Grown(NamedTuple):
    """A task, and the same task at the start of the window; ``None`` if it counts from its own start."""

    task: Task
    before: Optional[Task]

    @property
    def cpu_ticks(self) -> int:
        return _cpu_ticks(self.task) - (_cpu_ticks(self.before) if self.before is not None else 0)

    @property
    def system_ticks(self) -> int:
        return (self.task.stat.stime_ticks or 0) - (
            self.before.stat.stime_ticks or 0 if self.before is not None else 0
        )

    @property
    def wait_ns(self) -> Optional[int]:
        after = _wait_ns(self.task)
        before = 0 if self.before is None else _wait_ns(self.before)
        return None if after is None or before is None else after - before


def _by_cpu(window: Window, options: TableOptions) -> Rows:
    every, not_known = _all_grown(window)
    ranked = [(grown.cpu_ticks, grown) for grown in every]
    top = [grown for ticks, grown in nlargest(options.top, ranked, lambda each: each[0]) if ticks > 0]
    used = sum(ticks > 0 for ticks, _ in ranked)
    notes = [f"tasks that used CPU: {used} of {len(ranked)}"]
    if not_known:
        notes.append(f"tasks left out, as the first reading missed them: {not_known}")
    if any(grown.task.pid == window.after.facts.reader_pid for grown in top):
        notes.append(f"PID {window.after.facts.reader_pid} is kdiag itself")
    if options.explain:
        notes.append("a task that began and ended between the readings is in neither of them")
    return _rows(window, top, notes)


def _by_delay(window: Window, options: TableOptions) -> Rows:
    every, _ = _all_grown(window)
    ranked = [(wait_ns, grown) for grown in every for wait_ns in (grown.wait_ns,) if wait_ns is not None]
    if not ranked:
        raise CannotJudge(_SCHEDSTAT, _why_no_delay(window.after))
    top = [grown for wait_ns, grown in nlargest(options.top, ranked, lambda each: each[0]) if wait_ns > 0]
    notes = ["%delay: ready to run, but without a CPU; of a process with threads, its main thread"]
    return _rows(window, top, notes)


def _all_grown(window: Window) -> Tuple[List[_Grown], int]:
    """Return all tasks with what they were at the start, and how many have a start that is not known."""
    tasks = [task for task in window.after.tasks.values() if task.stat.pid is not None]
    if not tasks:
        raise CannotJudge(_STAT, window.after.why_missing(_STAT))
    if window.before is None:
        return [_Grown(task, None) for task in tasks], 0
    if not window.before.tasks:
        raise CannotJudge(_STAT, f"{window.before.why_missing(_STAT)} (in the first reading)")
    # Tasks start in order, so one that is older than the newest of the first reading was there, but missed.
    newest = max(task.stat.starttime_ticks or 0 for task in window.before.tasks.values())
    every: List[_Grown] = []
    for task in tasks:
        before = window.before.tasks.get(task.pid)
        if before is not None and before.stat.starttime_ticks == task.stat.starttime_ticks:
            every.append(_Grown(task, before))
        elif (task.stat.starttime_ticks or 0) >= newest:
            every.append(_Grown(task, None))
    return every, len(tasks) - len(every)


def _rows(window: Window, top: Iterable[_Grown], notes: List[str]) -> Rows:
    elapsed = elapsed_ticks(window)
    rows: List[TopRow] = []
    for grown in top:
        stat = grown.task.stat
        span = elapsed
        if span is not None and window.before is None:
            span -= stat.starttime_ticks or 0
        rows.append(
            TopRow(
                grown.task.pid,
                _user(window.after, grown.task.pid),
                stat.state,
                _share_pct(grown.cpu_ticks, span),
                _share_pct(grown.system_ticks, span),
                _delay_pct(window, grown, span),
                stat.num_threads,
                _rss_kib(window.after, grown.task),
                f"[{stat.comm}]" if stat.kernel_thread else stat.comm or "",
            )
        )
    return Rows(rows, window.basis, tuple(notes))


def _share_pct(ticks: int, span_ticks: Optional[float]) -> Optional[float]:
    return 100 * max(0, ticks) / span_ticks if span_ticks and span_ticks > 0 else None


def _delay_pct(window: Window, grown: _Grown, span_ticks: Optional[float]) -> Optional[float]:
    ticks_per_s = window.after.facts.clock_ticks_per_s
    if grown.wait_ns is None or not ticks_per_s or not span_ticks or span_ticks <= 0:
        return None
    return min(100.0, max(0.0, 100 * grown.wait_ns / (_NS_PER_S * span_ticks / ticks_per_s)))


def _cpu_ticks(task: Task) -> int:
    return (task.stat.utime_ticks or 0) + (task.stat.stime_ticks or 0)


def _wait_ns(task: Task) -> Optional[int]:
    """Return a task's run delay; ``0 0 0`` is what a kernel prints that does not count it."""
    schedstat = task.schedstat
    if schedstat is None or not (schedstat.run_ns or schedstat.slices):
        return None
    return schedstat.wait_ns


def _why_no_delay(sample: Sample) -> str:
    if _SCHEDSTAT in sample.failures:
        return sample.why_missing(_SCHEDSTAT)
    return "this kernel does not count it: that needs CONFIG_SCHED_INFO"


def _user(sample: Sample, pid: int) -> Optional[str]:
    detail = sample.details.get((pid, pid))
    uids = detail.status.uid if detail is not None and detail.status is not None else None
    return sample.user_names.get(uids[0], f"{uids[0]}") if uids else None


def _rss_kib(sample: Sample, task: Task) -> Optional[float]:
    page_bytes, pages = sample.facts.page_size_bytes, task.stat.rss_pages
    return pages * page_bytes / 1024 if page_bytes and pages is not None else None


TABLES = (
    Table("top", "Top tasks by CPU", TopRow, _by_cpu, _HEADERS),
    Table("top", "Top tasks by run delay", TopRow, _by_delay, _HEADERS),
)
