"""offcpu by the events of switches with the kernel's stack at each, paired in kdiag."""

from typing import Callable, Dict, Iterator, List, Tuple

from kdiag.ftrace.event import Event
from kdiag.tools.ftrace_run import TraceEvent, tell_missed, tracing
from kdiag.tools.offcpu import STATES
from kdiag.tools.run import Run
from kdiag.tools.stack_names import StackNames
from kdiag.tools.threads import Threads
from kdiag.tools.tool import CannotUse, Item, LostHere, StackRow, Summary

__all__ = ["Sleeps", "run"]

_SWITCH = "sched:sched_switch"
#: Of prev_state: what says why a thread sleeps. Above is the bit of one that was preempted (TASK_REPORT_MAX).
_SLEEPS = 0xFF
#: Of prev_state: it ends (EXIT_DEAD, EXIT_ZOMBIE).
_ENDED = 0x30
_BUFFER_KIB = 8192


def run(run: Run) -> Iterator[Item]:
    """Sum up until it ends."""
    if run.options["user"]:
        raise CannotUse("events have the kernel's stacks only")
    names = StackNames(run.host)
    begun_s = 0.0
    # Of a switch one side may be watched and the other not.
    events = [TraceEvent("sched", "sched_switch")]
    with tracing(
        run, events, stack=True, comms=True, everybody=True, buffer_kib_per_cpu=_BUFFER_KIB
    ) as traced:
        run.notes += [names.why_not] if names.why_not else []
        threads = Threads(run)
        sleeps = Sleeps(threads.watches, STATES[run.options["state"]])
        for items in traced.rounds_with_loss():
            for item in items:
                if isinstance(item, LostHere):
                    sleeps.forget()
                    continue
                threads.feed(item)
                comm = "?" if traced.comms is None else traced.comms.of(item.pid)
                sleeps.feed(item, f"{comm} ({threads.process_of(item.pid)})")
            if run.interval_s is not None and run.tick() is False:
                yield Summary((), (), sleeps.rows(names), begun_s, run.duration_s - begun_s)
                begun_s = run.duration_s
        if not run.dry_run:
            yield Summary((), (), sleeps.rows(names), begun_s, run.duration_s - begun_s)
    tell_missed(run, sleeps.missed)


class Sleeps:
    """Puts the thread that gets a CPU to its leaving; ``wanted`` are states as bits, -1 for all."""

    def __init__(self, watches: Callable[[int], bool], wanted: int) -> None:
        self._watches = watches
        self._wanted = wanted
        #: How often a thread left a CPU that it was not seen to get.
        self.missed = 0
        self._away: Dict[int, Tuple[int, str, Tuple[int, ...]]] = {}
        self._slept: Dict[Tuple[str, Tuple[int, ...]], int] = {}

    def feed(self, event: Event, who: str) -> None:
        """Take an event; ``who`` is the thread that was running."""
        if event.name != _SWITCH:
            return
        fields = event.fields
        if self._watches(fields["prev_pid"]):
            state = fields["prev_state"]
            if self._away.pop(fields["prev_pid"], None) is not None:
                self.missed += 1
            # One that ends does not come back, but another may get its id.
            if state & _SLEEPS & self._wanted if self._wanted != -1 else not state & _ENDED:
                self._away[fields["prev_pid"]] = event.ts_ns, who, event.stack or ()
        away = self._away.pop(fields["next_pid"], None)
        if away is not None:
            began_ns, slept, stack = away
            key = slept, stack
            self._slept[key] = self._slept.get(key, 0) + event.ts_ns - began_ns

    def forget(self) -> None:
        """Events are missing: when a thread came back is not known."""
        self._away.clear()

    def rows(self, names: StackNames) -> Tuple[StackRow, ...]:
        """Return what was found since the last time, the longest first."""
        slept, self._slept = self._slept, {}
        rows: List[StackRow] = []
        for (who, stack), total_ns in slept.items():
            frames = tuple(reversed(names.names(stack)))
            rows.append(StackRow(who, frames, len(frames), total_ns // 1000))
        return tuple(sorted(rows, key=lambda row: (-row.weight, row.key, row.frames)))
