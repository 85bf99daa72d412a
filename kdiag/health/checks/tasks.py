"""Tasks: those stuck in the kernel, those dead and not waited for, and the limits on how many there may be.

A task in state D cannot be killed: it waits for a device, a server or a lock. Passing through D is normal, so
only a task that did not run between the two readings counts as stuck. A dead task (Z) waits for its parent.
"""

from typing import TYPE_CHECKING, Dict, Iterator, List, Optional

from kdiag.health.acquire.tasks import MAX_FD_FOLDERS
from kdiag.health.check import Case, DoesNotApply, check
from kdiag.health.figures.tasks import (
    WHOLE_VIEW_PCT,
    SleepingTask,
    dead_by_parent,
    places,
    seen_tasks,
    share_in_sight_pct,
    task_name,
    tasks_in_d,
)
from kdiag.health.finding import INSTANT, Evidence, Finding
from kdiag.health.sample import Sample, Task
from kdiag.health.subjects import worst_subjects
from kdiag.health.window import CannotJudge, Window, known
from kdiag.records import NamedTuple

if TYPE_CHECKING:
    from kdiag.procfs.pid_stack import StackFrame

__all__ = ["CHECKS"]

_HUNG = "/proc/sys/kernel/hung_task_detect_count"
_HUNG_TIMEOUT = "/proc/sys/kernel/hung_task_timeout_secs"
_LOADAVG = "/proc/loadavg"
_PID_MAX = "/proc/sys/kernel/pid_max"
_THREADS_MAX = "/proc/sys/kernel/threads-max"
_THREADS = "/proc/[pid]/task/[tid]/stat"
_SHOWN_TASKS = 5


def _stat_evidence(task: Task, folder: str) -> Evidence:
    columns = task.stat.columns[:40].rsplit(b" ", 1)[0].decode("ascii", "replace")
    return Evidence(f"{folder}/stat", 1, f"{task.pid} ({task.stat.comm}){columns} ...")


def _sleep_evidence(task: SleepingTask) -> Iterator[Evidence]:
    yield _stat_evidence(task.task, task.folder)
    if task.woke:
        return
    if task.detail.wchan is not None and task.detail.wchan.symbol is not None:
        yield Evidence(f"{task.folder}/wchan", 1, task.detail.wchan.symbol)
    if task.detail.stack is not None and task.detail.stack.frames:
        yield Evidence(f"{task.folder}/stack", 1, _frame(task.detail.stack.frames[0]))


def _frame(frame: "StackFrame") -> str:
    module = f" [{frame.module}]" if frame.module is not None else ""
    return f"{frame.symbol or '(no name)'}+{frame.offset_bytes or 0:#x}/{frame.size_bytes or 0:#x}{module}"


def _hung_delta(window: Window) -> Optional[int]:
    """Return how many tasks the kernel found hung in this window; ``None`` where that is not known."""
    if window.since_boot or _HUNG not in window.after.integers:
        return None
    try:
        return window.delta(_HUNG, "the count", lambda sample: sample.integers.get(_HUNG))
    except CannotJudge:
        return None


@check(
    "task.d_state",
    title="Tasks stuck in uninterruptible sleep",
    formula="tasks in state D in both readings whose counts of context switches did not change",
    unit="tasks",
    thresholds={
        "tasks_warning": 1,
        "tasks_critical_per_cpu": 1,
        "hung_delta_critical": 1,
        "seen_unknown_pct": WHOLE_VIEW_PCT,
    },
    source="passing through D is normal: hotsos #381; the numbers are kdiag's own",
    because="A task in D cannot be killed. It waits for a device, a server or a lock, holds what it holds "
    "meanwhile, and counts in the load.",
    next="kdiag snapshot --section blocked",
)
def d_state(case: Case) -> Iterator[Finding]:
    """Find tasks that stayed in one uninterruptible sleep from the first reading to the last."""
    window = case.window
    seen_tasks(window.after)
    found = tasks_in_d(window)
    frozen = [task for task in found if task.detail.frozen]
    sleeping = [task for task in found if not task.detail.frozen]
    stuck = [task for task in sleeping if task.same_sleep]
    if frozen:
        yield case.finding(
            "info",
            len(frozen),
            f"{_tasks(frozen)} in D, frozen by a freezer cgroup: {places(frozen)}",
            *(evidence for task in frozen[:_SHOWN_TASKS] for evidence in _sleep_evidence(task)),
            subject="frozen",
            basis=INSTANT,
            because="They do nothing until they are thawed, as those of a paused container.",
        )
    if stuck:
        yield _stuck(case, stuck)
        return
    untold = [task for task in sleeping if task.same_sleep is None]
    if untold and window.since_boot:
        raise CannotJudge(
            "/proc/[pid]/stat",
            f"{_tasks(untold)} in D, and one reading does not tell whether for long: {places(untold)}",
        )
    if untold:
        raise CannotJudge(
            "/proc/[pid]/status",
            f"{_tasks(untold)} in D whose switch counts are not known in both readings: {places(untold)}",
        )
    if window.after.threads_skipped:
        raise CannotJudge(_THREADS, f"{window.after.threads_skipped}; none of those is stuck")
    _demand_sight(case, "none of those is stuck")
    yield case.finding("ok", 0, f"no task is stuck{_passing(sleeping)}{_scope(window.after)}", basis=INSTANT)


def _demand_sight(case: Case, told: str) -> None:
    """Raise :class:`CannotJudge` if too few tasks are seen to say that nothing is wrong with any."""
    seen_pct = share_in_sight_pct(case.window.after)
    if seen_pct is not None and seen_pct < case.limit("seen_unknown_pct"):
        raise CannotJudge("/proc", f"{seen_pct:.0f}% of all threads are in sight; {told}")


def _stuck(case: Case, stuck: List[SleepingTask]) -> Finding:
    window = case.window
    cpus = window.after.online_cpus
    seconds = window.seconds("/proc/stat") or window.seconds("/proc/uptime")
    hung = _hung_delta(window)
    many = cpus is not None and len(stuck) >= case.limit("tasks_critical_per_cpu") * cpus
    if many or (hung is not None and hung >= case.limit("hung_delta_critical")):
        status = "critical"
    else:
        status = case.above(len(stuck), "tasks_warning", "")
    since = f"the whole {seconds:.1f} s" if seconds is not None else "both readings"
    skipped = "; other threads were not looked at" if window.after.threads_skipped else ""
    return case.finding(
        status,
        len(stuck),
        f"{_tasks(stuck)} in one uninterruptible sleep for {since}: {places(stuck)}{skipped}",
        *(evidence for task in stuck[:_SHOWN_TASKS] for evidence in _sleep_evidence(task)),
    )


def _tasks(tasks: List[SleepingTask]) -> str:
    return "1 task" if len(tasks) == 1 else f"{len(tasks)} tasks"


def _passing(sleeping: List[SleepingTask]) -> str:
    return f"; {_tasks(sleeping)} in D ran meanwhile" if sleeping else ""


def _scope(sample: Sample) -> str:
    if sample.threads_scanned:
        return f" ({len(sample.tasks)} processes with all their threads)"
    return f" ({len(sample.tasks)} processes; of each the first thread only, as nothing points to others)"


@check(
    "task.hung",
    title="Tasks that the kernel found hung",
    formula="hung_task_detect_count, and its growth",
    unit="tasks",
    thresholds={"count_warning": 1, "delta_critical": 1},
    source="node_exporter's kernel_hung collector; kdiag's own",
    because="The kernel counts a task as hung that stayed in D for kernel.hung_task_timeout_secs.",
    next="dmesg | grep -A 20 'blocked for more than'",
)
def hung(case: Case) -> Iterator[Finding]:
    """Judge how many tasks khungtaskd has found hung since boot and in this window."""
    after = case.window.after
    if after.absent(_HUNG):
        raise DoesNotApply("this kernel does not count hung tasks")
    count = known(after, after.integers.get(_HUNG), _HUNG, "the count")
    timeout_s = after.integers.get(_HUNG_TIMEOUT)
    if not count and timeout_s == 0:
        raise DoesNotApply("the kernel does not look for hung tasks (kernel.hung_task_timeout_secs is 0)")
    delta = _hung_delta(case.window)
    if delta is not None and delta >= case.limit("delta_critical"):
        status = "critical"
    else:
        status = case.above(count, "count_warning", "")
    when = "" if delta is None else f", {delta or 'none'} of them between the readings"
    evidence = [case.evidence(path) for path in (_HUNG, _HUNG_TIMEOUT) if path in after.raw]
    summary = f"{count} found hung since boot{when}" if count else "no task was found hung since boot"
    yield case.finding(status, count, summary, *evidence, basis=INSTANT)


@check(
    "task.zombie",
    title="Dead tasks that nobody waits for",
    formula="tasks in state Z, in both readings where there are two, by parent",
    unit="tasks",
    thresholds={"tasks_warning": 10, "tasks_critical": 100, "seen_unknown_pct": WHOLE_VIEW_PCT},
    source="kdiag's own",
    because="A dead task keeps its process id until its parent waits for it; killing it changes nothing, "
    "only its parent's wait or end does.",
    next="kdiag snapshot --section zombies",
)
def zombie(case: Case) -> Iterator[Finding]:
    """Count the dead tasks of each parent; the parent that does not wait is the one to look at."""
    tasks = seen_tasks(case.window.after)
    children = dead_by_parent(case.window)
    found = [(_status_of(case, dead), ppid, dead) for ppid, dead in children.items()]
    bad = [_of_parent(case, status, tasks, ppid, dead) for status, ppid, dead in found if status != "ok"]
    yield from worst_subjects(case, bad)
    if not bad:
        total = sum(map(len, children.values()))
        _demand_sight(case, f"{total} of those are dead")
        yield case.finding("ok", total, f"{total} dead tasks among {len(tasks)} processes", basis=INSTANT)


def _status_of(case: Case, dead: List[Task]) -> str:
    return case.above(len(dead), "tasks_warning", "tasks_critical")


def _of_parent(case: Case, status: str, tasks: Dict[int, Task], ppid: int, dead: List[Task]) -> Finding:
    parent = tasks.get(ppid)
    name = task_name(parent, ppid)
    names = ", ".join(dict.fromkeys(str(task.stat.comm) for task in dead[:_SHOWN_TASKS]))
    shown = ([_stat_evidence(parent, f"/proc/{ppid}")] if parent is not None else []) + [
        _stat_evidence(task, f"/proc/{task.pid}") for task in dead[:_SHOWN_TASKS]
    ]
    return case.finding(
        status,
        len(dead),
        f"{name} has {len(dead)} dead children that it does not wait for ({names})",
        *shown,
        subject=name,
        basis=INSTANT,
    )


class _Tally(NamedTuple):
    """A use against the limit that it has, and whose limit it is."""

    used: int
    limit: int
    name: str
    evidence: List[Evidence]

    @property
    def used_pct(self) -> float:
        if not self.used:
            return 0.0
        return 100 * self.used / self.limit if self.limit > 0 else 100.0


@check(
    "task.pids",
    title="Process ids in use",
    formula="threads / min(kernel.pid_max, kernel.threads-max); pids.current / pids.max of the own cgroups",
    unit="%",
    thresholds={"warning_pct": 85, "critical_pct": 95},
    source="netdata",
    because="At the limit fork(2) and pthread_create(3) fail with EAGAIN; threads count like processes.",
    next="ps -eo nlwp,pid,user,comm --sort=-nlwp | head",
)
def pids(case: Case) -> Iterator[Finding]:
    """Judge the threads of the host, and those of the own cgroups, against the limits that hold for them."""
    tallies = [_of_host(case), *_of_cgroups(case)]
    worst = max(tallies, key=lambda tally: tally.used_pct)
    yield case.finding(
        case.above(worst.used_pct),
        worst.used_pct,
        f"{worst.used} of {worst.limit} threads that {worst.name} allows ({worst.used_pct:.1f}%)",
        *worst.evidence,
        basis=INSTANT,
    )


def _of_host(case: Case) -> _Tally:
    after = case.window.after
    if after.loadavg is None or after.loadavg.total_threads is None:
        raise CannotJudge(_LOADAVG, after.why_missing(_LOADAVG, "the number of threads"))
    limits = []
    for path, name in ((_PID_MAX, "kernel.pid_max"), (_THREADS_MAX, "kernel.threads-max")):
        value = after.integers.get(path)
        if value is None:
            raise CannotJudge(path, after.why_missing(path))
        limits.append((value, name, path))
    least, name, path = min(limits)
    return _Tally(after.loadavg.total_threads, least, name, [case.evidence(_LOADAVG), case.evidence(path)])


def _of_cgroups(case: Case) -> Iterator[_Tally]:
    after = case.window.after
    for group in after.cgroup.pids if after.cgroup is not None else ():
        for path in group.files.values():
            if path in after.failures and not after.absent(path):
                raise CannotJudge(path, after.why_missing(path))
        if group.limit_tasks is not None and group.current is not None:
            evidence = [case.evidence(group.files[field]) for field in ("current", "limit")]
            yield _Tally(group.current, group.limit_tasks, f"pids.max of the cgroup {group.name}", evidence)


@check(
    "proc.fd_limit",
    title="Open files of processes",
    formula="open descriptors / soft RLIMIT_NOFILE, of the processes with the most",
    unit="%",
    thresholds={"warning_pct": 85, "critical_pct": 95, "seen_unknown_pct": WHOLE_VIEW_PCT},
    source="netdata",
    because="At the limit open(2), socket(2) and accept(2) of this process fail with EMFILE.",
    next="ls -l /proc/PID/fd",
)
def fd_limit(case: Case) -> Iterator[Finding]:
    """Judge the open descriptors of the processes that have the most of them."""
    after = case.window.after
    tasks = seen_tasks(after)
    if all(task.fd_count is None for task in tasks.values()):
        raise CannotJudge("/proc/[pid]/fd", _why_not_counted(after))
    tallies = sorted(_of_processes(after), key=lambda tally: -tally.used_pct)
    if not tallies:
        raise CannotJudge("/proc/[pid]/limits", after.why_missing("/proc/[pid]/limits"))
    looked_at = "1 process" if len(tallies) == 1 else f"{len(tallies)} processes"
    scope = f"{looked_at} with the most open files looked at"
    bad = [_of_process(case, tally, scope) for tally in tallies if case.above(tally.used_pct) != "ok"]
    yield from bad
    if "/proc/[pid]/fd" in after.failures:
        raise CannotJudge("/proc/[pid]/fd", f"of some processes only: {_why_not_counted(after)}")
    if not bad:
        worst = tallies[0]
        _demand_sight(case, f"of those {worst.name} is nearest to its limit of open files")
        yield case.finding(
            "ok",
            worst.used_pct,
            f"{worst.name} is nearest to its limit: {worst.used} of {worst.limit} ({worst.used_pct:.1f}%); "
            f"{scope}",
            *worst.evidence,
            basis=INSTANT,
        )


def _of_processes(sample: Sample) -> Iterator[_Tally]:
    for (pid, tid), detail in sample.details.items():
        task = sample.tasks.get(pid)
        soft = detail.limits.open_files_soft if detail.limits is not None else None
        if task is None or pid != tid or soft is None or soft.value is None or task.fd_count is None:
            continue
        # More than the limit can only be open if it was lowered on purpose, as sandboxes do.
        used = task.fd_count if task.fd_count <= soft.value else 0
        evidence = [
            Evidence(f"/proc/{pid}/fd", None, f"{task.fd_count} open"),
            Evidence(f"/proc/{pid}/limits", None, f"Max open files {soft.value}"),
        ]
        yield _Tally(used, soft.value, task_name(task, pid), evidence)


def _why_not_counted(sample: Sample) -> str:
    if "/proc/[pid]/fd" in sample.failures:
        return sample.why_missing("/proc/[pid]/fd")
    return (
        "this kernel does not give the number of open files as the size of the folder, and of more than "
        f"{MAX_FD_FOLDERS} processes they are not counted one by one"
    )


def _of_process(case: Case, tally: _Tally, scope: str) -> Finding:
    pid = tally.evidence[0].path.split("/")[2]
    return case.finding(
        case.above(tally.used_pct),
        tally.used_pct,
        f"{tally.name} has {tally.used} of {tally.limit} files open ({tally.used_pct:.1f}%); {scope}",
        *tally.evidence,
        subject=tally.name,
        basis=INSTANT,
        next=f"ls -l /proc/{pid}/fd",
    )


CHECKS = (d_state, hung, zombie, pids, fd_limit)
