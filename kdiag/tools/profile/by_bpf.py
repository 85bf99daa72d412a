"""profile by a program at a clock event of each CPU, which counts stacks in the kernel."""

from typing import Iterator

from kdiag.ebpf import pieces
from kdiag.ebpf.assembler import R0, R1, R2, R10, Assembler, Code
from kdiag.ebpf.maps import MapSpec
from kdiag.ebpf.program import ProgramSpec
from kdiag.tools.bpf_run import BpfPlan, Request, collecting
from kdiag.tools.run import Run
from kdiag.tools.stack_counts import KEY_BYTES, STACKS, put_stack, stack_summaries
from kdiag.tools.tool import Item

__all__ = ["run"]

#: By stack: samples.
SAMPLES = MapSpec("samples", "percpu_hash", KEY_BYTES, 8, 10240)
#: On the stack: the key, a value of zeros, four bytes for counting a loss.
_KEY, _VALUE, _LOSS = -KEY_BYTES, -KEY_BYTES - 8, -KEY_BYTES - 16


def run(run: Run) -> Iterator[Item]:
    """Sample until it ends."""
    with collecting(run, _plan) as collector:
        for summary in stack_summaries(run, collector, SAMPLES.name, interrupted=True):
            total = sum(row.weight for row in summary.stacks)
            told = f"{total} samples, {run.options['hz']} a second of each CPU"
            yield summary._replace(notes=(told,))


def _plan(request: Request) -> BpfPlan:
    says = "counts the stack that a CPU is in"
    program = ProgramSpec("profile", "sampling", str(request.options["hz"]), _code(request), says)
    return BpfPlan((STACKS, SAMPLES), (program,))


def _code(request: Request) -> Code:
    options = request.options
    a = Assembler()
    pieces.begin(a)
    pieces.unless_watched(a, request.watch, "out", _LOSS)
    a.call("get_current_pid_tgid")
    if not options["idle"]:
        a.jump_if(R0, "==", 0, "out")
    a.alu("rsh", R0, 32)
    a.store(R10, _KEY, R0, 4)
    for at, left_out, user in ((4, "user", False), (8, "kernel", True)):
        if options[left_out]:
            a.store(R10, _KEY + at, -1, 4)
        else:
            put_stack(a, _KEY + at, user=user, loss_at=_LOSS)
    a.store(R10, _KEY + 12, 0, 4)
    a.mov(R1, R10)
    a.add(R1, _KEY + 16)
    a.mov(R2, 16)
    a.call("get_current_comm")
    pieces.entry(a, SAMPLES.name, _KEY, _VALUE, 8, "out", _LOSS)
    pieces.add(a, R0, 0, 1)
    pieces.end(a)
    return a.code()
