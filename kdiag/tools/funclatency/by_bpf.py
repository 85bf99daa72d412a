"""funclatency by programs of kdiag's own at entry and return.

Calls under way are kept by thread and function, as a stack, for a function may call itself. A return that the
kernel missed (a kretprobe has room for so many calls at a time) would leave its call there for ever; so at
each entry, calls whose frame lies at or below the new one's are dropped: they must have returned.
"""

from typing import Iterator, List, Optional

from kdiag.ebpf import pieces
from kdiag.ebpf.assembler import R0, R1, R2, R3, R4, R6, R7, R8, R9, R10, Assembler, Code, Reg
from kdiag.ebpf.program import ProgramSpec
from kdiag.ftrace.places import Place
from kdiag.tools.bpf_run import BpfPlan, Request
from kdiag.tools.duration_programs import add_duration
from kdiag.tools.funclatency import UNITS_NS
from kdiag.tools.funclatency.maps import DEPTH, TIMES, UNDER_WAY, summaries
from kdiag.tools.function_places import function_places
from kdiag.tools.function_programs import Way, attach_to, collecting_best
from kdiag.tools.run import Run
from kdiag.tools.tool import Item

__all__ = ["run"]

_DEPTH_BYTES = 8
#: Places on the stack: the key (thread, function), a value of zeros, four bytes for counting a loss.
_KEY, _VALUE, _LOSS = -8, -8 - UNDER_WAY.value_bytes, -16 - UNDER_WAY.value_bytes


def run(run: Run) -> Iterator[Item]:
    """Time calls until it ends."""
    places, notes = function_places(run.host, run.options["functions"])
    run.notes += notes
    unit_ns = UNITS_NS[run.options["unit"]]

    def plan_of(way: Way, request: Request) -> BpfPlan:
        return _plan(way, request, places, run.host.root, unit_ns)

    with collecting_best(run, places, plan_of) as collector:
        yield from summaries(run, collector, places)


def _plan(way: Way, request: Request, places: List[Place], root: str, unit_ns: int) -> BpfPlan:
    programs = []
    many = " ".join(place.probe.what for place in places)
    for kind, make, says in (
        (way.entry, _entry, "keeps the time at which a function is entered"),
        (way.leave, _leave, "adds the time since the entry to the function's histogram"),
    ):
        if way.many:
            programs.append(ProgramSpec(kind[:15], kind, many, make(way, request, None, unit_ns), says))
            continue
        for at, place in enumerate(places):
            code = make(way, request, at, unit_ns)
            programs.append(ProgramSpec(f"{kind[:9]}_{at}", kind, attach_to(place, root), code, says))
    return BpfPlan((UNDER_WAY, TIMES._replace(max_entries=len(places))), tuple(programs))


def _key(a: Assembler, request: Request, index: Optional[int]) -> None:
    """Put (thread, function) on the stack, unless the thread is not watched."""
    pieces.begin(a)
    pieces.unless_watched(a, request.watch, "out", _LOSS)
    a.call("get_current_pid_tgid")
    a.store(R10, _KEY, R0, 4)
    if index is None:
        a.mov(R1, R6)
        a.call("get_attach_cookie")
        a.store(R10, _KEY + 4, R0, 4)
    else:
        a.store(R10, _KEY + 4, index, 4)


def _entry(way: Way, request: Request, index: Optional[int], unit_ns: int) -> Code:
    a = Assembler()
    _key(a, request, index)
    pieces.entry(a, UNDER_WAY.name, _KEY, _VALUE, UNDER_WAY.value_bytes, "out", _LOSS)
    a.mov(R7, R0)
    a.load(R8, R7, 0)
    if way.registers:
        a.load(R9, R6, request.btf.offset("pt_regs", "sp"))
        for _ in range(DEPTH):
            a.jump_if(R8, "==", 0, "clean")
            _call_at(a, R8, less=1)
            a.load(R4, R2, _DEPTH_BYTES + 8)
            a.jump_if(R4, ">", R9, "clean")
            a.add(R8, -1)
        a.label("clean")
    else:
        a.mov(R9, 0)
    a.jump_if(R8, "<", DEPTH, "room")
    pieces.count_loss(a, pieces.LOST_EVENTS, _LOSS)
    a.jump("out")
    a.label("room")
    a.call("ktime_get_ns")
    _call_at(a, R8, less=0)
    a.store(R2, _DEPTH_BYTES, R0)
    a.store(R2, _DEPTH_BYTES + 8, R9)
    a.add(R8, 1)
    a.store(R7, 0, R8)
    pieces.end(a)
    return a.code()


def _leave(way: Way, request: Request, index: Optional[int], unit_ns: int) -> Code:
    a = Assembler()
    _key(a, request, index)
    pieces.lookup(a, UNDER_WAY.name, _KEY)
    a.jump_if(R0, "==", 0, "out")  # it had begun before
    a.mov(R7, R0)
    a.load(R8, R7, 0)
    a.jump_if(R8, "==", 0, "out")
    _call_at(a, R8, less=1)
    a.load(R9, R2, _DEPTH_BYTES)
    a.add(R8, -1)
    a.store(R7, 0, R8)
    a.call("ktime_get_ns")
    a.alu("sub", R0, R9)
    a.mov(R9, R0)
    pieces.lookup(a, TIMES.name, _KEY + 4)
    a.jump_if(R0, "==", 0, "out")
    a.mov(R6, R0)  # the context is not needed any more
    add_duration(a, unit_ns)
    pieces.end(a)
    return a.code()


def _call_at(a: Assembler, depth: Reg, less: int) -> None:
    """Set r2 to where the call of a depth is kept, less the bytes of the depth itself; r3 is used."""
    a.mov(R3, depth)
    a.add(R3, -less)
    a.alu("and", R3, DEPTH - 1)  # the verifier wants to see the bound
    a.alu("lsh", R3, 4)
    a.mov(R2, R7)
    a.add(R2, R3)
