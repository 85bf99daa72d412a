"""The path of a system call from trace events with kernel stacks, where nothing better is allowed.

Needs an instance of tracefs with events and ``options/stacktrace``: no probes, no function tracers, so it
works under lockdown. The target's threads are filtered by the kernel (``set_event_pid``, with those born
later), so the rest of the system pays only the check (about 20 ns an event), and the target some 1.5 us for
each event that it meets, the stack included.

A second buffer, without stacks, has what block devices do for whomever: requests are completed in interrupts.
"""

import time
from contextlib import ExitStack
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from kdiag.doctor.mechanism import Choice
from kdiag.ftrace.event import Event
from kdiag.ftrace.event import Lost as LostEvents
from kdiag.ftrace.events import EventReader, Item, Rounds
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import TraceFs, TraceFsError
from kdiag.host.base import Host, ReadError
from kdiag.host.target import Target
from kdiag.kernel.errno_names import name_of
from kdiag.kernel.machine import machine_of
from kdiag.kernel.syscall_symbol import symbol_of_syscall
from kdiag.kernel.syscalls import SYSCALLS, entry_name
from kdiag.path.acquire import all_syscalls
from kdiag.path.acquire.stitch_arguments import arguments_of, describer
from kdiag.path.acquire.stitch_calls import CallKind, Stitcher
from kdiag.path.acquire.stitch_events import BLOCK_EVENTS, TASK_EVENTS, choose_events
from kdiag.path.acquire.stitch_selftest import why_nothing
from kdiag.path.acquire.stitch_symbols import StackSymbols
from kdiag.path.acquire.stitch_tree import Frame, clean
from kdiag.path.call import Capture, Lost, Outcome, SyscallCall
from kdiag.path.mechanisms import EXACT, INFERRED
from kdiag.path.request import CannotAcquire, Request
from kdiag.procfs.mountinfo import parse_mountinfo
from kdiag.procfs.pid_stack import parse_pid_stack
from kdiag.procfs.pid_stat import parse_pid_stat
from kdiag.procfs.pid_syscall import parse_pid_syscall
from kdiag.records import NamedTuple

__all__ = ["CannotStitch", "acquire"]

CLOCK = "mono"
_ROUND_S = 0.1
_ENDS = {
    "target": "the target ended",
    "stop": "stopped",
    "time": "the time was over",
    "calls": "enough calls were seen",
    "deadline": "the session's deadline was reached",
}


class CannotStitch(CannotAcquire):
    """What was asked for cannot be seen by this mechanism."""


def acquire(
    request: Request,
    host: Host,
    tracefs: Optional[TraceFs],
    target: Optional[Target],
    choice: Choice,
    stop: Callable[[], bool],
) -> Capture:
    """Return a capture whose calls are traced when they are asked for (:mod:`kdiag.path.request`)."""
    if request.function:
        raise CannotStitch(
            f"{request.function}: a function that is no system call cannot be timed by events alone; "
            "that needs function_graph or kprobes, see `kdiag doctor`"
        )
    if request.everything:
        return all_syscalls.acquire(request, host, tracefs, target, choice, stop)
    if tracefs is None:
        raise CannotStitch("stacks of events need tracefs")
    outcome = Outcome()
    trace = StitchTrace(tracefs, host, target, request, stop, outcome)
    shown = "all processes" if target is None else target.shown
    return Capture(choice, CLOCK, trace.calls(), shown, EXACT["stitch"], INFERRED["stitch"], outcome=outcome)


class _OfDevice(NamedTuple):
    """What comes from the buffer of the devices."""

    ts_ns: int
    item: Item


class _Seed(NamedTuple):
    """A thread that was inside of a call at a time; the stack outermost first."""

    ts_ns: int
    tid: int
    name: str
    state: str
    stack: Tuple[Frame, ...]
    arguments: Tuple[int, ...]


class StitchTrace:
    """One run: sessions, what is enabled in them, and how it went."""

    def __init__(
        self,
        tracefs: TraceFs,
        host: Host,
        target: Optional[Target],
        request: Request,
        stop: Callable[[], bool],
        outcome: Outcome,
    ) -> None:
        self.tracefs = tracefs.top
        self.host = host
        self.target = target
        self.request = request
        self.stop = stop
        self.outcome = outcome
        self.machine = request.machine or machine_of(host) or ""
        #: Names that the events of system calls (would) have, by number.
        self.numbers = {
            number: entry_name(name, self.machine) for number, name in SYSCALLS.get(self.machine, {}).items()
        }
        self.wanted = request.syscalls

    def calls(self) -> Iterator[SyscallCall]:
        """Set up, let the target go, yield its calls in the order of their ends, undo everything."""
        with ExitStack() as undo:
            sessions = [
                undo.enter_context(
                    Session(
                        self.tracefs,
                        self.host,
                        clock=CLOCK,
                        buffer_kib_per_cpu=self.request.buffer_kib_per_cpu,
                        label=label,
                    )
                )
                for label in ("calls", "devices")
            ]
            main, devices = sessions
            self.outcome.notes += [*main.notes, *devices.notes]
            numbers = self._enable(main, devices)
            if self.target is None:
                main.exclude_self()
            else:
                main.follow(self.target.tids)
            main.option("stacktrace", True)
            if self.tracefs.planned:
                for session in sessions:
                    session.start()
                return
            yield from _Run(self, main, devices, numbers).calls()

    def _enable(self, main: Session, devices: Session) -> Dict[int, str]:
        """Enable what there is, the calls themselves last; return the calls that only have a number."""
        instance = main.instance
        for system, event in [*TASK_EVENTS, *choose_events(self._listed, self._file_systems())]:
            if instance.exists(f"events/{system}/{event}/enable"):
                main.enable(system, event)
        for system, event in BLOCK_EVENTS:
            if instance.exists(f"events/{system}/{event}/enable"):
                devices.enable(system, event)
        numbers: Dict[int, str] = {}
        for name in self.wanted:
            if instance.exists(f"events/syscalls/sys_enter_{name}/enable"):
                for way in ("exit", "enter"):
                    main.enable("syscalls", f"sys_{way}_{name}")
                continue
            found = [number for number, each in self.numbers.items() if each == name]
            if not found:
                raise CannotStitch(f"{name}: this kernel has no events of a system call of that name")
            numbers[found[0]] = name
        if numbers:
            which = " || ".join(f"id == {number}" for number in sorted(numbers))
            for way in ("exit", "enter"):
                main.enable("raw_syscalls", f"sys_{way}", filter=which)
        return numbers

    def _listed(self, system: str) -> Sequence[str]:
        try:
            names = self.tracefs.list(f"events/{system}")
        except TraceFsError:  # not on this kernel
            return ()
        return [name for name in names if name not in ("enable", "filter")]

    def _file_systems(self) -> Set[str]:
        try:
            mounts = parse_mountinfo(self.host.read("/proc/self/mountinfo")).mounts
        except ReadError:
            return set()
        return {mount.fs_type for mount in mounts}


class _Run:
    """The rounds of reading."""

    def __init__(self, trace: StitchTrace, main: Session, devices: Session, numbers: Dict[int, str]) -> None:
        self.trace = trace
        self.sessions = (main, devices)
        self.readers = [EventReader(each.formats.values(), each.page_layout) for each in self.sessions]
        self.symbols = StackSymbols(trace.host, main)
        by_name = {each.full_name: each for each in main.formats.values()}
        kinds = {
            name: CallKind(
                name,
                self._root(name),
                describer(by_name.get(f"syscalls:sys_enter_{name}"), name, trace.machine),
                arguments_of(by_name.get(f"syscalls:sys_enter_{name}")),
            )
            for name in trace.wanted
        }
        self.stitcher = Stitcher(kinds, self.symbols.symbol, name_of, numbers=numbers, comm_of=self._comm)
        self.seeds: List[_Seed] = []
        self.seen: List[Set[int]] = [set(), set()]
        self.ended = ""
        self.until_s: Optional[float] = None

    def _root(self, name: str) -> str:
        known = self.symbols.known
        return symbol_of_syscall(name, self.trace.machine, known) or f"sys_{name}"

    def calls(self) -> Iterator[SyscallCall]:
        """Trace until the end, and give the calls in the order of their ends."""
        trace, stitcher, target = self.trace, self.stitcher, self.trace.target
        self._keep_formats()
        self._names()
        began_ns = time.monotonic_ns()
        for session in self.sessions:
            session.start()
        if target is not None and not target.started:
            self._seed(began_ns)
        if target is not None:
            target.release()
        self.until_s = None if trace.request.for_s is None else time.monotonic() + trace.request.for_s
        count = 0
        try:
            for item in self._items():
                for call in self._step(item, began_ns):
                    count += 1
                    yield call
                if trace.request.most_calls is not None and count >= trace.request.most_calls:
                    self.ended = _ENDS["calls"]
                    return
            self._sow(None, began_ns)
            for call in stitcher.finish(time.monotonic_ns()):
                count += 1
                yield call
        finally:
            self._tell(count)

    def _keep_formats(self) -> None:
        """Put what is needed to read the raw pages again into a capture that is to be saved."""
        keep, main = self.trace.request.raw, self.sessions[0]
        if keep is None:
            return
        keep("header_page", self.trace.tracefs.read_bytes("events/header_page"))
        for each in main.formats.values():
            keep("formats.txt", self.trace.tracefs.read_bytes(f"events/{each.system}/{each.name}/format"))

    def _keep_symbols(self) -> None:
        keep = self.trace.request.raw
        if keep is not None:
            lines = [
                f"{frame.address:x} {frame.function} {frame.module or '-'}\n"
                for frame in self.stitcher.frames()
            ]
            keep("symbols.txt", "".join(lines).encode("utf-8", "surrogateescape"))

    def _tell(self, count: int) -> None:
        """Fill in what is known at the end."""
        self._keep_symbols()
        outcome, stitcher = self.trace.outcome, self.stitcher
        lost = max(sum(session.lost() for session in self.sessions), stitcher.lost_events)
        outcome.lost = Lost(lost, stitcher.dropped_calls, stitcher.lost_unknown and not lost)
        finished, outcome.ended = bool(self.ended), self.ended or "stopped"
        outcome.events = stitcher.events
        if stitcher.points and stitcher.ended and stitcher.least_gap_ns is not None:
            met, takes_us = stitcher.points / stitcher.ended, stitcher.least_gap_ns / 1000
            outcome.notes.append(
                f"tracing takes time itself: a call met {met:.1f} events on average,"
                f" and recording one with its stack takes up to {takes_us:.1f} us"
            )
        if self.symbols.unresolved:
            outcome.notes.append(
                f"{self.symbols.unresolved} addresses have no name: the kernel hides addresses"
                " (kernel.kptr_restrict), and names were only learned from what was still in the buffer"
            )
        for reader in self.readers:
            if reader.orphan_stacks:
                outcome.notes.append(f"{reader.orphan_stacks} stacks had lost their event")
        if finished and not count and not lost:
            outcome.nothing = self._nothing()

    def _nothing(self) -> str:
        """Find out why no call was seen: does an event come if kdiag itself makes the call?"""
        return why_nothing(self.trace.tracefs, self.trace.host, self.trace.wanted, self.trace.numbers)

    def _step(self, item: object, began_ns: int) -> Iterator[SyscallCall]:
        if isinstance(item, _OfDevice):
            self.stitcher.device(item.item)
        elif isinstance(item, (Event, LostEvents)):
            if self.seeds:
                self._sow(item.ts_ns, began_ns)
            yield from self.stitcher.add(item)

    def _items(self) -> Iterator[object]:
        """Yield what both buffers have, in the order of time, until the target ends."""
        rounds = Rounds()
        while True:
            self.ended = self._why_end()
            last = bool(self.ended)
            if last:
                for session in self.sessions:
                    session.stop()
            self.symbols.learn()
            while self._read(rounds, 0 if last else _ROUND_S) and last:
                pass
            for cpus, reader, wrap in zip(self.seen, self.readers, (False, True)):
                for cpu in cpus:
                    rounds.add(_wrapped(reader.finish(cpu, _ALL if last else rounds.next_complete_ns), wrap))
            yield from rounds.end()
            if last:
                yield from rounds.rest()
                return

    def _why_end(self) -> str:
        """Say why it is over, "" if it is not."""
        target = self.trace.target
        if target is not None and target.ended():
            return "the command ended" if target.started else _ENDS["target"]
        if self.trace.stop():
            return _ENDS["stop"]
        if self.until_s is not None and time.monotonic() >= self.until_s:
            return _ENDS["time"]
        return _ENDS["deadline"] if self.sessions[0].deadline_reached else ""

    def _read(self, rounds: Rounds, timeout_s: float) -> bool:
        """Read every buffer once; return whether there was anything."""
        found = False
        for index, session in enumerate(self.sessions):
            for cpu, data in session.pages(timeout_s if index == 0 else 0):
                found = True
                self.seen[index].add(cpu)
                if self.trace.request.raw is not None:
                    self.trace.request.raw(f"{session.label}.cpu{cpu}.raw", data)
                rounds.add(_wrapped(self.readers[index].read(cpu, data), index == 1))
        return found

    # What was going on already

    def _names(self) -> None:
        """Find out what threads are called, and which process they belong to."""
        host, stitcher, target = self.trace.host, self.stitcher, self.trace.target
        for pid in () if target is None else target.pids:
            try:
                for name in host.list(f"/proc/{pid}/task"):
                    stitcher.names[int(name)] = self._comm(int(name))
                    stitcher.processes[int(name)] = pid
            except ReadError:  # it has ended
                continue

    def _comm(self, tid: int) -> str:
        try:
            comm = self.trace.host.read(f"/proc/{tid}/comm")
        except ReadError:  # it has ended
            return ""
        return comm.rstrip(b"\n").decode("utf-8", "surrogateescape")

    def _seed(self, began_ns: int) -> None:
        """Look for threads that are inside of a wanted call: its begin was before the recording."""
        wanted, numbers, target = set(self.trace.wanted), self.trace.numbers, self.trace.target
        for tid in [] if target is None else target.tids():
            before = self._syscall(tid)
            name = numbers.get(before[0], "") if before is not None else ""
            if before is None or name not in wanted:
                continue
            state, stack = self._asleep(tid)
            if self._syscall(tid) == before:
                self.seeds.append(
                    _Seed(max(began_ns, time.monotonic_ns()), tid, name, state, stack, before[1:-1])
                )

    def _sow(self, until_ns: Optional[int], began_ns: int) -> None:
        """Tell the stitcher of threads that were inside of a call, once all older events are in."""
        while self.seeds and (until_ns is None or self.seeds[0].ts_ns <= until_ns):
            seed = self.seeds.pop(0)
            self.stitcher.in_call_already(
                seed.tid, seed.name, began_ns, seed.state, seed.stack, seed.arguments
            )

    def _syscall(self, tid: int) -> Optional[Tuple[int, ...]]:
        try:
            call = parse_pid_syscall(self.trace.host.read(f"/proc/{tid}/syscall"))
        except ReadError:
            return None
        if call.number is None or call.stack_pointer is None:
            return None
        return (call.number, *call.arguments, call.stack_pointer)

    def _asleep(self, tid: int) -> Tuple[str, Tuple[Frame, ...]]:
        host = self.trace.host
        try:
            state = parse_pid_stat(host.read(f"/proc/{tid}/stat")).state
            frames = parse_pid_stack(host.read(f"/proc/{tid}/stack")).frames
        except ReadError:
            return "", ()
        found: List[Frame] = []
        for frame in frames:
            if frame.symbol is not None:
                address = self.symbols.address(frame.symbol, frame.offset_bytes or 0)
                found.append(Frame(address, frame.symbol, frame.module))
        return state or "", clean(found[::-1])


#: Later than any event.
_ALL = 1 << 64


def _wrapped(items: Iterator[Item], wrap: bool) -> Iterator[Item]:
    if not wrap:
        return items
    return (_OfDevice(item.ts_ns, item) for item in items)  # type: ignore[misc]
