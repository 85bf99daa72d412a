"""The path of a call by probes on the functions at which layers meet, where function_graph is missing.

A kprobe and a kretprobe on each (:mod:`kdiag.path.acquire.boundary_table`), in a group of kdiag's own, with a
private instance: nothing global is touched but the list of definitions. The tree is partial, its times are
exact, and return values say where an error was born, as far as one of the probed functions returned it.
"""

import time
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from kdiag.doctor.mechanism import Choice
from kdiag.ftrace.comms import Comms
from kdiag.ftrace.dynamic_events import DynamicEvents
from kdiag.ftrace.event import Event
from kdiag.ftrace.event import Lost as LostEvents
from kdiag.ftrace.events import EventReader, live
from kdiag.ftrace.functions import functions_of_kernel
from kdiag.ftrace.retval import retval_errno, signed_64
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import TraceFs, TraceFsError
from kdiag.host.base import Host
from kdiag.host.target import Target
from kdiag.kernel.machine import machine_of
from kdiag.path.acquire.boundary_pair import Pairing, Point
from kdiag.path.acquire.boundary_table import boundaries_of
from kdiag.path.acquire.graph_bounds import Bounds
from kdiag.path.acquire.graph_join import Span
from kdiag.path.acquire.graph_names import NoSuchFunction, Traceable, near
from kdiag.path.acquire.graph_run import placed_waits
from kdiag.path.acquire.graph_spans import SpanBuilder
from kdiag.path.call import Call, Capture, Lost, Outcome, SyscallCall
from kdiag.path.error_origin import PARTIAL
from kdiag.path.mechanisms import EXACT, INFERRED
from kdiag.path.request import CannotAcquire, Request

__all__ = ["CannotProbe", "acquire"]

CLOCK = "mono"
_MAX_ACTIVE = 64


class CannotProbe(CannotAcquire):
    """No boundary can be probed here; the message says why."""


def acquire(
    request: Request,
    host: Host,
    tracefs: Optional[TraceFs],
    target: Optional[Target],
    choice: Choice,
    stop: Callable[[], bool],
) -> Capture:
    """Return a capture whose calls are traced when they are asked for (:mod:`kdiag.path.request`)."""
    if tracefs is None:
        raise CannotProbe("probes need tracefs")
    outcome = Outcome()
    trace = _Trace(request, host, tracefs.top, target, stop, outcome)
    shown = "all processes" if target is None else target.shown
    return Capture(
        choice, CLOCK, trace.calls(), shown, EXACT["boundaries"], INFERRED["boundaries"], outcome=outcome
    )


class _Trace:
    """One run: the probes, and the calls that are put together from what they say."""

    def __init__(
        self,
        request: Request,
        host: Host,
        tracefs: TraceFs,
        target: Optional[Target],
        stop: Callable[[], bool],
        outcome: Outcome,
    ) -> None:
        self.request = request
        self.host = host
        self.tracefs = tracefs
        self.target = target
        self.stop = stop
        self.outcome = outcome
        self.machine = request.machine or machine_of(host) or ""
        self.pairing = Pairing()
        #: By the name of its event: the function of a probe, and whether it is at the entry.
        self.points: Dict[str, Tuple[str, bool]] = {}
        self.refused: List[str] = []
        self.count = 0
        self.events_read = 0
        self.until_ns: Optional[int] = None

    def calls(self) -> Iterator[SyscallCall]:
        """Set up, let the target go, yield its calls in the order of their ends, undo everything."""
        request = self.request
        functions = functions_of_kernel(self.tracefs, self.host)
        unique = [name for name, count in functions.names.items() if count == 1]
        if request.function and request.function not in functions.names:
            raise NoSuchFunction(
                request.function,
                "this kernel has no such function, or only inlined into others",
                near(request.function, functions.names),
            )
        with Session(
            self.tracefs,
            self.host,
            clock=CLOCK,
            buffer_kib_per_cpu=request.buffer_kib_per_cpu,
            user_data=True,
        ) as session:
            self.outcome.notes += session.notes
            comms = Comms(session)
            spans = SpanBuilder(comms.of)
            probes = DynamicEvents(session)
            traceable = Traceable("\n".join(functions.names))
            bounds = Bounds(request, self.machine, session, probes, spans, traceable, ())
            if self.target is None:
                session.exclude_self()
            else:
                session.follow(self.target.tids)
            self._place(session, probes, unique)
            session.enable("sched", "sched_switch")
            session.enable("sched", "sched_waking")
            comms.enable()
            bounds.enable()
            if bounds.refused:
                raise CannotProbe(f"{request.function}: {bounds.refused}")
            if self.tracefs.planned:
                return
            try:
                yield from self._run(session, spans, comms)
            finally:
                self._account(session, spans, bounds)

    def _place(self, session: Session, probes: DynamicEvents, unique: Sequence[str]) -> None:
        """Put probes on the boundaries; what the kernel refuses is left out and told."""
        wanted: Dict[str, None] = {}
        left_out = 0
        for name in self.request.syscalls or (self.request.function or "all",):
            chosen, more = boundaries_of(name, unique)
            wanted.update(dict.fromkeys(chosen))
            left_out += more
        wanted.pop(self.request.function, None)
        for function in wanted:
            try:
                entry = probes.kernel_function("kprobe", function)
                leave = probes.kernel_function(
                    "kretprobe", function, ("ret=$retval:s64",), max_active=_MAX_ACTIVE
                )
                for system, event in (leave, entry):
                    session.enable(system, event)
            except TraceFsError:
                self.refused.append(function)
                continue
            self.points[":".join(entry)] = (function, True)
            self.points[":".join(leave)] = (function, False)
        if not self.points:
            raise CannotProbe("none of the functions at which layers meet can be probed on this kernel")
        if left_out:
            self.outcome.notes.append(f"{left_out} more functions at which layers meet have no probe")

    def _run(self, session: Session, spans: SpanBuilder, comms: Comms) -> Iterator[SyscallCall]:
        reader = EventReader(session.formats.values(), session.page_layout)
        session.start()
        if self.target is not None:
            self.target.release()
        if self.request.for_s is not None:
            self.until_ns = time.monotonic_ns() + int(self.request.for_s * 1e9)
        chunks = session.chunks(lambda: self._is_over(session))
        for item in live(reader, self._kept(chunks)):
            if isinstance(item, LostEvents):
                spans.lost(item)
                self.pairing.lost()
                continue
            self.events_read += 1
            comms.feed(item)
            call = self._step(item, spans, comms)
            if call is not None:
                yield call
        for span in spans.unfinished():
            yield self._call(span, None, comms)

    def _kept(self, chunks: Iterator[Optional[Tuple[int, bytes]]]) -> Iterator[Optional[Tuple[int, bytes]]]:
        for chunk in chunks:
            if chunk is not None and self.request.raw is not None:
                self.request.raw(f"events.cpu{chunk[0]}.raw", chunk[1])
            yield chunk

    def _step(self, event: Event, spans: SpanBuilder, comms: Comms) -> Optional[SyscallCall]:
        point = self.points.get(event.name)
        if point is not None:
            function, enters = point
            value = None if enters else event.fields.get("ret")
            retval = signed_64(value) if isinstance(value, int) else None
            self.pairing.point(Point(event.ts_ns, event.pid, function, enters, retval))
            return None
        bound = spans.bounds.get(event.name)
        span = spans.event(event)
        root = None
        if span is not None and span.end_ns is not None:
            root = self.pairing.end(event.pid, span.end_ns, span.retval)
        if bound is not None and bound.enters:
            self.pairing.begin(event.pid, bound.name or "system call", event.ts_ns)
        return None if span is None else self._call(span, root, comms)

    def _call(self, span: Span, root: Optional[Call], comms: Comms) -> SyscallCall:
        self.count += 1
        if root is None:
            root = self.pairing.unfinished_of(span.tid)
        if root is not None:
            root.function = self.request.function or f"sys_{span.name}"
            root.notes.append(PARTIAL)
        errno = None if span.retval is None else retval_errno(span.retval)
        return SyscallCall(
            name=span.name,
            tid=span.tid,
            comm=comms.of(span.tid),
            start_ns=span.start_ns,
            duration_ns=None if span.end_ns is None else span.end_ns - span.start_ns,
            retval=span.retval,
            errno=errno,
            args=span.args,
            root=root,
            waits=placed_waits(root, span.waits),
            cpu=span.cpu,
        )

    def _is_over(self, session: Session) -> bool:
        """Tell whether it is over, and why."""
        outcome, target, most = self.outcome, self.target, self.request.most_calls
        if target is not None and target.ended():
            outcome.ended = "the command ended" if target.started else "the target ended"
        elif self.stop():
            outcome.ended = "stopped"
        elif self.until_ns is not None and time.monotonic_ns() >= self.until_ns:
            outcome.ended = "the time was over"
        elif most is not None and self.count >= most:
            outcome.ended = "enough calls were seen"
        elif session.deadline_reached:
            outcome.ended = "the session's deadline was reached"
        return bool(outcome.ended)

    def _account(self, session: Session, spans: SpanBuilder, bounds: Bounds) -> None:
        """Say how it went."""
        outcome = self.outcome
        outcome.ended = outcome.ended or "stopped"
        outcome.events = self.events_read
        outcome.notes.append(f"{len(self.points) // 2} functions were probed")
        if self.refused:
            outcome.notes.append(
                "not to be probed on this kernel, or returning nothing: " + ", ".join(self.refused)
            )
        missed = _missed(self.tracefs, self.points)
        if missed:
            outcome.notes.append(
                f"probes were missed {sum(missed.values())} times ({', '.join(sorted(missed))}): these calls "
                "have no end"
            )
        lost = max(session.lost(), spans.lost_events)
        outcome.lost = Lost(lost, spans.dropped_calls, spans.lost_unknown and not lost)
        if not self.count:
            outcome.nothing = bounds.why_nothing(self.host)


def _missed(tracefs: TraceFs, points: Dict[str, Tuple[str, bool]]) -> Dict[str, int]:
    """Return how often each function's probes were missed, of those that were (``kprobe_profile``)."""
    names = {name.partition(":")[2]: function for name, (function, _) in points.items()}
    found: Dict[str, int] = {}
    try:
        text = tracefs.read("kprobe_profile")
    except TraceFsError:  # the pairs themselves show what is missing
        return found
    for line in text.split("\n"):
        fields = line.split()
        if len(fields) == 3 and fields[0] in names and fields[2].isdigit() and int(fields[2]):
            function = names[fields[0]]
            found[function] = found.get(function, 0) + int(fields[2])
    return found
