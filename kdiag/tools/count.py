"""How often probes fire: counted by the kernel where it can, else in kdiag from the raw buffers.

=========  =================================================================================================
hist       a histogram trigger on each event: the kernel counts, by key, and records nothing
profile    ``kprobe_profile``, ``uprobe_profile``: the kernel counts each probe, of all processes, without key
stream     every event is recorded, read and counted; what the buffer loses is said
=========  =================================================================================================

Traps. A kretprobe misses calls when more are under way than it has room for; the kernel counts those
(``missed``). A ``pid`` is a thread's id.
"""

from typing import Callable, Dict, List, Optional, Sequence, Tuple, Union

from kdiag.doctor.mechanism import Choice, Mechanism, Trial, choose
from kdiag.ftrace.comms import Comms
from kdiag.ftrace.event import Event
from kdiag.ftrace.events import EventReader, live
from kdiag.ftrace.hist import HistKey, parse_hist
from kdiag.ftrace.places import Catalogue, Place, attach, define
from kdiag.ftrace.probe_profile import parse_kprobe_profile, parse_uprobe_profile
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import TraceFs, TraceFsError
from kdiag.host.base import Host
from kdiag.host.target import Target
from kdiag.records import NamedTuple
from kdiag.tools.ending import Ending
from kdiag.tools.stack_names import StackNames

__all__ = ["BY", "BadCounts", "MECHANISMS", "Count", "CountRow", "Key", "count"]

#: What to count by, in the words of ``--by``; "" is by probe alone.
BY = ("comm", "pid", "cpu", "stack")
MECHANISMS = (
    Mechanism("hist", ("hist_triggers",), "the kernel counts each event in a histogram, and records nothing"),
    Mechanism("profile", ("probe_profile",), "the kernel counts the hits of each probe"),
    Mechanism("stream", (), "every event is recorded, read and counted in kdiag"),
)
#: Keys of histograms by what is asked; of several names the kernel knows one.
_KEYS: Dict[str, Tuple[str, ...]] = {
    "": ("common_type", "common_pid"),
    "comm": ("common_comm",),  # since 6.17
    "pid": ("common_pid",),
    "cpu": ("common_cpu", "cpu"),  # since 5.15; before
    "stack": ("common_stacktrace", "stacktrace"),  # since 6.3; before
}
_HIST_SIZE = 16384
_LEAST_KIB = 64
_PROFILED = {
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


class Count(NamedTuple):
    """What was counted, most first. ``lost`` were not counted; ``missed`` the kernel could not even probe."""

    rows: Tuple[CountRow, ...]
    by: str
    mechanism: Choice
    duration_s: float
    lost: int = 0
    missed: int = 0
    notes: Tuple[str, ...] = ()
    ended: str = ""

    @property
    def total(self) -> int:
        """All that was counted."""
        return sum(row.number for row in self.rows)


def count(
    tracefs: TraceFs,
    host: Host,
    places: Sequence[Place],
    *,
    by: str = "",
    target: Optional[Target] = None,
    for_s: Optional[float] = None,
    stop: Callable[[], bool] = lambda: False,
    forced: Optional[str] = None,
    catalogue: Optional[Catalogue] = None,
) -> Count:
    """Count until the target ends, ``for_s`` is over, or ``stop`` says so.

    Raises :exc:`~kdiag.doctor.mechanism.NoMechanism`, and what the session raises.
    """
    catalogue = catalogue or Catalogue(tracefs, host)
    deadline_s = None if for_s is None else for_s + 60
    # What the kernel counts needs no room in the buffers.
    with Session(tracefs, host, buffer_kib_per_cpu=_LEAST_KIB, deadline_s=deadline_s) as session:
        if target is not None:
            session.follow(target.tids)
        else:
            session.exclude_self()
        session.notes += _notes_on(places, target)
        choice = choose("count", MECHANISMS, _trials(session, places, by, target), forced)
        counter = _COUNTERS[choice.name](session, places, catalogue, by, target is not None)
        session_ending = _Run(session, target, for_s, stop)
        rows, lost, missed = counter.run(session_ending)
        ended = session_ending.ending.why or "its deadline came"
        duration_s = session_ending.ending.duration_s
        if not session.instance.planned and not any(row.number for row in rows):
            session.notes.append(
                "nothing fired: the target may never come there (what has a name need not be called)"
            )
        notes = tuple(session.notes)
    rows.sort(key=lambda row: (-row.number, row.probe, str(row.key)))
    return Count(tuple(rows), by, choice, duration_s, lost, missed, notes, ended)


def _notes_on(places: Sequence[Place], target: Optional[Target]) -> List[str]:
    if target is None or not any(place.probe.where == "sched" for place in places):
        return []
    return ["events of sched count also where a watched thread is switched to, or woken, by another"]


def _trials(
    session: Session, places: Sequence[Place], by: str, target: Optional[Target]
) -> Callable[[str], Trial]:
    """Return what tries a capability in this session, for these probes."""

    def hist_triggers() -> Trial:
        why = _why_no_hist(session)
        if not why and by == "comm" and _KEYS["comm"][0] not in session.tracefs.read("README"):
            # ``common_pid.execname`` names a thread as it was called at its first event: before its exec.
            why = "on this kernel they do not know a thread's name at each event"
        return Trial("triggers", not why, why=why, remedy="a kernel with CONFIG_HIST_TRIGGERS")

    def probe_profile() -> Trial:
        why = ""
        other = [str(place) for place in places if place.probe.kind not in _PROFILED]
        if by:
            why = f"it does not count by {by}"
        elif target is not None:
            why = "it counts all processes"
        elif other:
            why = f"it counts dynamic probes only, not {other[0]}"
        return Trial("their profile", not why, why=why)

    trials = {"hist_triggers": hist_triggers, "probe_profile": probe_profile}
    return lambda name: trials[name]()


def _why_no_hist(session: Session) -> str:
    """Return why there are no histogram triggers: an event's trigger file lists the kinds that there are."""
    try:
        systems = session.instance.list("events")
        system = "raw_syscalls" if "raw_syscalls" in systems else "sched"
        event = "sys_enter" if system == "raw_syscalls" else "sched_switch"
        told = session.instance.read(f"events/{system}/{event}/trigger")
    except TraceFsError as error:
        return str(error)
    return "" if " hist" in told else "this kernel has no histograms among them"


class _Run:
    """One run of a counter: :meth:`begin` when all is set up, :meth:`wait` until it is over."""

    def __init__(
        self, session: Session, target: Optional[Target], for_s: Optional[float], stop: Callable[[], bool]
    ) -> None:
        self.session = session
        self._target = target
        self._for_s = for_s
        self._stop = stop
        self.ending = Ending(target, for_s, stop)
        # The kernel leaves out a switch between tasks only if it is to leave out both.
        self.own_pid = session.host.facts.reader_pid if target is None else None
        self.wake = None if target is None else target.pidfd()

    def begin(self) -> None:
        """Let the target run; time counts from here."""
        if self._target is not None and not self.session.instance.planned:
            self._target.release()
        self.ending = Ending(self._target, self._for_s, self._stop)

    def wait(self) -> None:
        """Wait until it is over."""
        if not self.session.instance.planned:
            self.ending.wait(lambda: self.session.deadline_reached)


_Counted = Tuple[List[CountRow], int, int]


class _Counter:
    """Sets up in its making, and counts in :meth:`run`."""

    def __init__(
        self, session: Session, places: Sequence[Place], catalogue: Catalogue, by: str, followed: bool
    ) -> None:
        self.session = session
        self.followed = followed
        self.by = by
        self.events = self.set_up(places, catalogue)

    def set_up(self, places: Sequence[Place], catalogue: Catalogue) -> Dict[str, Place]:
        raise NotImplementedError

    def run(self, run: _Run) -> _Counted:
        raise NotImplementedError

    def missed(self) -> int:
        """Return what kprobes missed (third column of ``kprobe_profile``)."""
        return sum(missed for _, missed in _profile(self.session, self.events).values())


class _Hist(_Counter):
    def set_up(self, places: Sequence[Place], catalogue: Catalogue) -> Dict[str, Place]:
        events = define(self.session, places, catalogue)
        for name in events:
            system, _, event = name.partition(":")
            self._trigger(system, event)
        return events

    def _condition(self) -> str:
        """Leave out kdiag itself, of which a switch to another task would count."""
        own = self.session.host.facts.reader_pid
        return "" if self.followed or own is None else f" if common_pid != {own}"

    def _trigger(self, system: str, event: str) -> None:
        names = _KEYS[self.by]
        for name in names:
            try:
                self.session.trigger(system, event, f"hist:keys={name}:size={_HIST_SIZE}{self._condition()}")
                return
            except TraceFsError:
                if name == names[-1]:
                    raise

    def run(self, run: _Run) -> _Counted:
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


class _Profile(_Counter):
    def set_up(self, places: Sequence[Place], catalogue: Catalogue) -> Dict[str, Place]:
        return attach(self.session, places, catalogue)

    def run(self, run: _Run) -> _Counted:
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


class _Stream(_Counter):
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

    def run(self, run: _Run) -> _Counted:
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

    def _stack(self, event: Event) -> Key:
        if self._names is None:
            return ()
        return self._names.names(event.stack or ())


_COUNTERS = {"hist": _Hist, "profile": _Profile, "stream": _Stream}


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
    for file in sorted({_PROFILED[kind] for kind in kinds if kind in _PROFILED}):
        parse = parse_kprobe_profile if file == "kprobe_profile" else parse_uprobe_profile
        if session.tracefs.exists(file):
            profiles = parse(session.tracefs.read_bytes(file), session.tracefs.path(file))
            found.update((each.name, (each.hits, each.missed or 0)) for each in profiles.probes)
    own = {name: name.partition(":")[2] for name in events}
    return {name: found[event] for name, event in own.items() if event in found}


def _function(frame: str) -> str:
    """Return the function of a frame, without its offset: calls from two places of one are one stack."""
    return frame.rpartition("+")[0] or frame
