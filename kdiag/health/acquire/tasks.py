"""Processes: one cheap pass over all of them, then more of the few that a finding or a table speaks of.

The first pass reads ``stat``, ``schedstat`` and the size of ``fd`` of every process; on a host with
thousands of them it is most of what a snapshot costs. Nothing here reads ``cmdline``, ``environ`` or
``maps``: those wait for the memory lock of the process, and a task in uninterruptible sleep may hold it
for ever.
"""

from typing import Any, Callable, Dict, Iterable, Optional, Tuple

from kdiag.health.acquire.reader import Reader
from kdiag.health.sample import Sample, Task, TaskDetail
from kdiag.host.base import ReadError
from kdiag.procfs.pid_cgroup import parse_pid_cgroup
from kdiag.procfs.pid_limits import parse_pid_limits
from kdiag.procfs.pid_schedstat import parse_pid_schedstat
from kdiag.procfs.pid_stack import parse_pid_stack
from kdiag.procfs.pid_stat import parse_pid_stat
from kdiag.procfs.pid_status import parse_pid_status
from kdiag.procfs.pid_syscall import parse_pid_syscall
from kdiag.procfs.pid_wchan import parse_pid_wchan

__all__ = ["MAX_THREADS", "read_details", "read_tasks", "read_threads"]

#: More threads than this are not looked at one by one; the sample then says that it did not.
MAX_THREADS = 5000

#: What can be read of one task beyond the first pass, and whether reading it can block: ``stack`` and
#: ``syscall`` take the lock of exec(2) (fs/proc/base.c, lock_trace), which a stuck task may hold.
_DETAILS: Dict[str, Tuple[Callable[..., Any], bool]] = {
    "status": (parse_pid_status, False),
    "wchan": (parse_pid_wchan, False),
    "limits": (parse_pid_limits, False),
    "cgroup": (parse_pid_cgroup, False),
    "stack": (parse_pid_stack, True),
    "syscall": (parse_pid_syscall, True),
}

_STAT, _SCHEDSTAT, _FD = "/proc/[pid]/stat", "/proc/[pid]/schedstat", "/proc/[pid]/fd"


def read_tasks(reader: Reader) -> None:
    """Read what is wanted of every process; one that ends meanwhile is left out."""
    sample = reader.sample
    counted = False
    for name in reader.names("/proc"):
        if not name.isdigit():
            continue
        task = _read_task(reader, int(name), f"/proc/{name}")
        if task is not None:
            sample.tasks[task.pid] = task
            counted = counted or bool(task.fd_count)
    if not counted:
        # st_size of /proc/PID/fd is 0 on older kernels: unknown, not "no open files".
        sample.tasks = {pid: task._replace(fd_count=None) for pid, task in sample.tasks.items()}


def _read_task(reader: Reader, pid: int, folder: str) -> Optional[Task]:
    data = reader.bytes_of(f"{folder}/stat", _STAT)
    if data is None:
        return None
    stat = parse_pid_stat(data, f"{folder}/stat")
    if stat.problems:
        reader.sample.problems.extend(stat.problems)
    schedstat = reader.parse(f"{folder}/schedstat", parse_pid_schedstat, _SCHEDSTAT)
    try:
        fd_count: Optional[int] = reader.host.size_bytes(f"{folder}/fd")
    except ReadError as error:
        reader.fail(error.failure, _FD)
        fd_count = None
    return Task(pid, stat, schedstat, fd_count)


def read_threads(reader: Reader) -> None:
    """Find threads in uninterruptible sleep that do not lead their process.

    ``/proc/PID/stat`` shows the state of the leader alone, so a worker thread stuck in D is not seen in it.
    The scan is made only where something points to blocked tasks, because it reads a file a thread.
    """
    sample = reader.sample
    if not _points_to_blocked(sample):
        return
    many = [task for task in sample.tasks.values() if (task.stat.num_threads or 1) > 1]
    if sum(task.stat.num_threads or 1 for task in many) > MAX_THREADS:
        return
    for task in many:
        folder = f"/proc/{task.pid}/task"
        try:
            names = reader.host.list(folder)
        except ReadError as error:
            reader.fail(error.failure, "/proc/[pid]/task")
            continue
        for name in names:
            if not name.isdigit() or int(name) == task.pid:
                continue
            data = reader.bytes_of(f"{folder}/{name}/stat", "/proc/[pid]/task/[tid]/stat")
            if data is not None and data[data.rfind(b")") + 2 :][:1] == b"D":
                stat = parse_pid_stat(data, f"{folder}/{name}/stat")
                sample.threads[task.pid, int(name)] = Task(int(name), stat, None, None)
    sample.threads_scanned = True


def _points_to_blocked(sample: Sample) -> bool:
    """Return true if load, blocked counts or I/O pressure leave room for threads in D."""
    if sample.stat is None or sample.stat.procs_blocked is None or sample.stat.procs_blocked > 0:
        return True
    if sample.loadavg is None or sample.loadavg.load1 is None or sample.loadavg.load1 >= 1.0:
        return True
    some = sample.pressure_io.some if sample.pressure_io is not None else None
    return some is not None and (some.avg10_pct or 0.0) > 0.0


def read_details(reader: Reader, chosen: Iterable[Tuple[int, int]], files: Tuple[str, ...]) -> None:
    """Read some files of some tasks, given as (pid, tid), into :attr:`Sample.details`."""
    for pid, tid in chosen:
        folder = f"/proc/{pid}" if pid == tid else f"/proc/{pid}/task/{tid}"
        detail = reader.sample.details.get((pid, tid), TaskDetail())
        for name in files:
            if getattr(detail, name) is None:
                parser, may_block = _DETAILS[name]
                record = reader.parse(f"{folder}/{name}", parser, f"/proc/[pid]/{name}", may_block)
                detail = detail._replace(**{name: record})
        reader.sample.details[pid, tid] = detail
