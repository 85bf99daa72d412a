"""exitsnoop by a program of kdiag's own at ``sched_process_exit``, where all of the task is still there."""

from typing import Iterator

from kdiag.ebpf import pieces
from kdiag.ebpf.assembler import R0, R1, R2, R6, R7, R8, R10, Assembler, Code
from kdiag.ebpf.program import ProgramSpec
from kdiag.tools.bpf_run import BpfPlan, Request, collecting
from kdiag.tools.exitsnoop.events import EVENT, rows_of
from kdiag.tools.run import Run
from kdiag.tools.tool import Item

__all__ = ["run"]

_AT, _KEY, _LOSS = -64, -4, -8


def run(run: Run) -> Iterator[Item]:
    """Show ends until it ends."""
    with collecting(run, _plan) as collector:
        yield from rows_of(run, collector)


def _plan(request: Request) -> BpfPlan:
    says = "sends how a process ended" if not request.options["threads"] else "sends how a thread ended"
    program = ProgramSpec("process_exit", "tp_btf", "sched_process_exit", _code(request), says)
    return BpfPlan((pieces.EVENTS,), (program,))


def _code(request: Request) -> Code:
    btf = request.btf
    threads: bool = request.options["threads"]
    a = Assembler()
    pieces.begin(a)
    pieces.unless_watched(a, request.watch, "out", _KEY)
    a.load(R7, R6, 0)
    if not threads:
        # The last thread: nobody of the process lives any more (``do_exit`` has counted this one down).
        # Two that end at once may both find that; see ``rows_of``.
        a.load(R1, R7, btf.offset("task_struct", "signal"))
        a.load(R1, R1, btf.offset("signal_struct", "live"), 4)
        a.jump_if(R1, "!=", 0, "out")
    a.call("ktime_get_ns")
    a.store(R10, _AT, R0)
    # A process is as old as its first thread.
    a.mov(R8, R7)
    if not threads:
        a.load(R8, R7, btf.offset("task_struct", "group_leader"))
    a.load(R1, R8, btf.offset("task_struct", "start_time"))
    a.store(R10, _AT + 8, R1)
    for place, field in ((16, "tgid"), (20, "pid")):
        a.load(R1, R7, btf.offset("task_struct", field), 4)
        a.store(R10, _AT + place, R1, 4)
    a.load(R1, R7, btf.offset("task_struct", "real_parent"))
    a.load(R1, R1, btf.offset("task_struct", "tgid"), 4)
    a.store(R10, _AT + 24, R1, 4)
    a.load(R1, R7, btf.offset("task_struct", "exit_code"), 4)
    a.store(R10, _AT + 28, R1, 4)
    a.mov(R1, R10)
    a.add(R1, _AT + 32)
    a.mov(R2, 16)
    a.call("get_current_comm")
    pieces.submit(a, _AT, EVENT.size, _LOSS)
    pieces.end(a)
    return a.code()
