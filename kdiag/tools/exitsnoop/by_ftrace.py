"""exitsnoop by events: ends of threads, and what they were told to end with.

``sched_process_exit`` does not say how a thread ended. The calls exit_group and exit do (their argument), and
so does a signal that is delivered where there is no handler. Of one that only ends the process, all threads
are told SIGKILL (``complete_signal`` in ``kernel/signal.c``); which it was says the event of its making, in
whatever thread sent it. What nobody told is ``None``.
"""

from typing import Any, Dict, Iterator, Mapping, Optional, Set

from kdiag.ftrace.event import Event
from kdiag.kernel.machine import machine_of
from kdiag.tools.exitsnoop.rows import Rows
from kdiag.tools.ftrace_run import Traced, TraceEvent, tracing
from kdiag.tools.run import Run
from kdiag.tools.threads import Threads
from kdiag.tools.tool import Item, LostHere

__all__ = ["run"]

_ENDED, _NEW = "sched:sched_process_exit", "task:task_newtask"
_SENT, _DELIVERED = "signal:signal_generate", "signal:signal_deliver"
_EXIT, _EXIT_GROUP = "syscalls:sys_enter_exit", "syscalls:sys_enter_exit_group"
_CLONE_THREAD = 0x10000
_SIG_DFL = 0
_SIGKILL = 9
#: Of signal_generate: it was not ignored, and did not wait already (TRACE_SIGNAL_DELIVERED).
_REACHED = 0


def run(run: Run) -> Iterator[Item]:
    """Show ends until it ends."""
    parts = [name.partition(":") for name in (_ENDED, _SENT, _DELIVERED, _EXIT, _EXIT_GROUP)]
    events = [TraceEvent(system, event) for system, _, event in parts]
    # A signal comes from whoever sends it.
    with tracing(run, events, comms=True, everybody=True) as traced:
        if not run.dry_run:
            yield from _rows(run, traced)


def _rows(run: Run, traced: Traced) -> Iterator[Item]:
    ends = _Ends(run, traced)
    for items in traced.rounds_with_loss():
        for item in items:
            if isinstance(item, LostHere):
                ends.forget()
                yield item
            else:
                yield from ends.feed(item)


class _Ends:
    def __init__(self, run: Run, traced: Traced) -> None:
        self._threads = Threads(run)
        self._traced = traced
        self._host = run.host
        self._each_thread: bool = run.options["threads"]
        self._rows = Rows(run.options, machine_of(run.host) or "")
        #: What was told, by process and by thread: a status as wait(2) has it.
        self._of_process: Dict[int, int] = {}
        self._of_thread: Dict[int, int] = {}
        self._begun_ns: Dict[int, int] = {}
        self._parent: Dict[int, int] = {}
        #: The signal that was sent last, by process.
        self._sent: Dict[int, int] = {}
        #: Threads of processes that were made since the begin.
        self._alive: Dict[int, Set[int]] = {}

    def forget(self) -> None:
        """Events are missing."""
        for each in (self._of_process, self._of_thread, self._sent, self._alive):
            each.clear()

    def feed(self, event: Event) -> Iterator[Item]:
        """Take an event; yield the row that it makes."""
        self._threads.feed(event)
        fields: Mapping[str, Any] = event.fields
        pid = self._threads.process_of(event.pid)
        if event.name == _NEW:
            self._made(event, pid, fields)
        elif event.name == _EXIT_GROUP:
            self._of_process[pid] = (fields["error_code"] & 0xFF) << 8
        elif event.name == _EXIT:
            self._of_thread[event.pid] = (fields["error_code"] & 0xFF) << 8
        elif event.name == _SENT:
            if fields["result"] == _REACHED:
                self._sent[self._threads.process_of(fields["pid"])] = fields["sig"]
        elif event.name == _DELIVERED and fields["sa_handler"] == _SIG_DFL:
            self._killed(pid, fields["sig"])
        elif event.name == _ENDED and self._threads.watches(event.pid):
            yield from self._ended(event, pid)

    def _killed(self, pid: int, signal: int) -> None:
        told = self._sent.get(pid) if signal == _SIGKILL else signal
        if told is not None:
            self._of_process.setdefault(pid, told)

    def _made(self, event: Event, pid: int, fields: Mapping[str, Any]) -> None:
        tid = fields["pid"]
        self._begun_ns[tid] = event.ts_ns
        if fields["clone_flags"] & _CLONE_THREAD:
            if pid in self._alive:
                self._alive[pid].add(tid)
        else:
            self._parent[tid], self._alive[tid] = pid, {tid}

    def _ended(self, event: Event, pid: int) -> Iterator[Item]:
        status = self._of_process.get(pid, self._of_thread.get(event.pid))
        last = self._is_last(event, pid)
        self._of_thread.pop(event.pid, None)
        if not (last or self._each_thread):
            return
        begun_ns = self._begun_ns.get(event.pid if self._each_thread else pid)
        comm = "?" if self._traced.comms is None else self._traced.comms.of(event.pid)
        yield from self._rows.row(
            event.ts_ns,
            pid,
            event.pid if self._each_thread else None,
            self._parent.get(pid),
            comm,
            None if begun_ns is None else event.ts_ns - begun_ns,
            status,
            knows_core=False,
        )
        if last:
            for each in (self._of_process, self._sent, self._parent, self._begun_ns):
                each.pop(pid, None)

    def _is_last(self, event: Event, pid: int) -> bool:
        """Tell whether a thread is the last one of its process."""
        told: Optional[int] = event.fields.get("group_dead")  # since 6.16
        if told is not None:
            return bool(told)
        alive = self._alive.get(pid)
        if alive is None:
            # It was there before: its threads are gone from /proc, or this was the only one.
            return event.pid == pid
        alive.discard(event.pid)
        if not alive:
            del self._alive[pid]
            return True
        return False
