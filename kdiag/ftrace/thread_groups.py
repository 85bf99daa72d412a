"""Which process a thread is of: records have only the thread's id.

It is looked up in ``/proc`` when it is first asked for, and known from ``task:task_newtask`` for a thread
that was born while tracing went on, for that may be gone by then.
"""

from typing import Dict, Optional

from kdiag.ftrace.event import Event
from kdiag.host.base import Host, ReadError

__all__ = ["NEW_TASK", "ThreadGroups"]

NEW_TASK = "task:task_newtask"
#: ``include/uapi/linux/sched.h``.
_CLONE_THREAD = 0x10000


class ThreadGroups:
    """The process of each thread, as of the latest event that was fed."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._tgids: Dict[int, Optional[int]] = {}

    def feed(self, event: Event) -> None:
        """Learn from an event; those of other names tell nothing."""
        if event.name == NEW_TASK:
            tid = event.fields["pid"]
            self._tgids[tid] = self.of(event.pid) if event.fields["clone_flags"] & _CLONE_THREAD else tid

    def of(self, tid: int) -> Optional[int]:
        """Return the process of a thread, ``None`` where nobody knows it."""
        if tid not in self._tgids:
            self._tgids[tid] = self._look_up(tid)
        return self._tgids[tid]

    def _look_up(self, tid: int) -> Optional[int]:
        try:
            status = self._host.read(f"/proc/{tid}/status")
        except ReadError:
            return None
        for line in status.split(b"\n"):
            name, _, value = line.partition(b":")
            if name == b"Tgid" and value.strip().isdigit():
                return int(value)
        return None
