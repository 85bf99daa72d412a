"""Events of probes one by one, by time, with their fields in words; loss is told where it happened."""

from typing import Callable, Dict, Generator, Iterator, List, Optional, Sequence, Tuple, Union

from kdiag.ftrace.comms import Comms
from kdiag.ftrace.event import Event
from kdiag.ftrace.events import EventReader, live
from kdiag.ftrace.places import Catalogue, Place, attach
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import TraceFs
from kdiag.host.base import Host
from kdiag.host.target import Target
from kdiag.kernel.machine import machine_of
from kdiag.records import NamedTuple
from kdiag.tools.ending import Ending
from kdiag.tools.event_fields import FieldNames
from kdiag.tools.stack_names import StackNames

_Chunk = Optional[Tuple[int, bytes]]
__all__ = ["LostHere", "Stream", "StreamRow"]


class StreamRow(NamedTuple):
    """One event. ``time_s`` counts from the begin; ``pid`` is the thread's id, ``comm`` its name then.

    ``fields`` are (name, text as shown), ``values`` what the record holds. ``stack`` are functions,
    innermost first, ``None`` where none was asked for.
    """

    ts_ns: int
    time_s: float
    cpu: int
    pid: int
    comm: str
    probe: str
    event: str
    fields: Tuple[Tuple[str, str], ...]
    values: Dict[str, object]
    stack: Optional[Tuple[str, ...]] = None


class LostHere(NamedTuple):
    """Events of a CPU are missing here; ``events`` is ``None`` where the kernel does not say how many."""

    ts_ns: int
    time_s: float
    cpu: int
    events: Optional[int]
    why: str = ""


class Stream:
    """A running stream; :meth:`rows` yields as it goes, the totals are there afterwards.

    ``on_start`` is called when all is set up, ``on_round`` after each reading of all buffers: a good time to
    flush what was printed.
    """

    def __init__(
        self,
        tracefs: TraceFs,
        host: Host,
        places: Sequence[Place],
        catalogue: Catalogue,
        *,
        filter: Optional[str] = None,
        stack: bool = False,
        target: Optional[Target] = None,
        for_s: Optional[float] = None,
        stop: Callable[[], bool] = lambda: False,
        on_start: Callable[[], object] = lambda: None,
        on_round: Callable[[], object] = lambda: None,
    ) -> None:
        self._on_start = on_start
        self._on_round = on_round
        self._tracefs = tracefs
        self._host = host
        self._places = places
        self._catalogue = catalogue
        self._filter = filter
        self._stack = stack
        self._target = target
        self._for_s = for_s
        self._stop = stop
        self.notes: List[str] = []
        self.lost = 0
        self.number = 0
        self.duration_s = 0.0
        self.ended = ""

    def rows(self) -> Generator[Union[StreamRow, LostHere], None, None]:
        """Trace, and yield rows until it ends; everything is undone at the end, also if the caller stops."""
        deadline_s = None if self._for_s is None else self._for_s + 60
        with Session(self._tracefs, self._host, deadline_s=deadline_s, user_data=True) as session:
            self.notes = session.notes
            if self._target is not None:
                session.follow(self._target.tids)
            else:
                session.exclude_self()
            session.option("stacktrace", self._stack)
            symbols = StackNames(self._host) if self._stack else None
            self.notes += [symbols.why_not] if symbols and symbols.why_not else []
            comms = Comms(session)
            comms.enable()
            events = attach(session, self._places, self._catalogue, self._filter)
            session.start()
            if session.instance.planned:
                return
            self._on_start()
            if self._target is not None:
                self._target.release()
            ending = Ending(self._target, self._for_s, self._stop)
            yield from self._read(session, events, comms, symbols, ending)
            self.duration_s = ending.duration_s
            self.ended = ending.why or "its deadline came"
            self.lost = session.lost()

    def _rounds(self, chunks: Iterator[_Chunk]) -> Iterator[_Chunk]:
        for chunk in chunks:
            if chunk is None:
                self._on_round()
            yield chunk

    def _read(
        self,
        session: Session,
        events: Dict[str, Place],
        comms: Comms,
        symbols: Optional[StackNames],
        ending: Ending,
    ) -> Iterator[Union[StreamRow, LostHere]]:
        names = FieldNames(session.formats, machine_of(self._host) or "")
        reader = EventReader(session.formats.values(), session.page_layout)
        wake = None if self._target is None else self._target.pidfd()
        first: Optional[int] = None
        own = None if self._target is not None else self._host.facts.reader_pid
        for item in live(reader, self._rounds(session.chunks(ending, wake=wake))):
            first = item.ts_ns if first is None else first
            time_s = (item.ts_ns - first) / 1e9
            if not isinstance(item, Event):
                yield LostHere(item.ts_ns, time_s, item.cpu, item.events, item.why)
                continue
            place = events.get(item.name)
            # The kernel leaves out a switch between tasks only if it is to leave out both.
            if place is not None and item.pid != own:
                self.number += 1
                stack = None
                if symbols is not None:
                    stack = symbols.names(item.stack or ())
                yield StreamRow(
                    item.ts_ns,
                    time_s,
                    item.cpu,
                    item.pid,
                    comms.of(item.pid),
                    str(place),
                    place.probe.what,
                    tuple(names.shown(item)),
                    dict(item.fields),
                    stack,
                )
            comms.feed(item)
