"""runqlat from ``/proc/PID/task/TID/schedstat``, which any user may read: sums that the kernel keeps.

The fields are CPU time, run delay (both in ns) and how often the thread got a CPU
(``proc_pid_schedstat()`` in ``fs/proc/base.c``).
"""

import time
from typing import Dict, Iterator, List, Tuple

from kdiag.host.base import ReadError
from kdiag.tools.durations import NONE, Durations
from kdiag.tools.run import Run
from kdiag.tools.runqlat.summary import summary_of
from kdiag.tools.tool import CannotUse, Item

__all__ = ["run"]

#: (process, thread) -> run delay in ns, times on a CPU.
_Reading = Dict[Tuple[int, int], Tuple[int, int]]


def run(run: Run) -> Iterator[Item]:
    """Take the differences of readings until it ends."""
    if not _read(run):
        raise CannotUse("/proc/PID/task/TID/schedstat: not there, or all zero", "CONFIG_SCHED_INFO")
    by_process: bool = run.options["by"] == "process"
    run.begin()
    run.notes.append(
        "what a thread waited after the last reading before its end is not in it, nor are new processes"
        if run.target is not None
        else "threads that ended before the end of an interval are not in it"
    )
    begun_s, past = 0.0, _read(run)
    now = dict(past)
    names: Dict[int, str] = {}

    def comm_of(pid: int) -> str:
        names[pid] = _comm(run, pid) or names.get(pid, "?")
        return names[pid]

    def wait(seconds: float) -> None:
        time.sleep(seconds)
        # A target may be gone at the end; to read all threads so often would cost too much.
        if run.target is not None:
            now.update(_read(run))
            for process, tid in now:
                comm_of(process if by_process else tid)

    for _ in run.ticks(wait):
        latest = _read(run)
        now = {**now, **latest} if run.target is not None else latest
        found = _between(past, now, by_process)
        yield summary_of(found, comm_of, run.options, begun_s, run.duration_s)
        begun_s, past = run.duration_s, dict(now)


def _between(past: _Reading, now: _Reading, by_process: bool) -> Dict[int, Durations]:
    """Return what was added, by process or thread; a thread that is new began with nothing."""
    found: Dict[int, Durations] = {}
    for (pid, tid), (delay_ns, times) in now.items():
        was_ns, was_times = past.get((pid, tid), (0, 0))
        if times < was_times or delay_ns < was_ns:  # the id belongs to another thread now
            was_ns, was_times = 0, 0
        key = pid if by_process else tid
        so_far = found.get(key, NONE)
        found[key] = Durations(
            so_far.number + times - was_times, so_far.total_ns + delay_ns - was_ns, None, {}
        )
    return found


def _read(run: Run) -> _Reading:
    host, own = run.host, run.host.facts.reader_pid
    found: _Reading = {}
    if run.target is not None:
        threads = [(process, tid) for tid in run.target.tids() for process in _process(run, tid)]
    else:
        threads = [
            (int(pid), int(tid))
            for pid in _list(run, "/proc")
            if pid.isdigit() and int(pid) != own
            for tid in _list(run, f"/proc/{pid}/task")
        ]
    for pid, tid in threads:
        try:
            fields = host.read(f"/proc/{pid}/task/{tid}/schedstat").split()
        except ReadError:
            continue  # it is gone
        if len(fields) >= 3 and int(fields[2]):
            found[pid, tid] = int(fields[1]), int(fields[2])
    return found


def _list(run: Run, path: str) -> List[str]:
    try:
        return run.host.list(path)
    except ReadError:
        return []  # it is gone


def _process(run: Run, tid: int) -> List[int]:
    """Return the process of a thread, if it is there."""
    try:
        status = run.host.read(f"/proc/{tid}/status")
    except ReadError:
        return []
    return [int(line[5:]) for line in status.splitlines() if line.startswith(b"Tgid:")]


def _comm(run: Run, pid: int) -> str:
    try:
        return run.host.read(f"/proc/{pid}/comm").rstrip(b"\n").decode("utf-8", "surrogateescape")
    except ReadError:
        return ""  # it is gone
