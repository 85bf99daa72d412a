"""execsnoop by programs of kdiag's own at begin and end of execve and execveat."""

from typing import Iterator

from kdiag.ebpf import pieces
from kdiag.ebpf.assembler import R0, R1, R2, R3, R6, R7, R8, R9, R10, Assembler, Code, Reg
from kdiag.ebpf.maps import MapSpec
from kdiag.ebpf.program import ProgramSpec
from kdiag.kernel.syscalls import number_of
from kdiag.tools.bpf_run import BpfPlan, Request, collecting
from kdiag.tools.execsnoop.events import (
    ARGUMENTS,
    BEGIN_BYTES,
    BEGUN,
    DONE,
    END,
    FAILED,
    MORE,
    PATH_AT,
    PATH_BYTES,
    SIZES_AT,
    TEXT_BYTES,
    TEXTS_AT,
    rows_of,
)
from kdiag.tools.run import Run
from kdiag.tools.tool import CannotUse, Item

__all__ = ["run"]

_SCRATCH = MapSpec("scratch", "percpu_array", 4, BEGIN_BYTES, 1)
_KEY, _LOSS, _POINTER, _EVENT = -4, -8, -16, -16 - END.size
_X86_32_BIT_CS = 0x23
#: Call -> place of the path among the arguments; those of the program come next.
_CALLS = {"execve": 0, "execveat": 1}
_REGISTERS = {
    "x86_64": (("di", 0), ("si", 0), ("dx", 0)),
    "aarch64": (("orig_x0", 0), ("regs", 1), ("regs", 2)),
}
_NUMBER = {"x86_64": "orig_ax", "aarch64": "syscallno"}


def run(run: Run) -> Iterator[Item]:
    """Show executions until it ends."""
    with collecting(run, _plan) as collector:
        yield from rows_of(run, collector)


def _plan(request: Request) -> BpfPlan:
    if request.machine not in _REGISTERS:
        raise CannotUse(f"where system calls have their arguments on {request.machine} is not known here")
    return BpfPlan(
        (_SCRATCH, pieces.EVENTS),
        (
            ProgramSpec(
                "exec_done",
                "tp_btf",
                "sched_process_exec",
                _done(request),
                "sends who executes a program now",
            ),
            ProgramSpec(
                "exec_failed", "tp_btf", "sys_exit", _failed(request), "sends why an execution failed"
            ),
            ProgramSpec(
                "exec_begin", "tp_btf", "sys_enter", _begun(request), "sends what is to be executed, by whom"
            ),
        ),
    )


def _register(request: Request, place: int) -> int:
    name, index = _REGISTERS[request.machine][place]
    return request.btf.offset("pt_regs", name) + 8 * index


def _begun(request: Request) -> Code:
    a = Assembler()
    pieces.begin(a)
    a.load(R9, R6, 8)
    a.load(R7, R6, 0)
    _native(a, request, R7)
    for call, path in _CALLS.items():
        other = a.unique("other")
        a.jump_if(R9, "!=", number_of(call, request.machine) or -1, other)
        a.load(R8, R7, _register(request, path))
        a.load(R9, R7, _register(request, path + 1))
        a.jump("wanted")
        a.label(other)
    a.jump("out")
    a.label("wanted")
    a.store(R10, _POINTER, R8)
    pieces.unless_watched(a, request.watch, "out", _KEY)
    a.store(R10, _KEY, 0, 4)
    pieces.lookup(a, _SCRATCH.name, _KEY)
    a.jump_if(R0, "==", 0, "out")
    a.mov(R8, R0)
    a.store(R8, 0, BEGUN, 4)
    a.call("get_current_pid_tgid")
    a.alu("rsh", R0, 32)
    a.store(R8, 4, R0, 4)
    a.call("get_current_uid_gid")
    a.store(R8, 8, R0, 4)
    a.call("ktime_get_ns")
    a.store(R8, 16, R0)
    for at in range(ARGUMENTS + 1):
        a.store(R8, SIZES_AT + 8 * at, 0)
    a.load(R3, R10, _POINTER)
    _read_text(a, 0, PATH_AT, PATH_BYTES)
    a.mov(R7, 0)
    for at in range(ARGUMENTS):
        _next_pointer(a, at)
        a.load(R3, R10, _POINTER)
        a.jump_if(R3, "==", 0, "all")
        a.mov(R7, at + 1)
        _read_text(a, 1 + at, TEXTS_AT + at * TEXT_BYTES, TEXT_BYTES)
    _next_pointer(a, ARGUMENTS)
    a.load(R3, R10, _POINTER)
    a.jump_if(R3, "==", 0, "all")
    a.alu("or", R7, MORE)
    a.label("all")
    a.store(R8, 12, R7, 4)
    pieces.submit_from(a, R8, BEGIN_BYTES, _LOSS)
    pieces.end(a)
    return a.code()


def _next_pointer(a: Assembler, at: int) -> None:
    """Read the ``at``-th of the pointers behind r9; goes to ``all`` where that fails."""
    a.mov(R1, R10)
    a.add(R1, _POINTER)
    a.mov(R2, 8)
    a.mov(R3, R9)
    a.add(R3, 8 * at)
    a.call("probe_read_user")
    a.jump_if(R0, "!=", 0, "all")


def _read_text(a: Assembler, which: int, at: int, most_bytes: int) -> None:
    """Read the text at r3 into the scratch room r8."""
    unread = a.unique("unread")
    a.mov(R1, R8)
    a.add(R1, at)
    a.mov(R2, most_bytes)
    a.call("probe_read_user_str")
    a.jump_if(R0, "s<=", 0, unread)
    a.store(R8, SIZES_AT + 8 * which, R0)
    a.label(unread)


def _native(a: Assembler, request: Request, registers: Reg) -> None:
    """Go to ``out`` for a 32-bit program of x86, which numbers its calls another way (``__USER32_CS``)."""
    if request.machine == "x86_64":
        a.load(R1, registers, request.btf.offset("pt_regs", "cs"), 2)
        a.jump_if(R1, "==", _X86_32_BIT_CS, "out")


def _done(request: Request) -> Code:
    btf = request.btf
    a = Assembler()
    pieces.begin(a)
    pieces.unless_watched(a, request.watch, "out", _KEY)
    a.load(R7, R6, 0)
    a.store(R10, _EVENT, DONE, 4)
    a.load(R1, R7, btf.offset("task_struct", "tgid"), 4)
    a.store(R10, _EVENT + 4, R1, 4)
    a.load(R1, R7, btf.offset("task_struct", "real_parent"))
    a.load(R1, R1, btf.offset("task_struct", "tgid"), 4)
    a.store(R10, _EVENT + 8, R1, 4)
    a.store(R10, _EVENT + 12, 0, 4)
    a.store(R10, _EVENT + 16, 0)
    _name(a)
    pieces.submit(a, _EVENT, END.size, _LOSS)
    pieces.end(a)
    return a.code()


def _failed(request: Request) -> Code:
    a = Assembler()
    pieces.begin(a)
    a.load(R7, R6, 0)
    a.load(R8, R6, 8)
    a.jump_if(R8, "s>=", 0, "out")
    _native(a, request, R7)
    field = request.btf.field("pt_regs", _NUMBER[request.machine])
    a.load(R9, R7, field.offset_bytes, field.size_bytes)
    for call in _CALLS:
        a.jump_if(R9, "==", number_of(call, request.machine) or -1, "wanted")
    a.jump("out")
    a.label("wanted")
    pieces.unless_watched(a, request.watch, "out", _KEY)
    a.store(R10, _EVENT, FAILED, 4)
    a.call("get_current_pid_tgid")
    a.alu("rsh", R0, 32)
    a.store(R10, _EVENT + 4, R0, 4)
    a.store(R10, _EVENT + 8, 0)
    a.store(R10, _EVENT + 16, R8)
    _name(a)
    pieces.submit(a, _EVENT, END.size, _LOSS)
    pieces.end(a)
    return a.code()


def _name(a: Assembler) -> None:
    a.mov(R1, R10)
    a.add(R1, _EVENT + 24)
    a.mov(R2, 16)
    a.call("get_current_comm")
