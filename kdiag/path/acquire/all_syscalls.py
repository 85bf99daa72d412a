"""All system calls of a target, summed up by name: how often, how long, how they failed.

Recorded are raw_syscalls:sys_enter and sys_exit, without stacks, in a private instance; what comes is summed
up column by column (:mod:`kdiag.ftrace.syscall_sums`), for a loop of small calls makes millions of events a
second. So no single call can be shown. What the buffer could not hold is counted as lost.
"""

import time
from typing import Callable, Dict, Iterator, Optional

from kdiag.doctor.mechanism import Choice
from kdiag.ftrace.session import Session
from kdiag.ftrace.syscall_sums import SyscallSum, SyscallSums, sums_for
from kdiag.ftrace.tracefs import TraceFs
from kdiag.host.base import Host
from kdiag.host.target import Target
from kdiag.kernel.machine import machine_of
from kdiag.kernel.syscalls import SYSCALLS, entry_name
from kdiag.path.call import Capture, Lost, Outcome, SyscallCall
from kdiag.path.request import CannotAcquire, Request

__all__ = ["EXACT", "INFERRED", "acquire"]

EXACT = "begin, end and result of every call, summed up by name"
INFERRED = "percentiles: at most 6.25 % too high"

_CLOCK = "mono"
_EVENTS = ("sys_exit", "sys_enter")
_ROUND_S = 0.05
#: How much of a loop of small calls one round has to hold, while others have the CPU.
_BUFFER_KIB = 16384


def acquire(
    request: Request,
    host: Host,
    tracefs: Optional[TraceFs],
    target: Optional[Target],
    choice: Choice,
    stop: Callable[[], bool],
) -> Capture:
    """Return a capture without calls, whose outcome has ``sums`` (:mod:`kdiag.path.request`)."""
    if tracefs is None:
        raise CannotAcquire("system calls are summed up from tracefs, which is not there")
    outcome = Outcome()
    shown = "all processes" if target is None else target.shown
    calls = _run(request, host, tracefs, target, stop, outcome)
    return Capture(choice, _CLOCK, calls, shown, EXACT, INFERRED, outcome=outcome)


def _run(
    request: Request,
    host: Host,
    tracefs: TraceFs,
    target: Optional[Target],
    stop: Callable[[], bool],
    outcome: Outcome,
) -> Iterator[SyscallCall]:
    buffer_kib = request.buffer_kib_per_cpu or _BUFFER_KIB
    with Session(tracefs, host, clock=_CLOCK, buffer_kib_per_cpu=buffer_kib, label="all") as session:
        for event in _EVENTS:
            session.enable("raw_syscalls", event)
        if target is None:
            session.exclude_self()
        else:
            session.follow(target.tids)
        if tracefs.planned:
            session.start()
        else:
            _sum_up(request, host, session, target, stop, outcome)
        outcome.notes += session.notes
    return
    yield  # a generator, so that nothing begins before the first call is asked for


def _sum_up(
    request: Request,
    host: Host,
    session: Session,
    target: Optional[Target],
    stop: Callable[[], bool],
    outcome: Outcome,
) -> None:
    by_name = {each.name: each for each in session.formats.values() if each.system == "raw_syscalls"}
    sums = sums_for(by_name["sys_enter"], by_name["sys_exit"], session.page_layout)
    session.start()
    if target is not None:
        target.release()
    until_s = None if request.for_s is None else time.monotonic() + request.for_s

    def why_end() -> str:
        if target is not None and target.ended():
            return "the command ended" if target.started else "the target ended"
        if stop():
            return "stopped"
        if until_s is not None and time.monotonic() >= until_s:
            return "the time was over"
        return "the session's deadline was reached" if session.deadline_reached else ""

    try:
        for chunk in session.chunks(lambda: bool(why_end()), _ROUND_S):
            if chunk is None:
                sums.end_round()
            else:
                sums.add(*chunk)
                if request.raw is not None:
                    request.raw(f"calls.cpu{chunk[0]}.raw", chunk[1])
    finally:
        sums.finish()
        _tell(request, host, session, target, sums, outcome)
        outcome.ended = why_end() or "stopped"


def _tell(
    request: Request,
    host: Host,
    session: Session,
    target: Optional[Target],
    sums: SyscallSums,
    outcome: Outcome,
) -> None:
    lost = max(session.lost(), sums.lost)
    outcome.lost = Lost(lost, sums.dropped, sums.lost_unknown and not lost)
    outcome.events = sums.events
    outcome.sums = _by_name(sums, request.machine or machine_of(host) or "")
    # Of a started command: what it waited in before it was let go, and exit_group, which never returns.
    usual = 1 if target is not None and target.started else 0
    if sums.begin_unseen > usual or sums.end_unseen > usual:
        outcome.notes.append(
            f"{sums.begin_unseen} had begun before the recording, {sums.end_unseen} went on at the end:"
            " they are in no time"
        )
    for told in sums.unreadable[:10]:
        outcome.notes.append(told)
    if not outcome.sums and not lost:
        outcome.nothing = "it made no system call"


def _by_name(sums: SyscallSums, machine: str) -> Dict[str, SyscallSum]:
    """Name the calls; one without a name keeps its number (32-bit programs number another way)."""
    table = SYSCALLS.get(machine, {})
    named: Dict[str, SyscallSum] = {}
    for number, each in sums.sums.items():
        name = table.get(number)
        named[f"call {number}" if name is None else entry_name(name, machine)] = each
    return named
