"""offcpu by a program at ``sched_switch``: who leaves, with which stack, and who comes back."""

from typing import Iterator

from kdiag.ebpf import pieces
from kdiag.ebpf.assembler import R0, R1, R2, R6, R7, R8, R9, R10, Assembler, Code
from kdiag.ebpf.maps import MapSpec
from kdiag.ebpf.program import ProgramSpec
from kdiag.tools.bpf_run import BpfPlan, Request, collecting
from kdiag.tools.offcpu import STATES
from kdiag.tools.run import Run
from kdiag.tools.stack_counts import KEY_BYTES, STACKS, put_stack, stack_summaries
from kdiag.tools.tool import Item

__all__ = ["run"]

#: By thread: since when it is off the CPU, in ns, and the key of its stack.
AWAY = MapSpec("away", "hash", 4, 8 + KEY_BYTES, 65536)
#: By stack: ns.
SLEPT = MapSpec("slept", "percpu_hash", KEY_BYTES, 8, 10240)
#: Of a kernel thread that waits for work (state I), beside D (``TASK_NOLOAD``).
_NOLOAD = 0x400
#: Of a thread that ends (``TASK_DEAD``).
_DEAD = 0x80
#: On the stack of the program: what is kept of a thread (the key comes after the time), a value of zeros, two
#: keys of four bytes.
_KEPT = -8 - KEY_BYTES
_KEY, _VALUE, _TID, _LOSS = _KEPT + 8, _KEPT - 8, _KEPT - 12, _KEPT - 16


def run(run: Run) -> Iterator[Item]:
    """Sum up until it ends."""
    with collecting(run, _plan) as collector:
        yield from stack_summaries(run, collector, SLEPT.name, per_unit=1000)


def _plan(request: Request) -> BpfPlan:
    says = "keeps the stack of a thread that leaves its CPU, and sums up how long it was away"
    program = ProgramSpec("offcpu", "tp_btf", "sched_switch", _code(request), says)
    return BpfPlan((STACKS, AWAY, SLEPT), (program,))


def _code(request: Request) -> Code:
    btf, options = request.btf, request.options
    pid_at = btf.offset("task_struct", "pid")
    a = Assembler()
    pieces.begin(a)
    # The thread that leaves, which is still the current one: its stack is that of this program.
    a.load(R7, R6, 8)
    a.load(R8, R7, pid_at, 4)
    a.jump_if(R8, "==", 0, "back")
    pieces.unless_watched(a, request.watch, "back", _TID, R8)
    wanted = STATES[options["state"]]
    state = btf.field("task_struct", "__state", "state")
    if wanted == -1:
        # One that ends does not come back, but another may get its id.
        a.load(R1, R7, state.offset_bytes, state.size_bytes)
        a.jump_if(R1, "&", _DEAD, "back")
    else:
        a.load(R1, R6, 0)
        a.alu("and", R1, 0xFF)
        a.jump_if(R1, "!=", 0, "back")  # it was preempted: it did not want to sleep
        a.load(R1, R7, state.offset_bytes, state.size_bytes)
        a.jump_if(R1, "&", _NOLOAD, "back")
        a.jump_if(R1, "&", wanted, "sleeps")
        a.jump("back")
        a.label("sleeps")
    a.load(R1, R7, btf.offset("task_struct", "tgid"), 4)
    a.store(R10, _KEY, R1, 4)
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
    a.call("ktime_get_ns")
    a.store(R10, _KEPT, R0)
    a.store(R10, _TID, R8, 4)
    pieces.update(a, AWAY.name, _TID, _KEPT)
    a.jump_if(R0, "==", 0, "back")
    pieces.count_loss(a, pieces.NO_ROOM_IN_MAP, _LOSS)
    # The thread that gets the CPU: how long was it away?
    a.label("back")
    a.load(R7, R6, 16)
    a.load(R8, R7, pid_at, 4)
    a.jump_if(R8, "==", 0, "out")
    a.store(R10, _TID, R8, 4)
    pieces.lookup(a, AWAY.name, _TID)
    a.jump_if(R0, "==", 0, "out")
    a.load(R9, R0, 0)
    for at in range(0, KEY_BYTES, 8):
        a.load(R1, R0, 8 + at)
        a.store(R10, _KEY + at, R1)
    pieces.delete(a, AWAY.name, _TID)
    a.call("ktime_get_ns")
    a.alu("sub", R0, R9)
    a.mov(R9, R0)
    a.jump_if(R9, "s<", 0, "out")
    pieces.entry(a, SLEPT.name, _KEY, _VALUE, 8, "out", _LOSS)
    pieces.add(a, R0, 0, R9)
    pieces.end(a)
    return a.code()
