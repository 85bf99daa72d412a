"""Which process a thread belongs to, and how that is called, from records of task:task_newtask and
task:task_rename that are looked at one by one, without an event reader.

What no record tells is looked up in ``/proc`` as soon as the thread is seen. An id that the kernel gives to
another thread later is that one's from then on.
"""

import struct
from typing import Callable, Dict, Mapping, Optional, Tuple

from kdiag.ftrace.event_format import EventFormat, PageLayout
from kdiag.ftrace.instance import pids_are_the_kernels
from kdiag.host.base import Host, ReadError

__all__ = ["TASK_EVENTS", "Processes"]

TASK_EVENTS = ("task_newtask", "task_rename")
_CLONE_THREAD = 0x10000
_COMM_BYTES = 16


class Processes:
    """Fed with records (:meth:`record`) and threads (:meth:`seen`)."""

    def __init__(self, host: Host, formats: Mapping[int, EventFormat], layout: PageLayout) -> None:
        self._host = host
        #: In a PID namespace of one's own, /proc has other ids than the records.
        self._ids_are_the_kernels = pids_are_the_kernels(host)
        self._process: Dict[int, int] = {}
        self._names: Dict[int, bytes] = {}
        order = ">" if layout.big_endian else "<"
        self._readers: Dict[int, Callable[[bytes, int], None]] = {}
        for event in formats.values():
            if event.full_name == "task:task_newtask":
                self._readers[event.id] = self._made(event, order)
            elif event.full_name == "task:task_rename":
                self._readers[event.id] = self._renamed(event, order)

    def record(self, data: bytes, offset: int, id: int) -> None:
        """Learn from a record; those of other events tell nothing."""
        reader = self._readers.get(id)
        if reader is not None:
            reader(data, offset)

    def seen(self, tid: int) -> None:
        """Look up a thread that no record told of, while it is still there."""
        if tid not in self._process:
            known = self._look_up(tid)
            if known is not None:
                self._process[tid], name = known
                self._names.setdefault(tid, name)

    def of(self, tid: int) -> int:
        """Return the process of a thread; the thread's own id where nobody knows it."""
        return self._process.get(tid, tid)

    def comm(self, pid: int) -> Optional[str]:
        """Return the name of a process, ``None`` where nobody knows it."""
        if pid not in self._names:
            known = self._look_up(pid)
            if known is not None:
                self._names[pid] = known[1]
        name = self._names.get(pid)
        return None if name is None else name.decode("utf-8", "surrogateescape")

    def _look_up(self, tid: int) -> Optional[Tuple[int, bytes]]:
        if not self._ids_are_the_kernels:
            return None
        try:
            status = self._host.read(f"/proc/{tid}/status")
            name = self._host.read(f"/proc/{tid}/comm").rstrip(b"\n")
        except ReadError:
            return None
        for line in status.split(b"\n"):
            if line.startswith(b"Tgid:"):
                return int(line[5:]), name
        return None

    def _made(self, event: EventFormat, order: str) -> Callable[[bytes, int], None]:
        pid_at, comm_at = event.field("pid").offset_bytes, event.field("comm").offset_bytes
        flags, parent_at = event.field("clone_flags"), event.field("common_pid").offset_bytes
        number = struct.Struct(f"{order}i").unpack_from
        wide = struct.Struct(order + ("Q" if flags.size_bytes == 8 else "I")).unpack_from

        def read(data: bytes, offset: int) -> None:
            tid: int = number(data, offset + pid_at)[0]
            self._names[tid] = _name(data, offset + comm_at)
            if wide(data, offset + flags.offset_bytes)[0] & _CLONE_THREAD:
                parent: int = number(data, offset + parent_at)[0]
                self.seen(parent)
                self._process[tid] = self.of(parent)
            else:
                self._process[tid] = tid

        return read

    def _renamed(self, event: EventFormat, order: str) -> Callable[[bytes, int], None]:
        # Newer records have no pid of their own: it is the running thread that is renamed, as a rule.
        names = {each.name for each in event.fields}
        pid_at = event.field("pid" if "pid" in names else "common_pid").offset_bytes
        comm_at = event.field("newcomm").offset_bytes
        number = struct.Struct(f"{order}i").unpack_from

        def read(data: bytes, offset: int) -> None:
            self._names[number(data, offset + pid_at)[0]] = _name(data, offset + comm_at)

        return read


def _name(data: bytes, at: int) -> bytes:
    return data[at : at + _COMM_BYTES].partition(b"\0")[0]
