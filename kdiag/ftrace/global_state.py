"""Changing what tracefs has only once: under a lock, with a journal, and put back in reverse order.

That is ``set_graph_function``, ``set_graph_notrace``, ``max_graph_depth``, ``tracing_thresh``, the function
profiler, and before 6.11 all that the function_graph tracer needs at the top level. Whoever else traces there
is told apart first (:mod:`kdiag.ftrace.other_tracers`), and kdiag keeps away.
"""

import os
from typing import Dict, List, Optional

from kdiag.ftrace.instance import NotTornDown, instance_name, signals_held
from kdiag.ftrace.journal import Journal, replay, restore
from kdiag.ftrace.lock import GLOBAL, LockHeld, take_soon
from kdiag.ftrace.other_tracers import OtherTracer, other_tracers
from kdiag.ftrace.tracefs import TraceFs, TraceFsError
from kdiag.host.base import Host, ReadError

__all__ = ["GlobalBusy", "GlobalState"]


#: Whoever reaps holds the lock for a moment, too.
_LOCK_TIMEOUT_S = 1.0


class GlobalBusy(Exception):
    """Somebody else uses what is global; ``holders`` says who."""

    def __init__(self, holders: List[str]) -> None:
        told = "; ".join(holders)
        super().__init__(
            f"this needs files of tracefs that exist only once, and somebody else is tracing: {told}; "
            "kdiag does not touch that: wait until it ends, or end it"
        )
        self.holders = tuple(holders)


class GlobalState:
    """The top level of tracefs, to be written to; a context manager that puts everything back.

    ``with GlobalState(tracefs, host) as state: state.write("max_graph_depth", "5")``. Raises
    :exc:`GlobalBusy` where it must keep away, and :exc:`~kdiag.ftrace.journal.UnsafeFolder`.
    """

    def __init__(self, tracefs: TraceFs, host: Host) -> None:
        self.tracefs = tracefs.top
        self.host = host
        self.notes: List[str] = []
        self._lock: Optional[int] = None
        self._journal: Optional[Journal] = None
        self._buffer: Optional[int] = None
        self._old: Dict[str, str] = {}

    def __enter__(self) -> "GlobalState":
        with signals_held():
            self._open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def read(self, name: str) -> str:
        """Read a file of the top level."""
        return self.tracefs.read(name)

    def write(self, name: str, text: str) -> None:
        """Write (O_TRUNC), after what is there was noted in the journal."""
        self.note_old(name)
        self.tracefs.write(name, text)
        self._note_now(name)

    def append(self, name: str, text: str) -> None:
        """Append, after what is there was noted in the journal."""
        self.note_old(name)
        self.tracefs.append(name, text)
        self._note_now(name)

    def clear(self, name: str) -> None:
        """Empty a list, after what is there was noted in the journal."""
        self.note_old(name)
        self.tracefs.clear(name)
        self._note_now(name)

    def note_old(self, name: str) -> None:
        """Note what a file holds, to put it back at the end; only the first time counts."""
        if name in self._old:
            return
        old = self.tracefs.read(name)
        if self._journal is not None:
            self._journal.old(name, old)
        self._old[name] = old

    def hold_buffer(self) -> None:
        """Have the kernel stop the tracing of the top level, and free its buffer, if kdiag dies."""
        self.note_old("tracing_on")
        self.note_old("buffer_size_kb")
        self.write("options/disable_on_free", "1")
        if self._buffer is None:
            self._buffer = self.tracefs.open("free_buffer", os.O_WRONLY)

    def close(self) -> None:
        """Put everything back; :exc:`NotTornDown` tells what could not be."""
        with signals_held():
            errors = self._put_back()
        if errors:
            raise NotTornDown(errors)

    def _open(self) -> None:
        if self.tracefs.planned:
            return
        try:
            self._lock = take_soon(self.tracefs, GLOBAL, _LOCK_TIMEOUT_S)
        except LockHeld:
            raise GlobalBusy([_who_holds(self.tracefs, self.host)]) from None
        try:
            self.notes += replay(self.tracefs, self.host)
            blocking = [each for each in other_tracers(self.tracefs, self.host) if each.blocks]
            if blocking:
                raise GlobalBusy([_shown(each) for each in blocking])
            self._journal = Journal(self.host, instance_name(self.host))
        except BaseException:
            os.close(self._lock)
            self._lock = None
            raise

    def _put_back(self) -> List[Exception]:
        errors: List[Exception] = []
        if self._buffer is not None:
            os.close(self._buffer)  # stops tracing and shrinks the buffer, so before both are put back
            self._buffer = None
        for name, old in reversed(list(self._old.items())):
            try:
                if self.tracefs.planned or self.tracefs.read(name) != old:
                    restore(self.tracefs, name, old)
            except TraceFsError as error:
                errors.append(error)
        self._old = {}
        if self._journal is not None:
            if errors:
                self._journal.close()
            else:
                self._journal.remove()
            self._journal = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        return errors

    def _note_now(self, name: str) -> None:
        if self._journal is not None:
            self._journal.now(name, self.tracefs.read(name))


def _shown(each: OtherTracer) -> str:
    return f"{each.path}: {each.what}"


def _who_holds(tracefs: TraceFs, host: Host) -> str:
    """Say which process holds the lock, as far as this PID namespace shows it."""
    from kdiag.procfs.locks import parse_locks

    descriptor = tracefs.open(GLOBAL, os.O_RDONLY)
    try:
        inode = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    try:
        locks = parse_locks(host.read("/proc/locks")).locks
    except ReadError:
        locks = ()
    device = (os.major(inode.st_dev), os.minor(inode.st_dev), inode.st_ino)
    for lock in locks:
        if lock.kind == "FLOCK" and (lock.major, lock.minor, lock.inode) == device and lock.pid > 0:
            return f"another kdiag (process {lock.pid})"
    return "another kdiag"
