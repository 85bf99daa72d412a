"""syscalls by programs of kdiag's own at begin and end of system calls."""

from typing import Iterator, Sequence

from kdiag.ebpf import pieces
from kdiag.ebpf.assembler import R0, R1, R2, R3, R4, R6, R7, R8, R9, R10, Assembler
from kdiag.ebpf.program import ProgramSpec
from kdiag.kernel.machine import machine_of
from kdiag.kernel.syscalls import number_of
from kdiag.tools.bpf_run import BpfPlan, Request, collecting
from kdiag.tools.run import Run
from kdiag.tools.syscall_options import RESTARTED, wanted_numbers
from kdiag.tools.syscall_programs import (
    BEGIN,
    STATE,
    UNDER_WAY,
    forgetting,
    keep_begin,
    leaving,
    take_begin,
    unless_asked_for,
    unless_wanted,
    unless_watched,
)
from kdiag.tools.syscalls.records import (
    BEGUN,
    BUFFER,
    END_BYTES,
    ENDED,
    HEAD_BYTES,
    PATH_BYTES,
    PATHS,
    READ_AT_END,
    SCRATCH,
    UNREAD,
    fill_paths,
    items,
    lines_of,
)
from kdiag.tools.tool import CannotUse, Item

__all__ = ["plan", "run"]

_NO_WAKEUP = 1
#: Places of a begin's parts (kdiag.tools.syscalls.records).
_NUMBER, _TIME, _TID, _PID, _COMM, _ARGUMENTS, _SIZES = 4, 8, 16, 20, 24, 40, 104
#: On the stack: a key, the slot of the CPU, which arguments are text, the end.
_KEY, _SLOT, _PLACES, _END = -4, -32, -40, -40 - END_BYTES
#: Where the arguments are in ``struct pt_regs``: (field, index in it).
_REGISTERS = {
    "x86_64": (("di", 0), ("si", 0), ("dx", 0), ("r10", 0), ("r8", 0), ("r9", 0)),
    # The first register is the result, too.
    "aarch64": (("orig_x0", 0), ("regs", 1), ("regs", 2), ("regs", 3), ("regs", 4), ("regs", 5)),
}


def run(run: Run) -> Iterator[Item]:
    """Show calls until it ends."""
    with collecting(
        run, plan, lambda collector: fill_paths(collector, machine_of(run.host) or "")
    ) as collector:
        yield from items(run, collector, lines_of(run))


def plan(request: Request) -> BpfPlan:
    """Return the maps and programs for the filters of :mod:`kdiag.tools.syscall_options`."""
    options = request.options
    if request.machine not in _REGISTERS:
        raise CannotUse(f"where system calls have their arguments on {request.machine} is not known here")
    fields = _REGISTERS[request.machine]
    registers = [request.btf.offset("pt_regs", name) + 8 * index for name, index in fields]
    begin = Assembler()
    pieces.begin(begin)
    unless_watched(begin, request.watch)
    unless_asked_for(begin, request.btf, request.machine, wanted_numbers(options, request.machine))
    begin.store(R10, _SLOT, R8)
    _put_together(begin, registers, BEGUN)
    # What could not be read is read again at the end: the kernel has fetched it by then.
    begin.load(R1, R10, _PLACES, 4)
    begin.jump_if(R1, "==", 0, "all_read")
    begin.alu("or", R9, UNREAD)
    begin.label("all_read")
    begin.load(R8, R10, _SLOT)
    keep_begin(begin)
    pieces.end(begin)
    end = Assembler()
    pieces.begin(end)
    take_begin(end)
    end.store(R10, _SLOT, R8)
    end.load(R1, R8, BEGIN)
    end.store(R10, _END + 24, R1)
    end.add(R1, R7)
    end.store(R10, _END + 8, R1)
    end.mov(R1, R9)
    end.alu("and", R1, UNREAD)
    end.alu("and", R9, UNREAD - 1)
    end.store(R10, _END + 4, R9, 4)
    end.jump_if(R1, "==", 0, "read")
    end.call("get_current_pid_tgid")
    end.mov(R7, R0)
    _put_together(end, registers, READ_AT_END)
    end.label("read")
    unless_wanted(end, options, number_of(RESTARTED, request.machine) or -1)
    end.store(R10, _END, ENDED, 4)
    end.load(R1, R6, 8)
    end.store(R10, _END + 16, R1)
    end.call("get_current_pid_tgid")
    end.store(R10, _END + 32, R0, 4)
    end.store(R10, _END + 36, 0, 4)
    end.mov(R2, R10)
    end.add(R2, _END)
    end.mov(R3, END_BYTES)
    _send(end)
    pieces.end(end)
    return BpfPlan(
        (STATE, UNDER_WAY, SCRATCH, PATHS, BUFFER),
        (
            leaving(request.btf),
            forgetting(),
            ProgramSpec("syscall_end", "tp_btf", "sys_exit", end.code(), "sends how each call ended"),
            ProgramSpec(
                "syscall_begin", "tp_btf", "sys_enter", begin.code(), "sends what each call is given"
            ),
        ),
    )


def _put_together(a: Assembler, registers: Sequence[int], kind: int) -> None:
    """Send the arguments of the call r9 of the thread r7, with texts; r8 is used.

    ``_PLACES`` on the stack is not 0 afterwards where a text could not be read.
    """
    a.store(R10, _PLACES, 0)
    a.store(R10, _KEY, 0, 4)
    pieces.lookup(a, SCRATCH.name, _KEY)
    a.jump_if(R0, "==", 0, "out")
    a.mov(R8, R0)
    a.store(R8, 0, kind, 4)
    a.store(R8, _NUMBER, R9, 4)
    a.store(R8, _TID, R7, 4)
    a.mov(R1, R7)
    a.alu("rsh", R1, 32)
    a.store(R8, _PID, R1, 4)
    a.store(R8, _SIZES, 0)
    a.mov(R1, R8)
    a.add(R1, _COMM)
    a.mov(R2, 16)
    a.call("get_current_comm")
    a.load(R1, R6, 0)
    for place, offset in enumerate(registers):
        a.load(R2, R1, offset)
        a.store(R8, _ARGUMENTS + 8 * place, R2)
    a.store(R10, _KEY, R9, 4)
    pieces.lookup(a, PATHS.name, _KEY)
    a.jump_if(R0, "==", 0, "no_text")
    a.load(R1, R0, 0, 4)
    a.store(R10, _PLACES, R1)
    _read_text(a, 0)
    _read_text(a, 1)
    a.label("no_text")
    a.call("ktime_get_ns")
    a.store(R8, _TIME, R0)
    a.mov(R2, R8)
    a.load(R1, R8, _SIZES + 4, 4)
    a.mov(R3, HEAD_BYTES + 2 * PATH_BYTES)
    a.jump_if(R1, "!=", 0, "sized")
    a.load(R3, R8, _SIZES, 4)
    a.jump_if(R3, "<=", PATH_BYTES, "short")
    a.mov(R3, PATH_BYTES)
    a.label("short")
    a.add(R3, HEAD_BYTES)
    a.label("sized")
    _send(a)


def _read_text(a: Assembler, which: int) -> None:
    """Read the first or second text of the call in the scratch room r8, if there is one."""
    done = a.unique("text_read")
    a.load(R1, R10, _PLACES + 2 * which, 2)
    a.jump_if(R1, "==", 0, done)
    a.add(R1, -1)
    a.alu("and", R1, 7)
    a.alu("lsh", R1, 3)
    a.add(R1, R8)
    a.load(R3, R1, _ARGUMENTS)
    a.mov(R1, R8)
    a.add(R1, HEAD_BYTES + which * PATH_BYTES)
    a.mov(R2, PATH_BYTES)
    a.call("probe_read_user_str")
    a.jump_if(R0, "s<=", 0, done)
    a.store(R8, _SIZES + 4 * which, R0, 4)
    a.store(R10, _PLACES + 2 * which, 0, 2)
    a.label(done)


def _send(a: Assembler) -> None:
    """Send r3 bytes at r2; what does not fit is counted."""
    sent = a.unique("sent")
    a.map(R1, BUFFER.name)
    a.mov(R4, _NO_WAKEUP)
    a.call("ringbuf_output")
    a.jump_if(R0, "==", 0, sent)
    pieces.count_loss(a, pieces.LOST_EVENTS, _KEY)
    a.label(sent)
