"""runqlat by the events of wake-ups and switches, paired in kdiag."""

from typing import Callable, Dict, Iterator, Set

from kdiag.ftrace.event import Event
from kdiag.tools.durations import NONE, Durations
from kdiag.tools.ftrace_run import TraceEvent, tell_missed, tracing
from kdiag.tools.run import Run
from kdiag.tools.runqlat import UNIT_NS
from kdiag.tools.runqlat.summary import summary_of
from kdiag.tools.threads import Threads
from kdiag.tools.tool import Item, LostHere

__all__ = ["Waits", "run"]

_SWITCH = "sched:sched_switch"
_WAKEUPS = ("sched:sched_wakeup", "sched:sched_wakeup_new")
#: Of prev_state: what says why a thread sleeps. Above is the bit of one that was preempted (TASK_REPORT_MAX).
_SLEEPS = 0xFF
#: For some seconds of switches, whoever has the CPU.
_BUFFER_KIB = 4096


def run(run: Run) -> Iterator[Item]:
    """Sum up until it ends."""
    events = [TraceEvent("sched", name.partition(":")[2]) for name in (_SWITCH, *_WAKEUPS)]
    begun_s = 0.0
    # Of a switch one side may be watched and the other not.
    with tracing(run, events, comms=True, everybody=True, buffer_kib_per_cpu=_BUFFER_KIB) as traced:
        threads = Threads(run)
        waits = Waits(threads.watches, threads.process_of if run.options["by"] == "process" else int)

        def comm_of(pid: int) -> str:
            return "?" if traced.comms is None else traced.comms.of(pid)

        for items in traced.rounds_with_loss():
            for item in items:
                if isinstance(item, LostHere):
                    waits.forget()
                else:
                    threads.feed(item)
                    waits.feed(item)
            if run.interval_s is not None and run.tick() is False:
                yield summary_of(waits.take(), comm_of, run.options, begun_s, run.duration_s)
                begun_s = run.duration_s
        if not run.dry_run:
            yield summary_of(waits.take(), comm_of, run.options, begun_s, run.duration_s)
    tell_missed(run, waits.missed)


class Waits:
    """Puts switches to the wake-ups and switches that they end; ``key_of`` is what waits are summed up by."""

    def __init__(self, watches: Callable[[int], bool], key_of: Callable[[int], int]) -> None:
        self._watches = watches
        self._key_of = key_of
        #: How often a thread left a CPU that it was not seen to get.
        self.missed = 0
        #: Threads that were seen to leave, and not to come back. (A wake-up may be of one that still runs.)
        self._off: Set[int] = set()
        #: Since when a thread could run, in ns.
        self._since: Dict[int, int] = {}
        self._found: Dict[int, Durations] = {}

    def feed(self, event: Event) -> None:
        """Take an event."""
        fields = event.fields
        if event.name in _WAKEUPS:
            self._could_run(fields["pid"], event.ts_ns)
        elif event.name == _SWITCH:
            if self._watches(fields["prev_pid"]):
                self._left(fields["prev_pid"])
            self._off.discard(fields["next_pid"])
            if not fields["prev_state"] & _SLEEPS:
                self._could_run(fields["prev_pid"], event.ts_ns)
            since_ns = self._since.pop(fields["next_pid"], None)
            if since_ns is not None:
                key = self._key_of(fields["next_pid"])
                waited = self._found.get(key, NONE)
                self._found[key] = waited.plus(max(0, event.ts_ns - since_ns), UNIT_NS)

    def forget(self) -> None:
        """Events are missing: what they would have ended is not known."""
        self._since.clear()
        self._off.clear()

    def take(self) -> Dict[int, Durations]:
        """Return what was found since the last time."""
        found, self._found = self._found, {}
        return found

    def _left(self, tid: int) -> None:
        if tid in self._off:
            self.missed += 1
            self._since.pop(tid, None)
        self._off.add(tid)

    def _could_run(self, tid: int, ts_ns: int) -> None:
        if self._watches(tid):
            self._since[tid] = ts_ns
