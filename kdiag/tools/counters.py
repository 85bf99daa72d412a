"""The ways to count: each sets up in its making, and counts in :meth:`run`. What each is good for says
:mod:`kdiag.tools.count`."""

from contextlib import ExitStack
from typing import Callable, Dict, List, Literal, Mapping, Optional, Sequence, Tuple, Type, Union

from kdiag.ftrace import ring_buffer
from kdiag.ftrace.comms import Comms
from kdiag.ftrace.event import Event
from kdiag.ftrace.events import EventReader, live
from kdiag.ftrace.hist import HistKey, parse_hist
from kdiag.ftrace.places import Catalogue, Place, attach, define
from kdiag.ftrace.probe_profile import parse_kprobe_profile, parse_uprobe_profile
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import TraceFsError
from kdiag.host.target import Target
from kdiag.records import NamedTuple
from kdiag.tools.ending import Ending
from kdiag.tools.stack_names import StackNames

__all__ = [
    "COUNTERS",
    "HIST_KEYS",
    "LEAST_KIB",
    "PROFILED",
    "BadCounts",
    "CountRow",
    "Counter",
    "Key",
    "Run",
    "follow",
]

#: Keys of histograms by what is asked; of several names the kernel knows one.
HIST_KEYS: Dict[str, Tuple[str, ...]] = {
    "": ("common_type", "common_pid"),
    "comm": ("common_comm",),  # since 6.17
    "pid": ("common_pid",),
    "cpu": ("common_cpu", "cpu"),  # since 5.15; before
    "stack": ("common_stacktrace", "stacktrace"),  # since 6.3; before
}
_HIST_SIZE = 16384
LEAST_KIB = 64
PROFILED = {
    "kprobe": "kprobe_profile",
    "kretprobe": "kprobe_profile",
    "uprobe": "uprobe_profile",
    "uretprobe": "uprobe_profile",
}

Key = Union[str, int, Tuple[str, ...], None]


class CountRow(NamedTuple):
    """How often a probe fired, for one key: ``None`` without, for a stack its functions, innermost first."""

    probe: str
    key: Key
    number: int


class BadCounts(Exception):
    """What the kernel counted cannot be read, so it is not shown."""


class Run:
    """One run of a counter: :meth:`begin` when all is set up, :meth:`wait` until it is over."""

    def __init__(
        self,
        session: Session,
        target: Optional[Target],
        for_s: Optional[float],
        stop: Callable[[], bool],
        on_begin: Callable[[], object] = lambda: None,
    ) -> None:
        self.session = session
        self._target = target
        self._for_s = for_s
        self._stop = stop
        self._on_begin = on_begin
        self.ending = Ending(target, for_s, stop)
        # The kernel leaves out a switch between tasks only if it is to leave out both.
        self.own_pid = session.host.facts.reader_pid if target is None else None
        self.wake = None if target is None else target.pidfd()

    def begin(self) -> None:
        """Let the target run; time counts from here."""
        self._on_begin()
        if self._target is not None and not self.session.instance.planned:
            self._target.release()
        self.ending = Ending(self._target, self._for_s, self._stop)

    def wait(self) -> None:
        """Wait until it is over."""
        if not self.session.instance.planned:
            self.ending.wait(lambda: self.session.deadline_reached)


_Counted = Tuple[List[CountRow], int, int]


def follow(session: Session, target: Optional[Target]) -> None:
    """Have a session trace the target, or everything but kdiag."""
    if target is not None:
        session.follow(target.tids)
    else:
        session.exclude_self()


class Counter:
    """Sets up in its making, and counts in :meth:`run`."""

    def __init__(
        self,
        session: Session,
        places: Sequence[Place],
        catalogue: Catalogue,
        by: str,
        target: Optional[Target],
        more: ExitStack,
    ) -> None:
        self.session = session
        self.target = target
        self.by = by
        self.more = more
        self.events = self.set_up(places, catalogue)

    def not_own(self) -> str:
        """Return a filter that leaves out kdiag itself, which the kernel counts when it gives up the CPU."""
        own = self.session.host.facts.reader_pid
        return "" if self.target is not None or own is None else f"common_pid != {own}"

    def set_up(self, places: Sequence[Place], catalogue: Catalogue) -> Dict[str, Place]:
        """Set up all places; return them by event."""
        raise NotImplementedError

    def run(self, run: Run) -> _Counted:
        """Let the target run, and count until it is over: rows, lost, missed."""
        raise NotImplementedError

    def missed(self) -> int:
        """Return what kprobes missed (third column of ``kprobe_profile``)."""
        return sum(missed for _, missed in _profile(self.session, self.events).values())


class _Hist(Counter):
    def set_up(self, places: Sequence[Place], catalogue: Catalogue) -> Dict[str, Place]:
        events = define(self.session, places, catalogue)
        for name in events:
            system, _, event = name.partition(":")
            self._trigger(system, event)
        return events

    def _trigger(self, system: str, event: str) -> None:
        names = HIST_KEYS[self.by]
        condition = f" if {self.not_own()}" if self.not_own() else ""
        for name in names:
            try:
                self.session.trigger(system, event, f"hist:keys={name}:size={_HIST_SIZE}{condition}")
                return
            except TraceFsError:
                if name == names[-1]:
                    raise

    def run(self, run: Run) -> _Counted:
        run.begin()
        run.wait()
        counts: Dict[Tuple[str, Key], int] = {}
        lost = 0
        if self.session.instance.planned:
            return [], 0, 0
        for name, place in self.events.items():
            path = f"events/{name.replace(':', '/')}/hist"
            parsed = parse_hist(self.session.instance.read_bytes(path), path)
            if parsed.problems:
                raise BadCounts(f"{self.session.instance.path(path)}: {parsed.problems[0]}")
            for histogram in parsed.histograms:
                lost += histogram.dropped or 0
                for entry in histogram.entries:
                    key = str(place), self._key(entry.keys[0])
                    counts[key] = counts.get(key, 0) + entry.values["hitcount"]
        return _rows(counts, self.events), lost, self.missed()

    def _key(self, key: HistKey) -> Key:
        if self.by == "stack":
            return tuple(_function(frame) for frame in key.frames)
        return {"": None, "comm": key.text, "pid": key.value, "cpu": key.value}[self.by]


class _Profile(Counter):
    def set_up(self, places: Sequence[Place], catalogue: Catalogue) -> Dict[str, Place]:
        return attach(self.session, places, catalogue)

    def run(self, run: Run) -> _Counted:
        run.begin()
        run.wait()
        if self.session.instance.planned:
            return [], 0, 0
        hits = _profile(self.session, self.events)
        missing = [str(place) for name, place in self.events.items() if name not in hits]
        if missing:
            raise BadCounts(f"{missing[0]} is not in the profile of the kernel's probes")
        counts: Dict[Tuple[str, Key], int] = {
            (str(place), None): hits[name][0] for name, place in self.events.items()
        }
        return _rows(counts, self.events), 0, self.missed()


class _Buffers(Counter):
    """A session for each place, for counters know no events: so many were written to the buffer."""

    def set_up(self, places: Sequence[Place], catalogue: Catalogue) -> Dict[str, Place]:
        self.sessions: Dict[str, Session] = {}
        events: Dict[str, Place] = {}
        for place in places:
            session = self.session
            if self.sessions:
                deadline_s = session.deadline_s
                session = Session(
                    session.tracefs, session.host, buffer_kib_per_cpu=LEAST_KIB, deadline_s=deadline_s
                )
                self.more.enter_context(session)
                follow(session, self.target)
            attached = attach(session, [place], catalogue, self.not_own() or None)
            events.update(attached)
            self.sessions.update(dict.fromkeys(attached, session))
        return events

    def run(self, run: Run) -> _Counted:
        for session in self.sessions.values():
            session.start()
        run.begin()
        run.wait()
        counts: Dict[Tuple[str, Key], int] = {}
        lost = 0
        for name, session in self.sessions.items():
            session.stop()
            if session.instance.planned:
                continue
            for cpu in session.stats():
                key = str(self.events[name]), cpu.cpu if self.by == "cpu" else None
                written = cpu.entries + cpu.overrun + cpu.read
                if written:
                    counts[key] = counts.get(key, 0) + written
                lost += cpu.commit_overrun + cpu.dropped
        return _rows(counts, self.events), lost, self.missed()


class _Stream(Counter):
    _names: Optional[StackNames] = None

    def set_up(self, places: Sequence[Place], catalogue: Catalogue) -> Dict[str, Place]:
        self.comms = Comms(self.session)
        self.session.resize(None)
        if self.by == "stack":
            self.session.option("stacktrace", True)
            self._names = StackNames(self.session.host)
            self.session.notes += [self._names.why_not] if self._names.why_not else []
        if self.by == "comm":
            self.comms.enable()
        return attach(self.session, places, catalogue)

    def run(self, run: Run) -> _Counted:
        session, events = self.session, self.events
        own = run.own_pid
        key_of: Callable[[Event], Key] = {
            "": lambda event: None,
            "comm": lambda event: self.comms.of(event.pid),
            "pid": lambda event: event.pid,
            "cpu": lambda event: event.cpu,
            "stack": self._stack,
        }[self.by]
        counts: Dict[Tuple[str, Key], int] = {}
        session.start()
        run.begin()
        if session.instance.planned:
            return [], 0, 0
        if self.by == "pid":
            return _rows(self._by_pid(run), events), session.lost(), self.missed()
        reader = EventReader(session.formats.values(), session.page_layout)
        for item in live(reader, session.chunks(run.ending, wake=run.wake)):
            if not isinstance(item, Event):
                continue  # the kernel's counters, at the end, have all that was lost
            place = events.get(item.name)
            if place is not None:
                key = str(place), key_of(item)
                if item.pid == own:
                    continue
                counts[key] = counts.get(key, 0) + 1
            if self.by == "comm":
                self.comms.feed(item)
        return _rows(counts, events), session.lost(), self.missed()

    def _by_pid(self, run: Run) -> Dict[Tuple[str, Key], int]:
        """Count without making events: the id of the format and the thread are all that is needed."""
        layout, formats = self.session.page_layout, self.session.formats
        probes = {
            number: str(self.events[each.full_name])
            for number, each in formats.items()
            if each.full_name in self.events
        }
        at = next(each.field("common_pid").offset_bytes for each in formats.values())
        found: Dict[Tuple[int, bytes], int] = {}
        for chunk in self.session.chunks(run.ending, wake=run.wake):
            if chunk is None:
                continue
            data = chunk[1]
            columns = ring_buffer.decode(data, layout)
            for kind, offset in zip(columns.types, columns.offsets_bytes):
                key = kind, data[offset + at : offset + at + 4]
                found[key] = found.get(key, 0) + 1
        order: Literal["big", "little"] = "big" if layout.big_endian else "little"
        counts: Dict[Tuple[str, Key], int] = {}
        for (kind, pid), number in found.items():
            tid = int.from_bytes(pid, order, signed=True)
            if kind in probes and tid != run.own_pid:
                counts[probes[kind], tid] = number
        return counts

    def _stack(self, event: Event) -> Key:
        if self._names is None:
            return ()
        return self._names.names(event.stack or ())


COUNTERS: Mapping[str, Type[Counter]] = {
    "hist": _Hist,
    "profile": _Profile,
    "buffers": _Buffers,
    "stream": _Stream,
}


def _rows(counts: Dict[Tuple[str, Key], int], events: Dict[str, Place]) -> List[CountRow]:
    """Return all rows; a probe that never fired has one with 0."""
    rows = [CountRow(probe, key, number) for (probe, key), number in counts.items()]
    fired = {row.probe for row in rows}
    return rows + [CountRow(str(place), None, 0) for place in events.values() if str(place) not in fired]


def _profile(session: Session, events: Dict[str, Place]) -> Dict[str, Tuple[int, int]]:
    """Return (hits, missed) of this session's probes by event, from the profiles of the kernel.

    The profiles do not tell the group; the names that kdiag gives to events are no other session's.
    """
    found: Dict[str, Tuple[int, int]] = {}
    kinds = {place.probe.kind for place in events.values()}
    for file in sorted({PROFILED[kind] for kind in kinds if kind in PROFILED}):
        parse = parse_kprobe_profile if file == "kprobe_profile" else parse_uprobe_profile
        if session.tracefs.exists(file):
            profiles = parse(session.tracefs.read_bytes(file), session.tracefs.path(file))
            found.update((each.name, (each.hits, each.missed or 0)) for each in profiles.probes)
    own = {name: name.partition(":")[2] for name in events}
    return {name: found[event] for name, event in own.items() if event in found}


def _function(frame: str) -> str:
    """Return the function of a frame, without its offset: calls from two places of one are one stack."""
    return frame.rpartition("+")[0] or frame
