"""How often probes fire: counted by the kernel where it can, else in kdiag from the raw buffers.

=========  =================================================================================================
hist       a histogram trigger on each event: the kernel counts, by key, and records nothing
profile    ``kprobe_profile``, ``uprobe_profile``: the kernel counts each probe, of all processes, without key
buffers    an instance for each probe: its buffer's counters tell how much was written; nothing is read
stream     every event is recorded, read and counted; what the buffer loses is said
=========  =================================================================================================

Traps. A kretprobe misses calls when more are under way than it has room for; the kernel counts those
(``missed``). A ``pid`` is a thread's id.
"""

from contextlib import ExitStack
from typing import Callable, List, Optional, Sequence, Tuple

from kdiag.doctor.mechanism import Choice, Mechanism, Trial, choose
from kdiag.ftrace.places import Catalogue, Place
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import TraceFs, TraceFsError
from kdiag.host.base import Host
from kdiag.host.target import Target
from kdiag.records import NamedTuple
from kdiag.tools.counters import (
    COUNTERS,
    HIST_KEYS,
    LEAST_KIB,
    PROFILED,
    BadCounts,
    CountRow,
    Key,
    Run,
    follow,
)

__all__ = ["BY", "BadCounts", "MECHANISMS", "Count", "CountRow", "Key", "count"]

#: What to count by, in the words of ``--by``; "" is by probe alone.
BY = ("comm", "pid", "cpu", "stack")
MECHANISMS = (
    Mechanism("hist", ("hist_triggers",), "the kernel counts each event in a histogram, and records nothing"),
    Mechanism("profile", ("probe_profile",), "the kernel counts the hits of each probe"),
    Mechanism("buffers", ("instances",), "each probe has a buffer of its own, whose counters tell"),
    Mechanism("stream", (), "every event is recorded, read and counted in kdiag"),
)
#: An instance takes some time to make, and memory on each CPU.
_MOST_BUFFERS = 16


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
    on_begin: Callable[[], object] = lambda: None,
) -> Count:
    """Count until the target ends, ``for_s`` is over, or ``stop`` says so.

    ``on_begin`` is called when all is set up, before the target runs.

    Raises :exc:`~kdiag.doctor.mechanism.NoMechanism`, and what the session raises.
    """
    catalogue = catalogue or Catalogue(tracefs, host)
    deadline_s = None if for_s is None else for_s + 60
    # What the kernel counts needs no room in the buffers.
    with Session(tracefs, host, buffer_kib_per_cpu=LEAST_KIB, deadline_s=deadline_s) as session:
        follow(session, target)
        session.notes += _notes_on(places, target)
        choice = choose("count", MECHANISMS, _trials(session, places, by, target), forced)
        with ExitStack() as more:
            counter = COUNTERS[choice.name](session, places, catalogue, by, target, more)
            run = Run(session, target, for_s, stop, on_begin)
            rows, lost, missed = counter.run(run)
            ended, duration_s = run.ending.why or "its deadline came", run.ending.duration_s
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
        remedy = "a kernel with CONFIG_HIST_TRIGGERS"
        if not why and by == "comm" and HIST_KEYS["comm"][0] not in session.tracefs.read("README"):
            # ``common_pid.execname`` names a thread as it was called at its first event: before its exec.
            why = "on this kernel they do not know a thread's name at each event"
            remedy = "a kernel that counts by common_comm (6.17)"
        return Trial("triggers", not why, why=why, remedy=remedy)

    def probe_profile() -> Trial:
        why = ""
        other = [str(place) for place in places if place.probe.kind not in PROFILED]
        if by:
            why = f"it does not count by {by}"
        elif target is not None:
            why = "it counts all processes"
        elif other:
            why = f"it counts dynamic probes only, not {other[0]}"
        return Trial("their profile", not why, why=why)

    def instances() -> Trial:
        why = ""
        if by not in ("", "cpu"):
            why = f"they do not count by {by}"
        elif len(places) > _MOST_BUFFERS:
            why = f"it takes one for each of {len(places)} probes, and at most {_MOST_BUFFERS} are made"
        return Trial("counters of buffers", not why, why=why)

    trials = {"hist_triggers": hist_triggers, "probe_profile": probe_profile, "instances": instances}
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
