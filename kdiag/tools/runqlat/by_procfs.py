"""runqlat from ``/proc/PID/task/TID/schedstat``, which any user may read: sums that the kernel keeps.

The fields are CPU time, run delay (both in ns) and how often the thread got a CPU
(``proc_pid_schedstat()`` in ``fs/proc/base.c``).
"""

from typing import Dict, Iterator, Optional, Tuple

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
    run.begin()
    begun_s, past = 0.0, _read(run)
    for _ in run.ticks():
        now = _read(run)
        found: Dict[int, Durations] = {}
        for (pid, tid), (delay_ns, times) in now.items():
            was_ns, was_times = past.get((pid, tid), (0, 0))
            key = pid if run.options["by"] == "process" else tid
            so_far = found.get(key, NONE)
            found[key] = Durations(
                so_far.number + times - was_times, so_far.total_ns + delay_ns - was_ns, None, {}
            )
        yield summary_of(found, lambda pid: _comm(run, pid), run.options, begun_s, run.duration_s)
        begun_s, past = run.duration_s, now


def _read(run: Run) -> _Reading:
    host, own = run.host, run.host.facts.reader_pid
    found: _Reading = {}
    if run.target is not None:
        tids = [(_process(run, tid), tid) for tid in run.target.tids()]
    else:
        tids = [
            (int(pid), int(tid))
            for pid in host.list("/proc")
            if pid.isdigit() and int(pid) != own
            for tid in _list(run, f"/proc/{pid}/task")
        ]
    for pid, tid in tids:
        try:
            fields = host.read(f"/proc/{pid}/task/{tid}/schedstat").split()
        except ReadError:
            continue  # it is gone
        if len(fields) >= 3 and int(fields[2]):
            found[pid, tid] = int(fields[1]), int(fields[2])
    return found


def _list(run: Run, path: str) -> "list[str]":
    try:
        return run.host.list(path)
    except ReadError:
        return []  # it is gone


def _process(run: Run, tid: int) -> int:
    pid: Optional[int] = None if run.target is None else run.target.pid
    return tid if pid is None else pid


def _comm(run: Run, pid: int) -> str:
    try:
        return run.host.read(f"/proc/{pid}/comm").rstrip(b"\n").decode("utf-8", "surrogateescape")
    except ReadError:
        return "?"
