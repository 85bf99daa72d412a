"""From trace events with stacks to system calls: begin and end, what was seen inside, waits, device times.

Begin, end, arguments and result of a call are those of its ``sys_enter``/``sys_exit`` events. What else its
task did in between gives a tree (:mod:`kdiag.path.acquire.stitch_tree`). ``sched_switch`` says when the task
was taken off its CPU and when it ran again, ``sched_waking`` who made it ready; the kernel records both for a
followed task even where they happen in another's context. Block requests are completed by interrupts that
belong to nobody, so they come from a buffer of their own and are matched by device and sector.

After a loss nothing that was going on can be trusted, and all of it is dropped and counted.
"""

from typing import Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from kdiag.ftrace.event import Event, Lost
from kdiag.path.acquire.stitch_events import RELEASES, detail
from kdiag.path.acquire.stitch_tree import Frame, StackCleaner, StackTree, is_interrupt_entry
from kdiag.path.call import Call, SyscallCall, Wait
from kdiag.records import NamedTuple

__all__ = ["CallKind", "Stitcher", "task_state"]

#: TASK_REPORT of include/linux/sched.h: the bits of ``prev_state``, and the letters that the kernel prints.
_STATES = (
    (0x01, "S"),
    (0x02, "D"),
    (0x04, "T"),
    (0x08, "t"),
    (0x10, "X"),
    (0x20, "Z"),
    (0x40, "P"),
    (0x80, "I"),
)
#: Contexts in which the running task is not the cause: TRACE_FLAG_HARDIRQ, _SOFTIRQ, _NMI.
_INTERRUPT_FLAGS = 0x08 | 0x10 | 0x40
#: Fields by which an event tells the result of something.
_RESULTS = ("ret", "err", "error", "rc", "retval", "res", "result", "status")
_CLONE_THREAD = 0x10000
_MAX_ERRNO = 4095
#: Notes of one place about what was seen there.
_MOST_NOTES = 4
#: What stands between a wake-up and the function that caused it.
_WAKE_UP = tuple(
    "try_to_wake_up __wake_up wake_up default_wake_function autoremove_wake_function woken_wake_function"
    " wake_page_function wake_bit_function var_wake_function ttwu_ swake_up complete pollwake wake_q_".split()
)


class CallKind(NamedTuple):
    """One system call to be watched: its name, the root of its tree, how to write its arguments."""

    name: str
    root: str
    args: Callable[[Mapping[str, object]], str]
    arguments: Tuple[str, ...] = ()
    """Their names, in order, where the call has events of its own."""

    def named(self, values: Sequence[int]) -> Mapping[str, object]:
        """Return arguments that are only known by their order as an event would have them."""
        return dict(zip(self.arguments, values)) if self.arguments else {"args": tuple(values)}


class _Device:
    """What block requests of one place in the tree took at their device."""

    __slots__ = ("bytes", "longest_ns", "requests", "total_ns", "what")

    def __init__(self) -> None:
        self.requests = self.total_ns = self.longest_ns = self.bytes = 0
        self.what: Dict[str, None] = {}

    def told(self) -> str:
        """Say it in the few words that there is room for: the time is from issue to completion."""
        what = f"at device {', '.join(self.what)}, {self.bytes >> 10} KiB"
        if self.requests == 1:
            return f"{_us(self.total_ns)} {what}"
        return f"{_us(self.total_ns)} in {self.requests} requests {what}, longest {_us(self.longest_ns)}"


class _Open:
    """A call that has begun."""

    __slots__ = (
        *"args asleep asleep_already begin_lost clean_up cpu devices kind last last_ns results".split(),
        *"sectors start_ns tid tree waits woken".split(),
    )

    def __init__(self, kind: CallKind, tid: int, start_ns: int, args: str, cpu: Optional[int]) -> None:
        self.kind, self.tid, self.start_ns, self.args, self.cpu = kind, tid, start_ns, args, cpu
        root = Call(kind.root, None, start_ns)
        root.args = args
        self.tree = StackTree(root)
        self.waits: List[Wait] = []
        #: Off its CPU since, in which state, with which stack.
        self.asleep: Optional[Tuple[int, str, Tuple[Frame, ...]]] = None
        self.asleep_already = False
        #: When it was made ready to run again, and by whom.
        self.woken: Tuple[Optional[int], str] = (None, "")
        self.begin_lost = False
        self.sectors: List[Tuple[int, int, int, Call]] = []
        self.devices: Dict[int, Tuple[Call, _Device]] = {}
        self.results: Dict[int, Tuple[Call, str]] = {}
        #: What the last stack showed; and the first of the last run of stacks that only released something.
        self.last: Tuple[Call, ...] = ()
        self.last_ns = start_ns
        self.clean_up: Tuple[Call, ...] = ()


class Stitcher:
    """Takes events in the order of time, and gives calls in the order of their ends.

    ``kinds`` are the calls to be watched by the name that their events have (``openat`` of
    ``sys_enter_openat``), and ``numbers`` the names by number where only ``raw_syscalls`` are recorded.
    ``symbol`` names the function and module of an address. ``error_name`` names an errno.
    """

    def __init__(
        self,
        kinds: Mapping[str, CallKind],
        symbol: Callable[[int], Tuple[str, Optional[str]]],
        error_name: Callable[[int], str],
        *,
        numbers: Mapping[int, str] = {},
        names: Optional[Dict[int, str]] = None,
        processes: Optional[Dict[int, int]] = None,
        comm_of: Callable[[int], str] = lambda tid: "",
    ) -> None:
        self._kinds = dict(kinds)
        self._numbers = dict(numbers)
        self._frames = StackCleaner(symbol)
        self._error_name = error_name
        self._comm_of = comm_of
        self._open: Dict[int, _Open] = {}
        self._issued: Dict[Tuple[int, int], int] = {}
        self.names: Dict[int, str] = {} if names is None else names
        """Names of threads, kept up to date by the events that change them."""
        self.processes: Dict[int, int] = {} if processes is None else processes
        self.lost_events = 0
        self.lost_unknown = False
        self.dropped_calls = 0
        self.events = 0
        self.points = 0
        """Events inside of the calls that were asked for."""
        self.ended = 0
        self.least_gap_ns: Optional[int] = None
        """The shortest time between two events of a call: recording one, with its stack, takes less."""
        self._others: Dict[str, Callable[[Event], Iterator[SyscallCall]]] = {
            "sched:sched_switch": self._switch,
            "sched:sched_waking": self._waking,
            "sched:sched_process_exit": self._task_exit,
            "task:task_rename": self._renamed,
            "task:task_newtask": self._new_task,
        }

    def in_call_already(
        self,
        tid: int,
        name: str,
        since_ns: int,
        state: str = "",
        stack: Sequence[Frame] = (),
        arguments: Sequence[int] = (),
    ) -> None:
        """Say that a thread was in a call when the recording began; with a stack, that it slept there."""
        kind = self._kinds.get(name)
        if kind is None or tid in self._open:
            return
        call = self._open[tid] = _Open(kind, tid, since_ns, kind.args(kind.named(arguments)), None)
        call.begin_lost = call.tree.root.begin_lost = True
        if stack:
            frames = _without_switch(tuple(stack))
            call.tree.add(since_ns, frames, seen=False)
            call.asleep = (since_ns, state, frames)
            call.asleep_already = True

    def add(self, item: Union[Event, Lost]) -> Iterator[SyscallCall]:
        """Take the next event; yield the calls that end with it."""
        self.events += 1
        if isinstance(item, Lost):
            self._loss(item)
            return
        name = item.name
        other = self._others.get(name)
        if other is not None:
            yield from other(item)
        elif name.startswith("syscalls:sys_"):
            way, _, call = name[13:].partition("_")
            yield from self._enter(item, call) if way == "enter" else self._exit(item, call)
        elif name == "raw_syscalls:sys_enter":
            yield from self._enter(item, self._numbers.get(item.fields["id"], ""))
        elif name == "raw_syscalls:sys_exit":
            yield from self._exit(item, self._numbers.get(item.fields["id"], ""))
        else:
            self._point(item)

    def device(self, item: Union[Event, Lost]) -> None:
        """Take the next event of :data:`~kdiag.path.acquire.stitch_events.BLOCK_EVENTS`, of whatever task."""
        if isinstance(item, Lost):
            self._issued.clear()
            self.lost_events += item.events or 0
            self.lost_unknown |= item.events is None
            return
        fields = item.fields
        key = (fields["dev"], fields["sector"])
        if item.name == "block:block_rq_issue":
            self._issued[key] = item.ts_ns
            return
        issued_ns = self._issued.pop(key, None)
        if issued_ns is None:
            return
        for call in self._open.values():
            if call.sectors:
                self._completed(call, item, issued_ns)

    def finish(self, now_ns: int) -> Iterator[SyscallCall]:
        """Yield the calls that have not ended."""
        for tid in sorted(self._open):
            yield self._done(self._open[tid], now_ns, None, ended=False)
        self._open.clear()

    def frames(self) -> List[Frame]:
        """Return every place that was on a stack, by address."""
        return self._frames.frames()

    # Calls

    def _enter(self, event: Event, name: str) -> Iterator[SyscallCall]:
        kind = self._kinds.get(name)
        if self._open.pop(event.pid, None) is not None:
            self.dropped_calls += 1  # its end was not seen
        if kind is not None:
            args = kind.args(event.fields)
            self._open[event.pid] = _Open(kind, event.pid, event.ts_ns, args, event.cpu)
        return iter(())

    def _exit(self, event: Event, name: str) -> Iterator[SyscallCall]:
        call = self._open.pop(event.pid, None)
        if call is None:
            return  # of clone, as the child sees it; or it began before the recording
        if call.kind.name != name:
            self.dropped_calls += 1
            return
        yield self._done(call, event.ts_ns, _signed(event.fields["ret"]), ended=True)

    def _done(self, call: _Open, now_ns: int, retval: Optional[int], ended: bool) -> SyscallCall:
        self.ended += 1
        root = call.tree.root
        duration = now_ns - call.start_ns if ended and not call.begin_lost else None
        if call.asleep is not None:
            call.tree.add(now_ns, call.asleep[2], seen=False)
            self._runs(call, now_ns if ended else None)
        root.end_ns, root.duration_ns, root.retval = now_ns, duration, retval
        root.end_lost = not ended
        errno = -retval if retval is not None and -_MAX_ERRNO <= retval < 0 else None
        self._note(call, errno)
        return SyscallCall(
            call.kind.name,
            call.tid,
            self._name(call.tid),
            call.start_ns,
            duration,
            retval,
            errno,
            call.args,
            root,
            tuple(call.waits),
            self.processes.get(call.tid),
            call.cpu,
        )

    def _note(self, call: _Open, errno: Optional[int]) -> None:
        root = call.tree.root
        for node, device in call.devices.values():
            node.notes.append(device.told())
        if call.tree.not_kept:
            root.notes.append(f"{call.tree.not_kept} stacks showed further calls, which are not kept")
        if call.begin_lost:
            root.notes.append("it had begun before the recording")
        if errno is None:
            return
        if errno in call.results:
            node, event = call.results[errno]
            node.retval = -errno
            node.notes.append(f"here {event} said {self._error_name(errno)}, the first event to do so")
        name = self._error_name(errno)
        if len(call.clean_up) > 2:
            where = _told(call.clean_up[:-1])
            root.notes.append(
                f"all that it still did before it returned {name} was to release things, from {where} on"
            )
        if len(call.last) > 1:
            root.notes.append(f"last seen before it returned {name}: {_told(call.last)}")

    # What happens inside

    def _point(self, event: Event) -> None:
        call = self._open.get(event.pid)
        if call is None:
            return
        self._runs(call, event.ts_ns)  # that it came back was not seen, but here it is
        if event.stack is None:
            return
        self.points += 1
        if not event.flags & _INTERRUPT_FLAGS:  # that may come while another event is recorded
            gap_ns = event.ts_ns - call.last_ns
            call.last_ns = event.ts_ns
            self.least_gap_ns = gap_ns if self.least_gap_ns is None else min(gap_ns, self.least_gap_ns)
        frames = self._frames(event.stack)
        node = call.tree.add(event.ts_ns, frames)
        if not any(is_interrupt_entry(frame.function) for frame in frames):
            call.last = call.tree.path()
            if event.name not in RELEASES:
                call.clean_up = ()
            elif not call.clean_up:
                call.clean_up = call.last
        fields = event.fields
        told = detail(event.name, fields)
        if told and told not in node.notes and len(node.notes) < _MOST_NOTES:
            node.notes.append(told)
        if event.name.startswith("block:"):
            self._submitted(call, event, node)
        for name in _RESULTS:
            value = fields.get(name)
            if type(value) is int and value and -_MAX_ERRNO <= value <= _MAX_ERRNO:
                # sk_error_report's error is positive, everybody else's negative.
                number = -value if value < 0 else value if name == "error" else 0
                if number:
                    call.results.setdefault(number, (node, event.name))

    # Waiting

    def _switch(self, event: Event) -> Iterator[SyscallCall]:
        fields = event.fields
        off = self._open.get(fields["prev_pid"])
        if off is not None and event.pid == fields["prev_pid"]:
            self._runs(off, event.ts_ns)
            frames = _without_switch(self._frames(event.stack or ()))
            off.tree.add(event.ts_ns, frames)
            off.asleep = (event.ts_ns, task_state(fields["prev_state"]), frames)
            off.last = off.tree.path()
        on = self._open.get(fields["next_pid"])
        if on is not None:
            self._runs(on, event.ts_ns)
        for tid, name in ((fields["prev_pid"], "prev_comm"), (fields["next_pid"], "next_comm")):
            if tid in self._open:
                self.names[tid] = fields[name]
        return iter(())

    def _runs(self, call: _Open, now_ns: Optional[int]) -> None:
        """Note the time off the CPU that ends now (``None``: it goes on): asleep, then waiting for a CPU."""
        if call.asleep is None:
            return
        since_ns, state, frames = call.asleep
        call.asleep = None
        where = _innermost_first(frames)
        woken_ns, waker = call.woken
        call.woken = (None, "")
        if now_ns is not None:
            call.tree.add(now_ns, frames, seen=False)
        # Nobody knows how long it slept if it slept when the recording began.
        unknown, call.asleep_already = call.asleep_already, False
        if woken_ns is None or state == "R":
            length = None if now_ns is None or unknown else now_ns - since_ns
            call.waits.append(Wait(since_ns, length, state, where, waker))
            return
        call.waits.append(Wait(since_ns, None if unknown else woken_ns - since_ns, state, where, waker))
        call.waits.append(Wait(woken_ns, None if now_ns is None else now_ns - woken_ns, "R", where))

    def _waking(self, event: Event) -> Iterator[SyscallCall]:
        woken = self._open.get(event.fields["pid"])
        if woken is not None and woken.asleep is not None and woken.woken[0] is None:
            woken.woken = (event.ts_ns, self._waker(event))
        if woken is None or woken.tid != event.pid:
            self._point(event)
        return iter(())

    def _waker(self, event: Event) -> str:
        frames = self._frames(event.stack or ())
        by = ""
        for frame in reversed(frames):
            if not frame.function.startswith(_WAKE_UP):
                by = frame.function
                break
        if event.flags & _INTERRUPT_FLAGS:
            return f"an interrupt ({by})" if by else "an interrupt"
        name = self._name(event.pid)
        who = f"{name}-{event.pid}" if name else ("idle" if event.pid == 0 else f"thread {event.pid}")
        return f"{who} ({by})" if by else who

    def _name(self, tid: int) -> str:
        if not self.names.get(tid):
            self.names[tid] = self._comm_of(tid)
        return self.names[tid]

    def _task_exit(self, event: Event) -> Iterator[SyscallCall]:
        call = self._open.pop(event.pid, None)
        if call is not None:  # exit, exit_group, or killed in the midst of it
            done = self._done(call, event.ts_ns, None, ended=False)
            call.tree.root.notes.append("the thread ended in it")
            yield done

    def _renamed(self, event: Event) -> Iterator[SyscallCall]:
        self.names[event.fields.get("pid", event.pid)] = event.fields["newcomm"]
        self._point(event)
        return iter(())

    def _new_task(self, event: Event) -> Iterator[SyscallCall]:
        tid = event.fields["pid"]
        self.names[tid] = event.fields["comm"]
        of_same_process = event.fields["clone_flags"] & _CLONE_THREAD
        self.processes[tid] = self.processes.get(event.pid, event.pid) if of_same_process else tid
        self._point(event)
        return iter(())

    # Devices

    def _submitted(self, call: _Open, event: Event, node: Call) -> None:
        fields = event.fields
        sector, sectors = fields.get("sector"), fields.get("nr_sector")
        if event.name in _SUBMITS and sectors and isinstance(sector, int) and sector >= 0:
            call.sectors.append((_major(fields["dev"]), sector, sector + sectors, node))

    def _completed(self, call: _Open, event: Event, issued_ns: int) -> None:
        fields = event.fields
        dev, sector, sectors = fields["dev"], fields["sector"], fields["nr_sector"]
        found: Optional[Call] = None
        kept = []
        for each in call.sectors:
            major, start, end, node = each
            if major == _major(dev) and start < sector + sectors and sector < end:
                found = node  # the last is that of the request itself, where the task issued it
            else:
                kept.append(each)
        if found is None:
            return
        call.sectors = kept
        _, device = call.devices.setdefault(id(found), (found, _Device()))
        took_ns = event.ts_ns - issued_ns
        device.requests += 1
        device.total_ns += took_ns
        device.longest_ns = max(device.longest_ns, took_ns)
        device.bytes += sectors * 512
        # MKDEV of include/linux/kdev_t.h
        device.what[f"{_major(dev)}:{dev & 0xFFFFF} {fields.get('rwbs', '')}".rstrip()] = None

    def _loss(self, lost: Lost) -> None:
        self.lost_events += lost.events or 0
        self.lost_unknown |= lost.events is None
        self.dropped_calls += len(self._open)
        self._open.clear()


_SUBMITS = frozenset(("block:block_bio_queue", "block:block_rq_insert", "block:block_rq_issue"))


def task_state(state: int) -> str:
    """Return the letter for the ``prev_state`` of sched_switch; ``R`` is a task that was made to give way.

    >>> task_state(1), task_state(2), task_state(0), task_state(0x100)
    ('S', 'D', 'R', 'R')
    """
    for bit, letter in _STATES:
        if state & bit:
            return letter
    return "R"


def _without_switch(frames: Tuple[Frame, ...]) -> Tuple[Frame, ...]:
    """Leave out what only switches: the sleep is then seen in the function that asked for it (schedule)."""
    end = len(frames)
    while end > 1 and frames[end - 1].function in ("__schedule", "__sched_text_start", "__switch_to"):
        end -= 1
    return frames[:end]


def _innermost_first(frames: Sequence[Frame]) -> Tuple[str, ...]:
    return tuple(frame.function for frame in reversed(frames))


def _told(path: Sequence[Call]) -> str:
    return " < ".join(call.function for call in reversed(path[1:]))


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _major(dev: int) -> int:
    return dev >> 20


def _us(ns: int) -> str:
    return f"{ns / 1000:.1f} us"
