"""biosnoop by programs of kdiag's own at the events of block requests."""

from typing import Iterator, List

from kdiag.ebpf import pieces
from kdiag.ebpf.assembler import R1, R2, R7, R8, R9, R10, Assembler
from kdiag.tools.biosnoop.events import EVENT_BYTES, rows
from kdiag.tools.biosnoop.rows import leave_out_queue
from kdiag.tools.block_disks import check_disk
from kdiag.tools.block_programs import (
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

#: What stands before the request's entry in an event, and what is kept of it right behind.
_EVENT = TAIL - (EVENT_BYTES - REQUESTS.value_bytes)
_DONE_NS, _SECTOR, _CMD_FLAGS, _ERROR, _DISK = _EVENT, _EVENT + 8, _EVENT + 16, _EVENT + 20, _EVENT + 24


def run(run: Run) -> Iterator[Item]:
    """Show requests until it ends."""
    check_disk(run.host, run.options["disk"])
    layouts: List[RequestLayout] = []
    leave_out_queue(run)

    def plan_of(request: Request) -> BpfPlan:
        layouts.append(request_layout(request.btf))
        return _plan(request, layouts[-1])

    with collecting(run, plan_of) as collector:
        yield from rows(run, collector, layouts[-1])


def _plan(request: Request, layout: RequestLayout) -> BpfPlan:
    programs = request_programs(request.btf, layout, request.watch, from_queue=True)
    programs.append(completion(request.btf, layout, from_queue=False, tail=lambda a: _send(a, layout)))
    return BpfPlan((REQUESTS, pieces.EVENTS), tuple(programs))


def _send(a: Assembler, layout: RequestLayout) -> None:
    """Send the request in r7, which took r8 ns since its issue and ended with the error in r9."""
    a.load(R1, R10, ENTRY + 8)
    a.add(R1, R8)
    a.store(R10, _DONE_NS, R1)
    # Its sector moved on with the parts that were done before: bytes of all, without those of the last part.
    a.load(R1, R10, ENTRY + 16)
    a.load(R2, R7, layout.data_len, 4)
    a.alu("sub", R1, R2)
    a.alu("rsh", R1, 9)
    a.load(R2, R7, layout.sector)
    a.alu("sub", R2, R1)
    a.store(R10, _SECTOR, R2)
    a.load(R1, R7, layout.cmd_flags, 4)
    a.store(R10, _CMD_FLAGS, R1, 4)
    a.store(R10, _ERROR, R9, 4)
    copy_disk_name(a, layout, R7, _DISK)
    pieces.submit(a, _EVENT, EVENT_BYTES, LOSS)
