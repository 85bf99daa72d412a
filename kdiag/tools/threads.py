"""Which threads are watched, and to which process each belongs, where events of all threads are read.

Fed with ``task:task_newtask`` (:mod:`kdiag.ftrace.comms` enables it); what was there before is looked up in
``/proc``. That an id was given to another thread is seen by the same event.
"""

from typing import Dict, Optional, Set

from kdiag.ftrace.event import Event
from kdiag.host.base import ReadError
from kdiag.tools.run import Run

__all__ = ["Threads"]

_NEW = "task:task_newtask"
_CLONE_THREAD = 0x10000


class Threads:
    """Of one run: the target's threads and what they make, or all but kdiag's own."""

    def __init__(self, run: Run) -> None:
        self._host = run.host
        self._own = run.host.facts.reader_pid
        self._watched: Optional[Set[int]] = None if run.target is None else set(run.target.tids())
        self._process: Dict[int, int] = {}

    def feed(self, event: Event) -> None:
        """Learn of a new thread."""
        if event.name != _NEW:
            return
        tid = event.fields["pid"]
        threaded = event.fields["clone_flags"] & _CLONE_THREAD
        self._process[tid] = self.process_of(event.pid) if threaded else tid
        if self._watched is not None:
            (self._watched.add if event.pid in self._watched else self._watched.discard)(tid)

    def watches(self, tid: int) -> bool:
        """Tell whether a thread is watched; the idle task of a CPU never is."""
        if tid == 0:
            return False
        return tid != self._own if self._watched is None else tid in self._watched

    def process_of(self, tid: int) -> int:
        """Return the process of a thread; of one that is gone and was never seen, itself."""
        if tid not in self._process:
            self._process[tid] = self._look_up(tid)
        return self._process[tid]

    def _look_up(self, tid: int) -> int:
        try:
            status = self._host.read(f"/proc/{tid}/status")
        except ReadError:
            return tid
        return next((int(line[5:]) for line in status.splitlines() if line.startswith(b"Tgid:")), tid)
