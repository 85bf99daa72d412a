"""Names of threads at the time of their events: records have only the thread's id.

A thread's name changes (exec, prctl), so it is followed through ``task:task_newtask`` and
``task:task_rename``, which a session enables beside what was asked for. What was never renamed is looked up
in ``/proc`` when it is first seen; where it is gone by then, in ``saved_cmdlines``, where the kernel keeps
names of the last few thousand that were traced.
"""

import re
from typing import Dict

from kdiag.ftrace.event import Event
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import TraceFsError
from kdiag.host.base import ReadError

__all__ = ["UNKNOWN", "Comms"]

#: What the kernel itself prints where it does not know a name.
UNKNOWN = "<...>"
_NEW, _RENAMED = "task:task_newtask", "task:task_rename"


class Comms:
    """The name of each thread, as of the latest event that was fed."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._names: Dict[int, str] = {0: "<idle>"}
        self._saved: Dict[int, str] = {}

    def enable(self) -> None:
        """Enable the events that tell of new names, where the kernel has them."""
        for name in (_NEW, _RENAMED):
            system, _, event = name.partition(":")
            if self._session.instance.exists(f"events/{system}/{event}"):
                self._session.enable(system, event)

    def feed(self, event: Event) -> None:
        """Learn from an event; those of other names tell nothing."""
        if event.name == _RENAMED:
            # Newer records have no pid of their own: it is the running thread that is renamed, unless
            # another of its process wrote to its comm in /proc, which the old name shows.
            pid = event.fields.get("pid", event.pid)
            if self._names.get(pid) in (None, event.fields["oldcomm"]):
                self._names[pid] = event.fields["newcomm"]
        elif event.name == _NEW:
            self._names[event.fields["pid"]] = event.fields["comm"]

    def of(self, tid: int) -> str:
        """Return the name of a thread, :data:`UNKNOWN` where nobody knows it."""
        name = self._names.get(tid)
        if name is None:
            name = self._names[tid] = self._look_up(tid)
        return name

    def _look_up(self, tid: int) -> str:
        try:
            data = self._session.host.read(f"/proc/{tid}/comm")
            name = data.rstrip(b"\n").decode("utf-8", "surrogateescape")
            # What a worker is at work on is shown there behind its name; it changes all the time.
            return re.split("[-+]", name)[0] if name.startswith("kworker/") else name
        except ReadError:
            pass
        if tid not in self._saved:
            self._saved.update(self._saved_cmdlines())
        return self._saved.get(tid, UNKNOWN)

    def _saved_cmdlines(self) -> Dict[int, str]:
        try:
            text = self._session.tracefs.read("saved_cmdlines")
        except TraceFsError:
            return {}
        rows = (line.partition(" ") for line in text.split("\n"))
        return {int(pid): comm for pid, _, comm in rows if pid.isdigit()}
