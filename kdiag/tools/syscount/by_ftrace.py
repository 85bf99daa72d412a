"""syscount by the events of system calls in tracefs, summed up in kdiag page by page."""

from typing import Any, Dict, FrozenSet, Iterator, List, Mapping, Optional

from kdiag.ftrace.processes import TASK_EVENTS, Processes
from kdiag.ftrace.syscall_sums import Choice, SyscallSum, number_in, sums_for, thread_in
from kdiag.kernel.machine import machine_of
from kdiag.kernel.syscalls import number_of
from kdiag.tools.ftrace_run import Traced, TraceEvent, tracing
from kdiag.tools.run import Run
from kdiag.tools.syscall_options import RESTARTED, wanted_numbers
from kdiag.tools.syscall_programs import NO_NUMBER
from kdiag.tools.syscount.sums import Key, Sum, added, less, rows_of, since, tell_missing
from kdiag.tools.tool import Item, Summary

__all__ = ["run"]

_SYSTEM = "raw_syscalls"
#: How much of a loop of small calls one round has to hold, while others have the CPU.
_BUFFER_KIB = 16384
_ROUND_S = 0.05
_FORGOTTEN = -1


def run(run: Run) -> Iterator[Item]:
    """Sum up until it ends."""
    tell_missing(run)
    machine = machine_of(run.host) or ""
    restarted = number_of(RESTARTED, machine)
    events = _events(run.options, wanted_numbers(run.options, machine), restarted)
    with tracing(run, events, buffer_kib_per_cpu=_BUFFER_KIB) as traced:
        if not run.dry_run:
            yield from _Sums(run, traced, machine, restarted).summaries()


def _events(
    options: Mapping[str, Any], numbers: Optional[FrozenSet[int]], restarted: Optional[int]
) -> List[TraceEvent]:
    events = [TraceEvent(_SYSTEM, "sys_enter", _filter(numbers))]
    if not options["counts_only"]:
        at_end = numbers
        if numbers is not None and restarted in numbers:
            at_end = numbers | {_FORGOTTEN}
        events.insert(0, TraceEvent(_SYSTEM, "sys_exit", _filter(at_end)))
    if options["by"] != "syscall":
        events += [TraceEvent("task", name) for name in TASK_EVENTS]
    return events


def _filter(numbers: Optional[FrozenSet[int]]) -> Optional[str]:
    return None if numbers is None else " || ".join(f"id == {number}" for number in sorted(numbers))


class _Sums:
    def __init__(self, run: Run, traced: Traced, machine: str, restarted: Optional[int]) -> None:
        self._run = run
        self._machine = machine
        self._session = session = traced.session
        by_process = run.options["by"] != "syscall"
        session.read_format_of(_SYSTEM, "sys_exit")  # which is not recorded where begins alone are counted
        formats = {each.name: each for each in session.formats.values() if each.system == _SYSTEM}
        self._processes = Processes(run.host, session.formats, session.page_layout)
        failed = True if run.options["failed"] else False if run.options["successful"] else None
        choice = Choice(
            by_process,
            failed,
            restarted,
            self._processes.record if by_process else None,
            run.options["counts_only"],
        )
        self._sums = sums_for(formats["sys_enter"], formats["sys_exit"], session.page_layout, choice)
        self._seen = 0

    def summaries(self) -> Iterator[Summary]:
        """Yield what each interval gave."""
        run, begun_s = self._run, 0.0
        past: Mapping[Key, Sum] = {}
        wake = None if run.target is None else run.target.pidfd()
        for chunk in self._session.chunks(run.ending, _ROUND_S, wake=wake):
            if chunk is not None:
                self._sums.add(*chunk)
                continue
            self._sums.end_round()
            self._look_at_threads()
            if run.interval_s is not None and run.tick() is False:
                now = self._found()
                yield self._summary(since(now, past), begun_s)
                begun_s, past = run.duration_s, now
        self._sums.finish()
        self._look_at_threads()
        now = self._found()
        yield self._summary(now if run.interval_s is None else since(now, past), begun_s)
        if self._sums.dropped:
            run.notes.append(f"{self._sums.dropped} calls are left out: events are missing within them")
        run.notes += self._sums.unreadable[:10]

    def _summary(self, found: Mapping[Key, Sum], begun_s: float) -> Summary:
        run = self._run
        rows = rows_of(found, run.options, self._machine, self._processes.comm)
        return Summary(rows, started_s=begun_s, duration_s=run.duration_s - begun_s)

    def _look_at_threads(self) -> None:
        """Look up threads of new sums, which may not be there for long."""
        if self._run.options["by"] != "syscall" and len(self._sums.sums) > self._seen:
            self._seen = len(self._sums.sums)
            for key in self._sums.sums:
                self._processes.seen(thread_in(key))

    def _found(self) -> Dict[Key, Sum]:
        """Return what was summed up so far; only calls with a begin and an end are counted."""
        by = self._run.options["by"]
        counts_only = self._run.options["counts_only"]
        unpaired: Dict[int, Dict[int, int]] = {}
        for (call, errno), count in self._sums.unpaired.items():
            unpaired.setdefault(call, {})[errno] = count
        found: Dict[Key, Sum] = {}
        for call, each in self._sums.sums.items():
            pid, number = (None, min(call, NO_NUMBER))
            if by != "syscall":
                pid, number = self._processes.of(thread_in(call)), number_in(call)
            key = (pid, None if by == "process" else number)
            one = _sum(each, unpaired.get(call, {}), each.calls if counts_only else each.timed)
            if one.calls:
                found[key] = added(found[key], one) if key in found else one
        return found


def _sum(each: SyscallSum, unpaired: Mapping[int, int], calls: int) -> Sum:
    return Sum(calls, less(each.errors, unpaired), each.total_ns, each.max_ns, dict(each.buckets))
