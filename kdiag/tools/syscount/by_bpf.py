"""syscount by programs of kdiag's own at begin and end of system calls."""

from typing import Any, Iterator, List, Mapping

from kdiag.ebpf import pieces
from kdiag.ebpf.assembler import R0, R1, R2, R3, R6, R7, R8, R9, R10, Assembler
from kdiag.ebpf.program import ProgramSpec
from kdiag.kernel.syscalls import number_of
from kdiag.tools.bpf_run import BpfPlan, Request, collecting
from kdiag.tools.run import Run
from kdiag.tools.syscall_options import RESTARTED, wanted_numbers
from kdiag.tools.syscall_programs import (
    STATE,
    STATE_PLACES,
    forgetting,
    keep_begin,
    leaving,
    take_begin,
    unless_asked_for,
    unless_wanted,
    unless_watched,
    unwatching,
)
from kdiag.tools.syscount.maps import (
    BUCKETS,
    COMMS,
    ERRORS,
    FIRST_BUCKET,
    PLACES,
    TIMES,
    VALUE_BYTES,
    by_process,
    maps_for,
    summaries,
)
from kdiag.tools.syscount.sums import tell_missing
from kdiag.tools.tool import Item

__all__ = ["plan", "run"]

#: On the stack: a key of 4 bytes, the errno, a key of 8, a name, an entry made of zeros.
_SMALL, _ERRNO, _KEY, _NAME, _ZEROS = -4, -8, -16, -32, -32 - VALUE_BYTES


def run(run: Run) -> Iterator[Item]:
    """Sum up until it ends."""
    tell_missing(run)
    with collecting(run, plan) as collector:
        yield from summaries(run, collector)


def plan(request: Request) -> BpfPlan:
    """Return the maps and the programs for the options of syscount."""
    options = request.options
    wanted = wanted_numbers(options, request.machine)
    programs: List[ProgramSpec] = []
    if by_process(options):
        programs.append(_naming())
    counts_only: bool = options["counts_only"]
    begin = Assembler()
    pieces.begin(begin)
    unless_watched(begin, request.watch, counts_only=counts_only)
    unless_asked_for(begin, request.btf, request.machine, wanted)
    if counts_only:
        _entry(begin, options)
        pieces.add(begin, R0, 0, 1)
    else:
        keep_begin(begin)
    pieces.end(begin)
    says = "counts each call" if counts_only else "keeps when each call begins"
    enter = ProgramSpec("syscall_begin", "tp_btf", "sys_enter", begin.code(), says)
    maps = tuple(maps_for(options))
    if counts_only:
        if request.watch.follow:
            maps, programs = (STATE, *maps), [*programs, unwatching()]
        return BpfPlan(maps, (*programs, enter))
    end = Assembler()
    pieces.begin(end)
    take_begin(end)
    unless_wanted(end, options, number_of(RESTARTED, request.machine) or -1)
    _sum(end, options)
    pieces.end(end)
    leave = ProgramSpec("syscall_end", "tp_btf", "sys_exit", end.code(), "adds each call to its sums")
    return BpfPlan((STATE, *maps), (*programs, leaving(request.btf), forgetting(), leave, enter))


def _entry(a: Assembler, options: Mapping[str, Any]) -> None:
    """Set r0 to the sums of the call r9, made if they are not there; goes to ``out`` if there is no room.

    By process, r9 is set to the process, too, as it stands in keys.
    """
    if not by_process(options):
        a.store(R10, _SMALL, R9, 4)
        pieces.lookup(a, "calls", _SMALL)
        a.jump_if(R0, "==", 0, "out")
        return
    a.call("get_current_pid_tgid")
    a.alu("rsh", R0, 32)
    a.store(R10, _SMALL, R0, 4)
    a.alu("lsh", R0, 32)
    if options["by"] == "process":
        a.mov(R9, R0)
    else:
        a.alu("or", R9, R0)
    a.store(R10, _KEY, R9)
    pieces.lookup(a, "calls", _KEY)
    a.jump_if(R0, "!=", 0, "known")
    a.zero(_NAME, 16)
    a.mov(R1, R10)
    a.add(R1, _NAME)
    a.mov(R2, 16)
    a.call("get_current_comm")
    pieces.update(a, COMMS.name, _SMALL, _NAME, flags=1)  # unless it has one already
    pieces.entry(a, "calls", _KEY, _ZEROS, VALUE_BYTES, "out", _SMALL)
    a.label("known")


def _sum(a: Assembler, options: Mapping[str, Any]) -> None:
    """Add the call r9, which took r7 ns and ended with the errno in r2, to its sums."""
    a.store(R10, _ERRNO, R2, 4)
    _entry(a, options)
    a.mov(R6, R0)  # the context is not needed any more
    pieces.add(a, R6, 0, 1)
    pieces.add(a, R6, 16, R7)
    a.load(R1, R6, 24)
    a.jump_if(R1, ">=", R7, "shorter")
    a.store(R6, 24, R7)
    a.label("shorter")
    a.load(R2, R10, _ERRNO, 4)
    a.jump_if(R2, "==", 0, "succeeded")
    pieces.add(a, R6, 8, 1)
    _count_error(a, options)
    a.label("succeeded")
    _count_time(a)


def _count_error(a: Assembler, options: Mapping[str, Any]) -> None:
    """Count the errno in r2 of the call r9: ``process << 32 | number << 16 | errno``."""
    a.mov32(R1, R9)
    a.alu("lsh", R1, 16)
    a.alu("or", R2, R1)
    if by_process(options):
        a.mov(R1, R9)
        a.alu("rsh", R1, 32)
        a.alu("lsh", R1, 32)
        a.alu("or", R2, R1)
    a.store(R10, _KEY, R2)
    pieces.entry(a, ERRORS.name, _KEY, _ZEROS, 8, "succeeded", _SMALL)
    pieces.add(a, R0, 0, 1)


def _count_time(a: Assembler) -> None:
    """Count r7 ns in the buckets of the sums in r6, which get a place for them if they have none."""
    a.load(R1, R6, 32)
    a.jump_if(R1, "!=", 0, "has_place")
    a.load(R1, R8, STATE_PLACES, 4)
    a.jump_if(R1, ">=", PLACES, "out")
    a.add(R1, 1)
    a.store(R8, STATE_PLACES, R1, 4)
    a.store(R6, 32, R1)
    a.label("has_place")
    a.add(R1, -1)
    a.store(R10, _SMALL, R1, 4)
    pieces.lookup(a, TIMES.name, _SMALL)
    a.jump_if(R0, "==", 0, "out")
    a.mov(R6, R0)
    # The bucket: sixteen times the bit length, and the four bits below the highest.
    a.mov(R3, R7)
    pieces.slot_of(a, R3, R9, R2)
    a.jump_if(R9, "<", 6, "shortest")
    a.mov(R1, R9)
    a.add(R1, -5)
    a.alu("rsh", R7, R1)
    a.alu("and", R7, 15)
    a.alu("lsh", R9, 4)
    a.add(R9, R7)
    a.add(R9, -FIRST_BUCKET)
    a.jump_if(R9, "<", BUCKETS, "bounded_time")
    a.mov(R9, BUCKETS - 1)
    a.jump("bounded_time")
    a.label("shortest")
    a.mov(R9, 0)
    a.label("bounded_time")
    a.alu("lsh", R9, 3)
    a.add(R6, R9)
    pieces.add(a, R6, 0, 1)


def _naming() -> ProgramSpec:
    """Return the program that learns the name of a process that executes a program."""
    a = Assembler()
    pieces.begin(a)
    a.call("get_current_pid_tgid")
    a.alu("rsh", R0, 32)
    a.store(R10, _SMALL, R0, 4)
    # Only those that were seen already; others get their name when they are.
    pieces.lookup(a, COMMS.name, _SMALL)
    a.jump_if(R0, "==", 0, "out")
    a.mov(R1, R0)
    a.mov(R2, 16)
    a.call("get_current_comm")
    pieces.end(a)
    return ProgramSpec(
        "naming", "raw_tracepoint", "sched_process_exec", a.code(), "learns new names of processes"
    )
