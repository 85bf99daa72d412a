"""Calls with paths by programs that BCC compiles: those of ``kdiag syscalls``, for these calls alone."""

from typing import Any, Callable, Iterator, Tuple

from kdiag.kernel.machine import machine_of
from kdiag.tools.bcc_run import BccPlan, BccRequest, collecting_by_bcc
from kdiag.tools.path_calls import Found, PathCall, PathPairing, numbers_of, syscall_options
from kdiag.tools.run import Run
from kdiag.tools.syscalls.by_bcc import plan
from kdiag.tools.syscalls.records import fill_paths, items
from kdiag.tools.tool import Item, LostHere

__all__ = ["path_calls"]


def path_calls(run: Run, calls: Tuple[PathCall, ...], make: Callable[[Found], Any]) -> Iterator[Item]:
    """Yield a row for each call until it ends."""
    machine = machine_of(run.host) or ""
    numbers = numbers_of(calls, machine)
    options = syscall_options(run.options, numbers)

    def plan_of(request: BccRequest) -> BccPlan:
        return plan(request._replace(options=options), follows=run.target is not None)

    pairing = PathPairing(run.options, machine, numbers, make)
    with collecting_by_bcc(run, plan_of, lambda collector: fill_paths(collector, machine)) as collector:
        for item in items(run, collector, pairing):
            if isinstance(item, LostHere) or pairing.wants(item):
                yield item
