"""funccount by programs of kdiag's own: each call adds one to its function's counter."""

from typing import Iterator, Optional

from kdiag.ebpf import pieces
from kdiag.ebpf.assembler import R0, R1, R6, R7, R10, Assembler, Code
from kdiag.ebpf.pieces import Watch
from kdiag.ebpf.program import ProgramSpec
from kdiag.tools.bpf_run import BpfPlan, Request
from kdiag.tools.funccount.counts import COUNTS, summaries
from kdiag.tools.function_places import function_places
from kdiag.tools.function_programs import Way, attach_to, collecting_best
from kdiag.tools.run import Run
from kdiag.tools.tool import Item

__all__ = ["run"]


def run(run: Run) -> Iterator[Item]:
    """Count until it ends."""
    places, notes = function_places(run.host, run.options["functions"])
    run.notes += notes

    def plan_of(way: Way, request: Request) -> BpfPlan:
        programs = [
            ProgramSpec(
                f"count_{at}",
                way.entry,
                attach_to(place, run.host.root),
                _program(request.watch, at),
                "counts the calls of a function",
            )
            for at, place in enumerate(places)
        ]
        if way.many:
            names = " ".join(place.probe.what for place in places)
            says = "counts the calls of functions, by the cookie of each"
            programs = [ProgramSpec("count", way.entry, names, _program(request.watch, None), says)]
        return BpfPlan((COUNTS._replace(max_entries=len(places)),), tuple(programs))

    with collecting_best(run, places, plan_of) as collector:
        yield from summaries(run, collector, places)


def _program(watch: Watch, index: Optional[int]) -> Code:
    """Return a program that adds one to the counter of a function: ``index``, or the one of its cookie."""
    a = Assembler()
    pieces.begin(a)
    pieces.unless_watched(a, watch, "out", -8)
    if index is None:
        a.mov(R1, R6)
        a.call("get_attach_cookie")
        a.mov(R7, R0)
        a.store(R10, -4, R7, 4)
    else:
        a.store(R10, -4, index, 4)
    pieces.lookup(a, COUNTS.name, -4)
    a.jump_if(R0, "==", 0, "out")
    pieces.add(a, R0, 0, 1)
    pieces.end(a)
    return a.code()
