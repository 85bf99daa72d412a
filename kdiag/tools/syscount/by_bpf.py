"""syscount by programs on raw_syscalls, through bpf(2)."""

from typing import Iterator

from kdiag.ebpf import pieces
from kdiag.ebpf.assembler import R0, R6, R7, R10, Assembler
from kdiag.ebpf.maps import MapSpec
from kdiag.ebpf.program import ProgramSpec
from kdiag.kernel.machine import machine_of
from kdiag.kernel.syscalls import name_of
from kdiag.tools.bpf_run import BpfPlan, Request, collecting
from kdiag.tools.run import Run
from kdiag.tools.syscount import SyscallRow
from kdiag.tools.tool import Item, Summary

__all__ = ["run"]

_COUNTS = MapSpec("counts", "percpu_array", 4, 8, 512)


def run(run: Run) -> Iterator[Item]:
    """Count until it ends."""
    machine = machine_of(run.host) or ""
    with collecting(run, _plan) as collector:
        for _ in run.ticks():
            counts = [
                (name_of(number, machine) or f"call {number}", count)
                for number, count in enumerate(collector.maps["counts"].sums())
                if count
            ]
            rows = [
                SyscallRow(name, None, None, count, None, None, None, None, None, None, None)
                for name, count in sorted(counts, key=lambda each: -each[1])
            ]
            yield Summary(tuple(rows), duration_s=run.duration_s)


def _plan(request: Request) -> BpfPlan:
    a = Assembler()
    pieces.begin(a)
    pieces.unless_watched(a, request.watch, "out", -4)
    a.load(R7, R6, 8)
    a.jump_if(R7, ">", 511, "out")
    a.store(R10, -4, R7, 4)
    pieces.lookup(a, "counts", -4)
    a.jump_if(R0, "==", 0, "out")
    pieces.add(a, R0, 0, 1)
    pieces.end(a)
    program = ProgramSpec(
        "syscount", "raw_tracepoint", "sys_enter", a.code(), "counts each call by its number"
    )
    return BpfPlan((_COUNTS,), (program,))
