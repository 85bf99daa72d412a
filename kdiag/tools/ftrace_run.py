"""What mechanisms on tracefs do alike: a session with events, followed threads, and rounds of reading.

Refusals become :exc:`~kdiag.tools.tool.CannotUse`, so that the next mechanism is tried.
"""

from contextlib import contextmanager
from typing import Callable, Iterator, List, Optional, Sequence, Union

from kdiag.ftrace.comms import Comms
from kdiag.ftrace.event import Event
from kdiag.ftrace.event import Lost as LostRecord
from kdiag.ftrace.events import EventReader, live_rounds
from kdiag.ftrace.session import CannotFollow, Session
from kdiag.ftrace.tracefs import NoTraceFs, PlannedTraceFs, TraceFs, TraceFsError, find_tracefs
from kdiag.records import NamedTuple
from kdiag.tools.run import Lost, Run
from kdiag.tools.tool import CannotUse, LostHere

__all__ = ["TraceEvent", "Traced", "tell_missed", "tracing"]

_ROUND_S = 0.05


class TraceEvent(NamedTuple):
    """An event to be enabled: ``filter`` in the kernel's words, ``optional`` where a kernel may lack it."""

    system: str
    event: str
    filter: Optional[str] = None
    optional: bool = False


class Traced:
    """A session that has begun. ``enabled`` are the events that this kernel has, as ``system:event``."""

    def __init__(
        self,
        run: Run,
        session: Session,
        comms: Optional[Comms],
        enabled: Sequence[str],
        everybody: bool = False,
    ) -> None:
        self.session = session
        self.comms = comms
        self.enabled = tuple(enabled)
        self._run = run
        self._own = None if everybody or run.target is not None else run.host.facts.reader_pid

    def rounds(self) -> Iterator[Iterator[Event]]:
        """Yield the events of each round of reading, in the order of time, kdiag's own left out.

        ``comms`` knows names as they were at the event that was taken last. Ask
        :meth:`kdiag.tools.run.Run.tick` after each round. Loss within them is in ``run.lost`` at the end; for
        its place in a stream see :meth:`rounds_with_loss`.
        """
        for items in self._rounds():
            yield (each for each in self._named(items) if isinstance(each, Event))

    def rounds_with_loss(self) -> Iterator[Iterator[Union[Event, LostHere]]]:
        """Do as :meth:`rounds`, with a :class:`~kdiag.tools.tool.LostHere` where events are missing."""
        for items in self._rounds():
            yield self._named(items)

    def _named(self, items: List[Union[Event, LostRecord]]) -> Iterator[Union[Event, LostHere]]:
        """Yield what is to be seen, and learn from each event after it was."""
        for each in items:
            if isinstance(each, LostRecord):
                yield LostHere(each.events)
                continue
            if each.pid != self._own:
                yield each
            if self.comms is not None:
                self.comms.feed(each)

    def _rounds(self) -> Iterator[List[Union[Event, LostRecord]]]:
        session = self.session
        if session.instance.planned:
            return
        reader = EventReader(session.formats.values(), session.page_layout)
        target = self._run.target
        wake = None if target is None else target.pidfd()
        yield from live_rounds(reader, session.chunks(self._run.ending, _ROUND_S, wake=wake))


@contextmanager
def tracing(
    run: Run,
    events: Sequence[TraceEvent],
    *,
    stack: bool = False,
    comms: bool = False,
    everybody: bool = False,
    user_data: bool = False,
    buffer_kib_per_cpu: Optional[int] = None,
    set_up: Callable[[TraceFs, Session], object] = lambda tracefs, session: None,
) -> Iterator[Traced]:
    """Enable the events in a session of its own and begin; it is undone at the end.

    ``set_up`` may define more (probes, triggers) before the start. With ``everybody``, the target is not
    followed and kdiag not left out: for events that come in whatever thread happens to run. Raises
    :exc:`~kdiag.tools.tool.CannotUse` before it has begun.
    """
    try:
        tracefs = find_tracefs(run.host)
        if run.dry_run:
            tracefs = PlannedTraceFs(tracefs)
        session = Session(
            tracefs,
            run.host,
            buffer_kib_per_cpu=buffer_kib_per_cpu,
            deadline_s=run.deadline_s,
            user_data=user_data,
        )
    except NoTraceFs as error:
        raise CannotUse(error.reason, error.remedy) from None
    except TraceFsError as error:
        raise CannotUse(str(error)) from None
    with session:
        try:
            known = Comms(session) if comms else None
            if not everybody:
                _choose_threads(run, session)
            session.option("stacktrace", stack)
            if known is not None:
                known.enable()
            enabled = [each for each in events if _enable(session, each)]
            set_up(tracefs, session)
            session.start()
        except (CannotFollow, TraceFsError) as error:
            raise CannotUse(str(error)) from None
        run.begin()
        try:
            names = [f"{each.system}:{each.event}" for each in enabled]
            yield Traced(run, session, known, names, everybody)
            if not session.instance.planned:
                run.lost = Lost(session.lost())
        finally:
            run.notes += session.notes
            if isinstance(tracefs, PlannedTraceFs):
                run.plan += map(str, tracefs.plan)


def tell_missed(run: Run, missed: int) -> None:
    """Count as lost what a kernel did not record of switches, without saying so; to be told after the end.

    Seen on a 6.18 kernel: of one CPU no switch out of the idle task was recorded, and no loss was told.
    """
    if missed:
        run.lost = run.lost._replace(events=run.lost.events + missed)
        run.notes.append(
            f"{missed} times a thread left a CPU that it was never seen to get: this kernel does not record "
            "all switches; what they would have ended is left out"
        )


def _choose_threads(run: Run, session: Session) -> None:
    if run.target is not None:
        session.follow(run.target.tids)
    else:
        session.exclude_self()


def _enable(session: Session, wanted: TraceEvent) -> bool:
    """Enable an event; ``False`` for one that may be missing, and is."""
    folder = f"events/{wanted.system}/{wanted.event}"
    if not session.instance.exists(folder):
        if wanted.optional:
            return False
        raise CannotUse(f"this kernel has no event {wanted.system}:{wanted.event}")
    session.enable(wanted.system, wanted.event, wanted.filter)
    return True
