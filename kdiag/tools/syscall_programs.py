"""Programs of kdiag's own that pair begin and end of system calls at next to no cost.

Most calls come back on the CPU where they began, and no other thread ran there meanwhile. So the begin is
kept in a slot of the CPU. A program at ``sched_switch`` moves it to a hash by thread when the thread leaves
the CPU, and only then a hash is looked at. In the same slot stands the thread that was last found to be
followed: as long as it keeps the CPU, it need not be looked up again.

The events of system calls run with preemption off (``include/trace/perf.h``, ``trace_events.h``), so nothing
comes between the steps of a program.

A thread that ends in a call forgets it at ``sched_process_exit``. One that executes a program while its
process has other threads takes over the leader's id (``de_thread``): its execve is not paired.
"""

from typing import FrozenSet, Mapping, Optional

from kdiag.ebpf import pieces
from kdiag.ebpf.assembler import R0, R1, R2, R3, R6, R7, R8, R9, R10, Assembler
from kdiag.ebpf.btf import Btf
from kdiag.ebpf.maps import MapSpec
from kdiag.ebpf.pieces import Watch
from kdiag.ebpf.program import ProgramSpec

__all__ = [
    "BEGIN",
    "COMPAT",
    "NO_NUMBER",
    "NUMBER",
    "STATE",
    "STATE_PLACES",
    "TID",
    "UNDER_WAY",
    "forgetting",
    "keep_begin",
    "leaving",
    "take_begin",
    "unless_asked_for",
    "unless_wanted",
    "unless_watched",
    "unwatching",
]

#: Of each CPU: begin of the call that its thread is in (ns), thread (0: none), number, the thread that is
#: known to be followed (0: none), and a number for the tool's own use.
STATE = MapSpec("state", "percpu_array", 4, 24, 1)
BEGIN, TID, NUMBER, WATCHED, STATE_PLACES = 0, 8, 12, 16, 20
#: The calls of threads that have left their CPU: by thread, begin in ns and number.
UNDER_WAY = MapSpec("under_way", "hash", 4, 16, 32768)
#: Numbers from here on stand for all that are no system call's.
NO_NUMBER = 511
#: Added to the number of a call of a 32-bit program, which counts them another way.
COMPAT = 512
_X86_32_BIT_CS = 0x23
_KEY, _VALUE = -4, -24


def unless_watched(a: Assembler, watch: Watch, *, counts_only: bool = False) -> None:
    """Set r7 to the thread and its process, r8 to the CPU's slot; go to ``out`` unless it is watched.

    Where only begins are counted and nobody is followed, there is no slot.
    """
    if watch.follow or not counts_only:
        a.store(R10, _KEY, 0, 4)
        pieces.lookup(a, STATE.name, _KEY)
        a.jump_if(R0, "==", 0, "out")
        a.mov(R8, R0)
    a.call("get_current_pid_tgid")
    a.mov(R7, R0)
    if not watch.follow:
        a.alu("rsh", R0, 32)
        a.jump_if(R0, "==", watch.own_tgid, "out")
        return
    a.mov32(R1, R7)
    a.load(R2, R8, WATCHED, 4)
    a.jump_if(R1, "==", R2, "followed")
    a.store(R10, _KEY, R1, 4)
    pieces.lookup(a, pieces.FOLLOWED.name, _KEY)
    a.jump_if(R0, "==", 0, "out")
    a.store(R8, WATCHED, R7, 4)
    a.label("followed")


def unless_asked_for(a: Assembler, btf: Btf, machine: str, numbers: Optional[FrozenSet[int]]) -> None:
    """Set r9 to the number of the call that begins; go to ``out`` unless it is one of ``numbers``.

    A 32-bit program of x86 is known by its code segment (``__USER32_CS``); where numbers are asked for, its
    calls are not meant.
    """
    a.load(R9, R6, 8)
    if machine == "x86_64":
        a.load(R1, R6, 0)
        a.load(R1, R1, btf.offset("pt_regs", "cs"), 2)
    if numbers is not None:
        if machine == "x86_64":
            a.jump_if(R1, "==", _X86_32_BIT_CS, "out")
        for number in sorted(numbers):
            a.jump_if(R9, "==", number, "wanted")
        a.jump("out")
        a.label("wanted")
        return
    a.jump_if(R9, "<", NO_NUMBER, "bounded")
    a.mov(R9, NO_NUMBER)
    a.label("bounded")
    if machine == "x86_64":
        a.jump_if(R1, "!=", _X86_32_BIT_CS, "native")
        a.add(R9, COMPAT)
        a.label("native")


def keep_begin(a: Assembler) -> None:
    """Keep the begin of the call r9 in the slot in r8."""
    a.store(R8, NUMBER, R9, 4)
    a.call("ktime_get_ns")
    a.store(R8, BEGIN, R0)
    a.store(R8, TID, R7, 4)


def take_begin(a: Assembler) -> None:
    """At the end of a call: set r7 to its time in ns, r9 to its number, r8 to the CPU's slot.

    Goes to ``out`` where no begin was kept. Of the slot, ``BEGIN`` is that of the call.
    """
    a.store(R10, _KEY, 0, 4)
    pieces.lookup(a, STATE.name, _KEY)
    a.jump_if(R0, "==", 0, "out")
    a.mov(R8, R0)
    a.call("get_current_pid_tgid")
    a.mov32(R7, R0)
    a.load(R1, R8, TID, 4)
    a.jump_if(R1, "==", R7, "here")
    # It has left its CPU in the meantime, or its begin was not asked for.
    a.store(R10, _KEY, R7, 4)
    pieces.lookup(a, UNDER_WAY.name, _KEY)
    a.jump_if(R0, "==", 0, "out")
    a.load(R1, R0, 0)
    a.store(R8, BEGIN, R1)
    a.load(R9, R0, 8, 4)
    a.store(R8, NUMBER, R9, 4)
    pieces.delete(a, UNDER_WAY.name, _KEY)
    a.label("here")
    a.store(R8, TID, 0, 4)
    a.load(R9, R8, NUMBER, 4)
    a.call("ktime_get_ns")
    a.mov(R7, R0)
    a.load(R1, R8, BEGIN)
    a.alu("sub", R7, R1)


def unless_wanted(a: Assembler, options: Mapping[str, object], no_result: int) -> None:
    """Set r2 to the errno of the call r9 that ends, 0 for none; go to ``out`` if -z or -Z leave it out.

    ``no_result`` is the number of the call that has none of its own (rt_sigreturn).
    """
    a.load(R2, R6, 8)
    a.alu("mov", R1, 0)
    a.alu("sub", R1, R2)
    a.mov(R2, R1)
    a.jump_if(R9, "==", no_result, "no_error")
    # A result from -4095 to -1 is an error.
    a.add(R1, -1)
    a.jump_if(R1, "<", 4095, "error")
    a.label("no_error")
    a.mov(R2, 0)
    if options["failed"]:
        a.jump("out")
    a.label("error")
    if options["successful"]:
        a.jump_if(R2, "!=", 0, "out")


def leaving(btf: Btf) -> ProgramSpec:
    """Return the program that empties the slot when a thread leaves its CPU, and keeps its call."""
    a = Assembler()
    pieces.begin(a)
    a.store(R10, _KEY, 0, 4)
    pieces.lookup(a, STATE.name, _KEY)
    a.jump_if(R0, "==", 0, "out")
    a.mov(R8, R0)
    a.store(R8, WATCHED, 0, 4)
    a.load(R1, R8, TID, 4)
    a.jump_if(R1, "==", 0, "out")
    a.store(R8, TID, 0, 4)
    # The second argument is the thread that leaves: was it the one that began?
    a.load(R2, R6, 8)
    a.load(R2, R2, btf.offset("task_struct", "pid"), 4)
    a.jump_if(R1, "!=", R2, "out")
    a.store(R10, _KEY, R1, 4)
    a.load(R3, R8, BEGIN)
    a.store(R10, _VALUE, R3)
    a.load(R3, R8, NUMBER, 4)
    a.store(R10, _VALUE + 8, R3)
    pieces.update(a, UNDER_WAY.name, _KEY, _VALUE)
    a.jump_if(R0, "==", 0, "out")
    pieces.count_loss(a, pieces.NO_ROOM_IN_MAP, _KEY)
    pieces.end(a)
    return ProgramSpec(
        "leaving", "tp_btf", "sched_switch", a.code(), "keeps the call of a thread that leaves its CPU"
    )


def unwatching() -> ProgramSpec:
    """Return the program that empties the slot when a thread leaves its CPU, where begins are not kept."""
    a = Assembler()
    pieces.begin(a)
    a.store(R10, _KEY, 0, 4)
    pieces.lookup(a, STATE.name, _KEY)
    a.jump_if(R0, "==", 0, "out")
    a.store(R0, WATCHED, 0, 4)
    pieces.end(a)
    return ProgramSpec(
        "unwatching", "raw_tracepoint", "sched_switch", a.code(), "forgets who was last found to be followed"
    )


def forgetting() -> ProgramSpec:
    """Return the program that forgets the call in which a thread ends."""
    a = Assembler()
    pieces.begin(a)
    a.call("get_current_pid_tgid")
    a.mov(R7, R0)
    a.store(R10, _KEY, R7, 4)
    pieces.delete(a, UNDER_WAY.name, _KEY)
    a.store(R10, _KEY, 0, 4)
    pieces.lookup(a, STATE.name, _KEY)
    a.jump_if(R0, "==", 0, "out")
    a.store(R0, TID, 0, 4)
    pieces.end(a)
    return ProgramSpec(
        "forgetting",
        "raw_tracepoint",
        "sched_process_exit",
        a.code(),
        "forgets the call of a thread that ends",
    )
