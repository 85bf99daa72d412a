"""funclatency by kprobes and uprobes of tracefs at entry and return, paired by thread in kdiag.

The stack pointer is recorded at each entry: a call whose frame lies at or below a new one's must have
returned, though its return was missed.
"""

from typing import Dict, Iterator, List, Tuple

from kdiag.ftrace.event import Event
from kdiag.ftrace.places import Catalogue, Place, define
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import TraceFs
from kdiag.tools.durations import NONE, Durations
from kdiag.tools.ftrace_run import tracing
from kdiag.tools.funclatency import UNITS_NS
from kdiag.tools.funclatency.times import summary_of
from kdiag.tools.function_places import function_places
from kdiag.tools.run import Run
from kdiag.tools.tool import CannotUse, Item

__all__ = ["run"]

_KINDS = {"kprobe": "kretprobe", "uprobe": "uretprobe"}
#: What a register that holds the stack pointer is called, and the word that every return can show.
_STACK_POINTER = ("sp=%sp:x64",)
_NO_ARGUMENT = ("ret=$retval:x64",)


def run(run: Run) -> Iterator[Item]:
    """Time calls until it ends."""
    places, notes = function_places(run.host, run.options["functions"])
    points: Dict[str, Tuple[Place, bool]] = {}

    def set_up(tracefs: TraceFs, session: Session) -> None:
        catalogue = Catalogue(tracefs, run.host)
        for kind in {place.probe.kind for place in places}:
            missing = catalogue.missing(kind)
            if missing:
                raise CannotUse(missing)
        of_place = {}
        for place in places:
            probe = place.probe
            leave = probe._replace(kind=_KINDS[probe.kind], args=_NO_ARGUMENT)
            of_place[place._replace(probe=probe._replace(args=_STACK_POINTER))] = (place, True)
            of_place[place._replace(probe=leave)] = (place, False)
        for name, defined in define(session, list(of_place), catalogue).items():
            points[name] = of_place[defined]
            session.enable(*name.split(":", 1))

    pairing = _Pairing(UNITS_NS[run.options["unit"]])
    begun_s = 0.0
    with tracing(run, (), set_up=set_up) as traced:
        run.notes += notes
        for events in traced.rounds():
            for event in events:
                point = points.get(event.name)
                if point is not None:
                    pairing.feed(event, *point)
            if run.interval_s is not None and run.tick() is False:
                yield summary_of(pairing.take(), run.options["unit"], begun_s, run.duration_s)
                begun_s = run.duration_s
    if not run.dry_run:
        yield summary_of(pairing.take(), run.options["unit"], begun_s, run.duration_s)


class _Pairing:
    """Puts returns to their entries, by thread and place."""

    def __init__(self, unit_ns: int) -> None:
        self._unit_ns = unit_ns
        self._under_way: Dict[Tuple[int, Place], List[Tuple[int, int]]] = {}
        self._times: Dict[str, Durations] = {}

    def feed(self, event: Event, place: Place, enters: bool) -> None:
        """Take an event of a place."""
        calls = self._under_way.setdefault((event.pid, place), [])
        if enters:
            pointer = event.fields["sp"]
            while calls and calls[-1][0] <= pointer:
                calls.pop()
            calls.append((pointer, event.ts_ns))
        elif calls:
            self._add(str(place), event.ts_ns - calls.pop()[1])

    def take(self) -> Dict[str, Durations]:
        """Return what was timed since the last time."""
        times, self._times = self._times, {}
        return times

    def _add(self, name: str, time_ns: int) -> None:
        self._times[name] = self._times.get(name, NONE).plus(time_ns, self._unit_ns)
