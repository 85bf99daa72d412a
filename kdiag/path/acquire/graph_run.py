"""One run of function_graph: rounds of reading, and what is changed on the way."""

import threading
import time
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from kdiag.ftrace.comms import Comms
from kdiag.ftrace.dynamic_events import DynamicEvents
from kdiag.ftrace.event import Event
from kdiag.ftrace.event import Lost as LostEvents
from kdiag.ftrace.events import EventReader
from kdiag.ftrace.function_graph import parse_graph
from kdiag.ftrace.retval import retval_errno
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import TraceFsError
from kdiag.host.base import Host
from kdiag.host.target import Target
from kdiag.kernel.errno_names import name_of
from kdiag.kernel.syscall_symbol import syscall_of_symbol
from kdiag.path.acquire.boundary_table import boundaries_of
from kdiag.path.acquire.graph_births import Births
from kdiag.path.acquire.graph_bounds import Bounds
from kdiag.path.acquire.graph_functions import is_silent, worth_keeping
from kdiag.path.acquire.graph_join import Joined, Joiner
from kdiag.path.acquire.graph_learn import Learner
from kdiag.path.acquire.graph_names import Traceable
from kdiag.path.acquire.graph_reader import GraphReader
from kdiag.path.acquire.graph_replay import Repeated, Replay, explain_by, is_repeatable, replay_of
from kdiag.path.acquire.graph_returns import put_returns
from kdiag.path.acquire.graph_setup import GraphSetup
from kdiag.path.acquire.graph_spans import SpanBuilder
from kdiag.path.acquire.graph_trees import TreeBuilder
from kdiag.path.call import Call, Lost, Outcome, SyscallCall, Wait
from kdiag.path.request import Request

__all__ = ["GraphRun", "placed_waits"]

_ROUND_S = 0.05
#: An event may be written a little after the time that it carries.
_SLACK_NS = 1_000_000
#: How many calls of a probed function may be under way at a time; what is beyond is missed, and counted.
_MAX_ACTIVE = 64


class _Job(threading.Thread):
    """Something slow that is done while the buffers are read on: hooking functions takes seconds at worst."""

    def __init__(self, work: Callable[[], None], done: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.done = done
        self.error: Optional[BaseException] = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            self.error = error


class GraphRun:
    """Reads text and events until the target ends; ``outcome`` is complete then."""

    def __init__(
        self,
        request: Request,
        machine: str,
        host: Host,
        target: Optional[Target],
        stop: Callable[[], bool],
        outcome: Outcome,
        setup: GraphSetup,
        events: Session,
        traceable: Traceable,
        roots: Sequence[str],
    ) -> None:
        self.request = request
        self.host = host
        self.target = target
        self.stop = stop
        self.outcome = outcome
        self.setup = setup
        self.events = events
        self.traceable = traceable
        self.roots = tuple(roots)
        self.births = Births()
        self.learner = Learner()
        self.comms = Comms(events)
        self.probes = DynamicEvents(events)
        self.spans = SpanBuilder(self.comms.of)
        self.trees = TreeBuilder(frozenset(roots))
        self.joiner = Joiner()
        self.bounds = Bounds(request, machine, events, self.probes, self.spans, traceable, roots)
        self.count = 0
        self.read_events = 0
        self.wide_ns = 0
        self._wide_since_ns: Optional[int] = None
        self._seen_cpus: Dict[int, None] = {}
        self._held: List[Union[Event, LostEvents]] = []
        self._until_ns: Optional[int] = None
        self._has_probes = False
        self._job: Optional[_Job] = None
        self._to_probe: Dict[str, None] = {}

    def narrow_at_once(self) -> bool:
        """Set up a trace that needs no learning; ``False`` where it does."""
        return False

    def enable(self) -> None:
        """Enable the events beside the graph, those of the call itself last."""
        self.events.enable("sched", "sched_switch")
        self.events.enable("sched", "sched_waking")
        self.comms.enable()
        self.bounds.enable()

    def calls(self) -> Iterator[SyscallCall]:
        """Let the target go, and trace it until the end."""
        self.reader = self._new_reader()
        self.text = GraphReader(self.setup.pipes, parse_graph, keep=self.request.raw)
        self._wide_since_ns = time.monotonic_ns()
        self._probe_ahead()
        self.events.start()
        if self.target is not None:
            self.target.release()
        if self.request.for_s is not None:
            self._until_ns = time.monotonic_ns() + int(self.request.for_s * 1e9)
        try:
            while not self._is_over():
                yield from self._round(_ROUND_S)
                self._steer()
            while self._job is not None:
                yield from self._round(_ROUND_S)
                self._end_job()
            self.setup.stop()
            self.events.stop()
            yield from self._drain()
            self._explain()
        finally:
            if self._job is not None:
                self._job.join()  # whatever it writes has to be undone after it
            self._account()

    def _is_over(self) -> bool:
        """Tell whether it is over, and why."""
        most, until_ns, target = self.request.most_calls, self._until_ns, self.target
        outcome = self.outcome
        if target is not None and target.ended():
            outcome.ended = "the command ended" if target.started else "the target ended"
        elif self.stop():
            outcome.ended = "stopped"
        elif until_ns is not None and time.monotonic_ns() >= until_ns:
            outcome.ended = "the time was over"
        elif most is not None and self.count >= most:
            outcome.ended = "enough calls were seen"
        elif self.events.deadline_reached:
            outcome.ended = "the session's deadline was reached"
        return bool(outcome.ended)

    # Reading

    def _round(self, wait_s: float) -> Iterator[SyscallCall]:
        before_ns = time.monotonic_ns() - _SLACK_NS
        self._read_events(wait_s)
        for cpu in self._seen_cpus:
            self._held.extend(self.reader.finish(cpu, before_ns))
        self._take_events(before_ns)
        for tree in self.trees.feed(self.text.sweep()):
            self.joiner.tree(tree)
        for joined in self.joiner.ready(min(before_ns, self.text.caught_up_ns)):
            yield self._call(joined)

    def _drain(self) -> Iterator[SyscallCall]:
        """Take what is left in all buffers, tracing being off."""
        self._collect()
        for joined in self.joiner.rest():
            yield self._call(joined)

    def _collect(self) -> None:
        while self._read_events(0):
            pass
        for cpu in self._seen_cpus:
            self._held.extend(self.reader.finish(cpu))
        self._take_events(None)
        for tree in self.trees.feed(self.text.rest()):
            self.joiner.tree(tree)
        for tree in self.trees.unfinished():
            self.joiner.tree(tree)
        for span in self.spans.unfinished():
            self.joiner.span(span)

    def _read_events(self, wait_s: float) -> bool:
        """Read every buffer once; return whether there was anything."""
        found = False
        for cpu, data in self.events.pages(wait_s):
            found = True
            self._seen_cpus[cpu] = None
            if self.request.raw is not None:
                self.request.raw(f"events.cpu{cpu}.raw", data)
            self._held.extend(self.reader.read(cpu, data))
        return found

    def _take_events(self, before_ns: Optional[int]) -> None:
        held = self._held
        held.sort(key=lambda each: each.ts_ns)
        at = len(held)
        if before_ns is not None:
            at = next((at for at, each in enumerate(held) if each.ts_ns >= before_ns), at)
        self._held = held[at:]
        for each in held[:at]:
            if isinstance(each, LostEvents):
                self.spans.lost(each)
                continue
            self.read_events += 1
            self.comms.feed(each)
            span = self.spans.event(each)
            if span is not None:
                self.joiner.span(span)

    def _new_reader(self) -> EventReader:
        return EventReader(self.events.formats.values(), self.events.page_layout)

    # What a call becomes

    def _call(self, joined: Joined) -> SyscallCall:
        span, tree = joined
        root = None if tree is None else tree.root
        retval = None if span is None else span.retval
        if retval is None and root is not None:
            retval = root.retval
        errno = None if retval is None else retval_errno(retval)
        start_ns, end_ns = _times(joined)
        tid = span.tid if span is not None else 0 if tree is None else tree.tid
        if root is not None:
            if root.retval is None:
                root.retval = retval
            self._learn(joined, root, errno)
        if span is not None:
            name = span.name
        else:
            function = "" if root is None else root.function
            name = self.request.function or syscall_of_symbol(function) or function
        self.count += 1
        return SyscallCall(
            name=name,
            tid=tid,
            comm=self.comms.of(tid),
            start_ns=start_ns,
            duration_ns=None if end_ns is None else end_ns - start_ns,
            retval=retval,
            errno=errno,
            args=span.args if span is not None else "",
            root=root,
            waits=() if span is None else placed_waits(root, span.waits),
            cpu=tree.cpu if tree is not None else None if span is None else span.cpu,
        )

    def _learn(self, joined: Joined, root: Call, errno: Optional[int]) -> None:
        self.learner.saw(worth_keeping(root), errno, time.monotonic_ns())
        if errno is None or self.setup.has_retval or not self.request.wanted_errors:
            return
        span = joined.span
        if span is not None and self.births.returned(root, errno, span.start_ns, span.returns):
            return
        wanted = self.births.failed(root, errno, span)
        self._to_probe.update(dict.fromkeys(wanted))

    def _explain(self) -> None:
        """Make failing calls of a command once more, as far as that does no harm, to see where they fail."""
        births = self.births
        if self.target is None or not self.target.started:
            return
        for errno, root in list(births.unexplained.items()):
            span = births.spans.get(errno)
            again = None if span is None else replay_of(span.name, span.values, span.texts)
            number = None if span is None else self.bounds.number_of(span.name)
            if span is None or again is None or number is None:
                continue
            self._probe(births.failed(root, errno))
            found = self._repeat(number, again, errno)
            told = "" if found is None else explain_by(found, root, errno)
            if told:
                self.outcome.notes.append(
                    f"where {name_of(errno)} was born is from kdiag's own repetition of "
                    f"{span.name}({span.args}), which failed alike and {told}"
                )

    def _repeat(self, number: int, again: Repeated, errno: int) -> Optional[Call]:
        """Return the tree of the repetition, with return values, if it failed alike."""
        replay = Replay(number, again.arguments)
        try:
            self.setup.follow([replay.pid])
            self.events.follow([replay.pid])
            self.setup.resume()
            self.events.instance.write("tracing_on", "1")
            replay.go()
        finally:
            replay.close()
        self.setup.stop()
        self.events.stop()
        self._collect()
        for span, tree in self.joiner.rest():
            if span is None or tree is None or span.tid != replay.pid:
                continue
            if span.retval is not None and retval_errno(span.retval) == errno:
                put_returns(tree.root, span.returns, self.births.probed)
                tree.root.retval = span.retval
                return tree.root
        return None

    # What is changed while it runs

    def _probe_ahead(self) -> None:
        """Put probes on the boundaries of layers, for a command whose failing call could not be repeated."""
        syscalls, target = self.request.syscalls, self.target
        if self.setup.has_retval or not self.request.wanted_errors or target is None or not target.started:
            return
        if not syscalls or any(is_repeatable(syscall) for syscall in syscalls):
            return
        wanted: Dict[str, None] = {}
        for syscall in syscalls:
            wanted.update(dict.fromkeys(boundaries_of(syscall, self.traceable)[0]))
        self._probe([name for name in wanted if not is_silent(name, 0)])

    def _probe(self, functions: Sequence[str]) -> None:
        """Put return probes on functions, and wait until they are in place."""
        placed: List[str] = []
        self._place(functions, placed)
        self._placed(placed)

    def _place(self, functions: Sequence[str], placed: List[str]) -> None:
        """Put return probes on functions; the kernel refuses it where nothing is returned, and elsewhere."""
        if functions and not self._has_probes:
            self._has_probes = True
            if self.bounds.probes_take_locks:
                self.setup.hide_probes()
                self.outcome.notes.append(
                    "spin locks are not shown while there are return probes, which take some themselves"
                )
        for function in functions:
            if self.traceable.is_ambiguous(function):
                self.births.refused(function)
                continue
            try:
                system, event = self.probes.kernel_function(
                    "kretprobe", function, ("ret=$retval:s64",), max_active=_MAX_ACTIVE
                )
                self.events.enable(system, event)
            except TraceFsError:
                self.births.refused(function)
                continue
            self.spans.functions[f"{system}:{event}"] = function
            placed.append(function)

    def _placed(self, functions: Sequence[str]) -> None:
        """Probes are in place: calls that begin from now on have all their returns."""
        placed_ns = time.monotonic_ns()
        for function in functions:
            self.births.placed(function, placed_ns)
        if functions:
            # The reader knows the formats that there were when it was made.
            for cpu in self._seen_cpus:
                self._held.extend(self.reader.finish(cpu))
            self.reader = self._new_reader()

    def _steer(self) -> None:
        """Begin what is to be changed, one thing at a time."""
        self._end_job()
        learner, now_ns = self.learner, time.monotonic_ns()
        if self._job is not None:
            return
        if self._to_probe:
            functions, self._to_probe = list(self._to_probe), {}
            placed: List[str] = []
            self._begin(lambda: self._place(functions, placed), lambda: self._placed(placed))
        elif self.request.narrow and learner.may_narrow(now_ns):
            numbers = self.traceable.numbers([*learner.functions, *self.roots])
            self._begin(lambda: self.setup.narrow(numbers), self._narrowed)
            learner.narrow()
        elif self.request.narrow and learner.must_widen():
            learner.widen(now_ns)
            self._wide_since_ns = self._wide_since_ns or now_ns
            self._begin(self.setup.widen, lambda: None)

    def _begin(self, work: Callable[[], None], done: Callable[[], None]) -> None:
        self._job = _Job(work, done)
        self._job.start()

    def _end_job(self) -> None:
        job = self._job
        if job is None or job.is_alive():
            return
        self._job = None
        if job.error is not None:
            raise job.error
        job.done()

    def _narrowed(self) -> None:
        if self._wide_since_ns is not None:
            self.wide_ns += time.monotonic_ns() - self._wide_since_ns
            self._wide_since_ns = None

    def _account(self) -> None:
        """Say how it went."""
        outcome, learner, births = self.outcome, self.learner, self.births
        outcome.ended = outcome.ended or "stopped"
        outcome.events = self.read_events
        if learner.narrowed:
            outcome.notes.append(
                f"narrowed to {len(learner.functions)} functions learnt from {learner.learnt_calls} calls: "
                "one that was called only later is not shown (--no-narrow shows all)"
            )
        if births.probed:
            outcome.notes.append(
                f"return values are from return probes on {len(births.probed)} functions; calls with these "
                "take longer"
            )
        if births.left_out:
            outcome.notes.append(f"{births.left_out} functions of failing calls got no return probe")
        if births.unmatched:
            outcome.notes.append(
                "not known, because a probe was missed: what these returned: " + ", ".join(births.unmatched)
            )
        if self.trees.bad_lines:
            outcome.notes.append(f"{self.trees.bad_lines} lines of the graph could not be read")
        if self.joiner.spans_without_tree:
            outcome.notes.append(
                f"{self.joiner.spans_without_tree} calls were seen by their events alone, without a tree"
            )
        outcome.lost = Lost(
            self.trees.lost_events + self.spans.lost_events,
            self.trees.dropped_calls + self.spans.dropped_calls,
            self.trees.lost_unknown or self.spans.lost_unknown,
        )
        if not self.count:
            outcome.nothing = self.bounds.why_nothing(self.host)


def _times(joined: Joined) -> Tuple[int, Optional[int]]:
    """Return begin and end, of the events where they showed them."""
    span, tree = joined
    if span is not None:
        return span.start_ns, span.end_ns
    if tree is None:
        return 0, None
    duration_ns = tree.root.duration_ns
    return tree.start_ns, tree.end_ns if duration_ns is None else tree.start_ns + duration_ns


def placed_waits(root: Optional[Call], waits: Sequence[Wait]) -> Tuple[Wait, ...]:
    """Give each wait the functions that were active when it began, innermost first, as the tree shows."""
    if root is None:
        return tuple(waits)
    return tuple(wait._replace(stack=_active_at(root, wait.start_ns)) for wait in waits)


def _active_at(root: Call, time_ns: int) -> Tuple[str, ...]:
    active = [root.function]
    call: Optional[Call] = root
    while call is not None:
        inner = None
        for child in call.children:
            if child.start_ns is None or child.start_ns > time_ns:
                break
            if child.end_ns is None or child.end_ns + 1000 > time_ns:
                inner = child
        if inner is not None:
            active.append(inner.function)
        call = inner
    return tuple(reversed(active))
