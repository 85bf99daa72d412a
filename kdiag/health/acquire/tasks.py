"""Processes: one cheap pass over all of them, then more of the few that a finding or a table speaks of.

The first pass reads ``stat``, ``schedstat`` and the size of ``fd`` of every process; on a host with
thousands of them it is most of what a snapshot costs. Nothing here reads ``cmdline``, ``environ`` or
``maps``: those wait for the memory lock of the process, and a task in uninterruptible sleep may hold it
for ever.
"""

from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple, TypeVar

from kdiag.health.acquire.reader import Reader
from kdiag.health.sample import Sample, Task, TaskDetail
from kdiag.host.base import Failure, ReadError
from kdiag.procfs.mountinfo import Mount
from kdiag.procfs.pid_schedstat import parse_pid_schedstat
from kdiag.procfs.pid_stat import parse_pid_stat

__all__ = [
    "MAX_FD_FOLDERS",
    "MAX_THREADS",
    "TaskKey",
    "count_open_files",
    "read_details",
    "read_tasks",
    "read_threads",
]

_T = TypeVar("_T")

#: A task as details and threads are kept: process id, thread id.
TaskKey = Tuple[int, int]

#: More threads than this are not looked at one by one; the sample then says that it did not.
MAX_THREADS = 5000

#: Of more processes than this the open files are not counted one by one.
MAX_FD_FOLDERS = 2000

#: What can be read of one task beyond the first pass, and whether reading it can block: ``stack`` and
#: ``syscall`` take the lock of exec(2) (fs/proc/base.c, lock_trace), which a stuck task may hold.
_DETAILS: Dict[str, Tuple[str, bool]] = {
    "status": ("pid_status:parse_pid_status", False),
    "wchan": ("pid_wchan:parse_pid_wchan", False),
    "limits": ("pid_limits:parse_pid_limits", False),
    "cgroup": ("pid_cgroup:parse_pid_cgroup", False),
    "stack": ("pid_stack:parse_pid_stack", True),
    "syscall": ("pid_syscall:parse_pid_syscall", True),
}

_STAT, _SCHEDSTAT, _FD = "/proc/[pid]/stat", "/proc/[pid]/schedstat", "/proc/[pid]/fd"
_TASK, _THREAD_STAT = "/proc/[pid]/task", "/proc/[pid]/task/[tid]/stat"
_FREEZER = "/sys/fs/cgroup/**/freezer.state"


def read_tasks(reader: Reader) -> None:
    """Read what is wanted of every process; one that ends meanwhile is left out."""
    for name in reader.names("/proc"):
        if name.isdigit():
            task = _read_task(reader, int(name), _proc(int(name)))
            if task is not None:
                reader.sample.tasks[task.pid] = task


def _read_task(reader: Reader, pid: int, folder: str) -> Optional[Task]:
    data = reader.bytes_of(f"{folder}/stat", _STAT)
    if data is None:
        return None
    stat = parse_pid_stat(data, f"{folder}/stat")
    if stat.problems:
        # Without a state it would pass for a task that is well: it counts as one that is not in sight.
        reader.sample.problems.extend(stat.problems)
        reader.fail(Failure(f"{folder}/stat", "error", None, "could not be parsed"), _STAT)
        return None
    return Task(pid, stat, reader.parse(f"{folder}/schedstat", parse_pid_schedstat, _SCHEDSTAT), None)


def count_open_files(reader: Reader) -> None:
    """Count the open files of every process.

    ``st_size`` of ``/proc/PID/fd`` is their number (6.18), for whoever asks. Older kernels give 0 for all
    (5.10 and 6.1 do); then the names in the folder are counted, which only its owner and root may list, and
    not of more than :data:`MAX_FD_FOLDERS` processes. What is not counted is ``None``, not "no open files".
    The dead have no files, and are not asked: of those even their owner is denied the folder.
    """
    tasks = reader.sample.tasks
    living = {pid: task for pid, task in tasks.items() if not _is_dead(task)}
    counts = {pid: _answer(reader, reader.host.size_bytes, pid) for pid in living}
    if not any(counts.values()):
        users = [pid for pid, task in living.items() if not task.stat.kernel_thread]
        names = {pid: _answer(reader, reader.host.list, pid) for pid in users[: MAX_FD_FOLDERS + 1]}
        too_many = len(names) > MAX_FD_FOLDERS
        counts = {pid: len(found) for pid, found in names.items() if found is not None and not too_many}
    reader.sample.tasks = {pid: task._replace(fd_count=counts.get(pid)) for pid, task in tasks.items()}


def _is_dead(task: Task) -> bool:
    """Tell whether a process is dead as a whole: one whose first thread has ended may have others."""
    return task.stat.state in ("X", "Z") and (task.stat.num_threads or 1) <= 1


def _answer(reader: Reader, ask: Callable[[str], _T], pid: int) -> Optional[_T]:
    try:
        return ask(f"{_proc(pid)}/fd")
    except ReadError as error:
        reader.fail(error.failure, _FD)
        return None


def read_threads(reader: Reader) -> None:
    """Find threads in uninterruptible sleep that do not lead their process.

    ``/proc/PID/stat`` shows the state of the leader alone, so a worker thread stuck in D is not seen in it.
    The scan is made only where something points to blocked tasks, because it reads a file a thread.
    """
    sample = reader.sample
    if not _points_to_blocked(sample):
        return
    many = [task for task in sample.tasks.values() if (task.stat.num_threads or 1) > 1]
    threads = sum(task.stat.num_threads or 1 for task in many)
    if threads > MAX_THREADS:
        sample.threads_skipped = (
            f"there are {threads} threads of processes with more than one; not more than {MAX_THREADS} "
            "are looked at one by one, so only the first thread of each process was"
        )
        return
    for task in many:
        folder = f"{_proc(task.pid)}/task"
        try:
            names = reader.host.list(folder)
        except ReadError as error:
            reader.fail(error.failure, _TASK)
            continue
        for name in names:
            if name.isdigit() and int(name) != task.pid:
                _read_thread(reader, task.pid, int(name))
    sample.threads_scanned = True


def _read_thread(reader: Reader, pid: int, tid: int) -> None:
    folder = f"{_proc(pid)}/task/{tid}"
    data = reader.bytes_of(f"{folder}/stat", _THREAD_STAT)
    if data is None:
        return
    state = data.rfind(b")") + 2
    if data[state : state + 1] == b"D":
        stat = parse_pid_stat(data, f"{folder}/stat")
        schedstat = reader.parse(f"{folder}/schedstat", parse_pid_schedstat, _SCHEDSTAT)
        reader.sample.threads[pid, tid] = Task(tid, stat, schedstat, None)


def _points_to_blocked(sample: Sample) -> bool:
    """Return true if load, blocked counts or I/O pressure leave room for threads in D."""
    if sample.stat is None or sample.stat.procs_blocked is None or sample.stat.procs_blocked > 0:
        return True
    if sample.loadavg is None or sample.loadavg.load1 is None or sample.loadavg.load1 >= 1.0:
        return True
    some = sample.pressure_io.some if sample.pressure_io is not None else None
    return some is not None and (some.avg10_pct or 0.0) > 0.0


def read_details(reader: Reader, *wanted: Tuple[Iterable[TaskKey], Tuple[str, ...]]) -> None:
    """Read some files of some tasks into :attr:`Sample.details`, each file once whoever else wants it."""
    files: Dict[TaskKey, Dict[str, None]] = {}
    for keys, names in wanted:
        for key in keys:
            files.setdefault(key, {}).update(dict.fromkeys(names))
    for (pid, tid), chosen in files.items():
        folder = _proc(pid) if pid == tid else f"{_proc(pid)}/task/{tid}"
        found: Dict[str, Any] = {}
        for name in chosen:
            parser, may_block = _DETAILS[name]
            found[name] = reader.parse(f"{folder}/{name}", parser, f"/proc/[pid]/{name}", may_block)
        reader.sample.details[pid, tid] = TaskDetail(**found)
    _read_freezers(reader)


def _read_freezers(reader: Reader) -> None:
    """Find out which tasks a freezer of cgroup v1 holds, such as those of a paused container.

    They are in state D, and nothing else of them tells: wchan and stack may show where they slept before.
    """
    sample = reader.sample
    mounts = sample.mountinfo.mounts if sample.mountinfo is not None else ()
    freezers = [mount for mount in mounts if mount.fs_type == "cgroup" and "freezer" in mount.super_options]
    states: Dict[str, Optional[bool]] = {}
    for key, detail in sample.details.items():
        path = detail.cgroup.v1_path("freezer") if detail.cgroup is not None else None
        folder = _folder(freezers, path) if path is not None else None
        if folder is None:
            continue
        if folder not in states:
            word = reader.parse(f"{folder}/freezer.state", "word:parse_word", _FREEZER)
            states[folder] = None if word is None or word.value is None else word.value != "THAWED"
        sample.details[key] = detail._replace(frozen=states[folder])


def _folder(mounts: List[Mount], path: str) -> Optional[str]:
    """Return where the files of a cgroup are; a mount may show a part of the tree only."""
    for mount in mounts:
        root = mount.root.rstrip("/")
        if path == mount.root or path.startswith(root + "/"):
            return (mount.mount_point + path[len(root) :]).rstrip("/")
    return None


def _proc(pid: int) -> str:
    return f"/proc/{pid}"
