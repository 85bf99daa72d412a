"""biolatency by programs of kdiag's own at the events of block requests."""

from typing import Iterator, List

from kdiag.ebpf import pieces
from kdiag.ebpf.assembler import R0, R1, R2, R6, R7, R8, R9, R10, Assembler
from kdiag.tools.biolatency.maps import HEAD, KEY_BYTES, SLOTS, TIMES, summaries
from kdiag.tools.biolatency.times import by_disk
from kdiag.tools.block_disks import check_disk
from kdiag.tools.block_operations import letters
from kdiag.tools.block_programs import (
    DISK_BYTES,
    ENTRY,
    LOSS,
    REQUESTS,
    TAIL,
    RequestLayout,
    completion,
    copy_disk_name,
    request_layout,
    request_programs,
)
from kdiag.tools.bpf_run import BpfPlan, Request, collecting
from kdiag.tools.run import Run
from kdiag.tools.tool import Item

__all__ = ["run"]

_KEY = TAIL - KEY_BYTES
_ZEROS = _KEY - TIMES.value_bytes


def run(run: Run) -> Iterator[Item]:
    """Take the times until it ends."""
    check_disk(run.host, run.options["disk"])
    layouts: List[RequestLayout] = []

    def plan_of(request: Request) -> BpfPlan:
        layouts.append(request_layout(request.btf))
        return _plan(request, layouts[-1])

    with collecting(run, plan_of) as collector:
        yield from summaries(run, collector, lambda flags: letters(layouts[-1].operations, flags))


def _plan(request: Request, layout: RequestLayout) -> BpfPlan:
    from_queue = request.options["queue"]

    def tail(a: Assembler) -> None:
        _add(a, layout, disks=by_disk(request.options), operations=request.options["operations"])

    programs = request_programs(request.btf, layout, request.watch, from_queue=from_queue)
    programs.append(completion(request.btf, layout, from_queue=from_queue, tail=tail))
    return BpfPlan((REQUESTS, TIMES), tuple(programs))


def _add(a: Assembler, layout: RequestLayout, *, disks: bool, operations: bool) -> None:
    """Add the request in r7, which took r8 ns and ended with the error in r9, to its entry."""
    if disks:
        copy_disk_name(a, layout, R7, _KEY)
    else:
        a.zero(_KEY, DISK_BYTES)
    a.mov(R1, 0)
    if operations:
        a.load(R1, R7, layout.cmd_flags, 4)
        a.constant(R2, layout.operations.mask)
        a.alu("and", R1, R2)
    a.store(R10, _KEY + DISK_BYTES, R1)
    pieces.entry(a, TIMES.name, _KEY, _ZEROS, TIMES.value_bytes, "out", LOSS)
    a.mov(R6, R0)  # the context is not needed any more
    pieces.add(a, R6, 0, 1)
    a.jump_if(R9, "==", 0, "succeeded")
    pieces.add(a, R6, 8, 1)
    a.label("succeeded")
    a.load(R2, R10, ENTRY + 16)
    pieces.add(a, R6, 16, R2)
    pieces.add(a, R6, 24, R8)
    a.load(R1, R6, 32)
    a.jump_if(R1, ">=", R8, "shorter")
    a.store(R6, 32, R8)
    a.label("shorter")
    a.alu("div", R8, 1000)
    pieces.slot_of(a, R8, R7, R9)
    a.jump_if(R7, "<", SLOTS, "bounded")
    a.mov(R7, SLOTS - 1)
    a.label("bounded")
    a.alu("lsh", R7, 3)
    a.add(R6, R7)
    pieces.add(a, R6, HEAD * 8, 1)
