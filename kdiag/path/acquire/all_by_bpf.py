"""All system calls of a target, summed up in the kernel by programs at their begins and ends.

What :mod:`kdiag.path.acquire.all_syscalls` works out from recorded events, without recording any: a loop of
small calls goes on at more than half of its speed. The programs and maps are those of ``kdiag syscount``.
"""

from typing import Callable, Dict, Iterator, Optional

from kdiag.doctor.mechanism import Choice
from kdiag.ftrace.syscall_sums import SyscallSum, bucket_top_ns
from kdiag.ftrace.tracefs import TraceFs
from kdiag.host.base import Host
from kdiag.host.target import Target
from kdiag.kernel.machine import machine_of
from kdiag.kernel.syscalls import entry_name
from kdiag.path.call import Capture, Lost, Outcome, SyscallCall
from kdiag.path.request import CannotAcquire, Request
from kdiag.tools.bpf_run import collecting
from kdiag.tools.run import Run
from kdiag.tools.syscount.by_bpf import plan
from kdiag.tools.syscount.maps import doubt, sums_in
from kdiag.tools.syscount.sums import Sum, syscall_name
from kdiag.tools.tool import CannotUse

__all__ = ["EXACT", "INFERRED", "acquire"]

EXACT = "count, time and result of every call that came back, summed up by name"
INFERRED = "percentiles and the shortest: within 6.25 %"
_CLOCK = "mono"
#: As ``kdiag syscount`` has them: every call, by its number.
_OPTIONS = {
    "by": "syscall",
    "counts_only": False,
    "names": (),
    "successful": False,
    "failed": False,
    "sort": None,
}


def acquire(
    request: Request,
    host: Host,
    tracefs: Optional[TraceFs],
    target: Optional[Target],
    choice: Choice,
    stop: Callable[[], bool],
) -> Capture:
    """Return a capture without calls, whose outcome has ``sums`` (:mod:`kdiag.path.request`)."""
    outcome = Outcome()
    shown = "all processes" if target is None else target.shown
    planned = tracefs is not None and tracefs.planned
    run = Run(host, _OPTIONS, target=target, for_s=request.for_s, stop=stop, dry_run=planned)
    calls = _calls(run, request.machine or machine_of(host) or "", outcome)
    return Capture(choice, _CLOCK, calls, shown, EXACT, INFERRED, outcome=outcome)


def _calls(run: Run, machine: str, outcome: Outcome) -> Iterator[SyscallCall]:
    try:
        with collecting(run, plan) as collector:
            for _ in run.ticks():
                collector.stop()
                found = sums_in(collector.maps, run.options)
                outcome.sums = _by_name({number: each for (_, number), each in found.items()}, machine)
    except CannotUse as error:
        raise CannotAcquire(error.reason) from None
    outcome.plan += run.plan
    outcome.notes += [*doubt(run.host), *run.notes]
    outcome.ended = run.ended
    outcome.lost = Lost(run.lost.entries)
    if not outcome.sums and not run.dry_run:
        outcome.nothing = "it made no system call"
    return
    yield  # a generator, so that nothing begins before the first call is asked for


def _by_name(sums: Dict[Optional[int], Sum], machine: str) -> Dict[str, SyscallSum]:
    named: Dict[str, SyscallSum] = {}
    for number, each in sums.items():
        if number is not None:
            named[entry_name(syscall_name(number, machine), machine)] = _sum(each)
    return named


def _sum(found: Sum) -> SyscallSum:
    made = SyscallSum()
    made.calls = found.calls
    made.errors = dict(found.errors)
    made.buckets = dict(found.buckets)
    made.timed = sum(found.buckets.values())
    made.total_ns = found.total_ns
    made.max_ns = found.max_ns or 0
    if found.buckets:
        # The programs keep no shortest time: it is not below its bucket. Of one call it is its own.
        made.min_ns = bucket_top_ns(min(found.buckets) - 1) + 1 if found.calls > 1 else found.total_ns
    return made
