"""A session of tracing in an instance of its own, which is gone afterwards, whatever happens.

The instance is ``kdiag-PID-STARTTIME`` (see :mod:`kdiag.ftrace.lock` for who owns it). If kdiag dies, the
kernel itself stops the tracing and frees the buffer: ``options/disable_on_free`` is set, and a descriptor of
``free_buffer`` held. What then is left, the next session reaps (:mod:`kdiag.ftrace.reap`).

Traps. A new instance inherits the options of the top level (stacks on every event, if somebody set that
there), and is switched on. Resizing pauses tracing. ``set_event_pid`` takes thread ids of the initial PID
namespace. An instance cannot be removed while any file of it is open, or while a histogram uses a variable of
another event: triggers are undone in reverse order, from the text that was written, for the kernel prints
them differently.
"""

import errno
import os
import select
import signal
import threading
import time
from types import FrameType
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple, Union

from kdiag.ftrace.cpu_stats import CpuStats, parse_stats
from kdiag.ftrace.event_format import EventFormat, PageLayout, parse_format, parse_header_page
from kdiag.ftrace.instance import (
    NotTornDown,
    instance_name,
    pids_are_the_kernels,
    remove_instance,
    signals_held,
)
from kdiag.ftrace.lock import GATE, OWNER, LockHeld, take_soon
from kdiag.ftrace.reap import reap
from kdiag.ftrace.tracefs import TraceFs, TraceFsError
from kdiag.host.base import Host, ReadError
from kdiag.procfs.cpulist import parse_cpulist
from kdiag.procfs.meminfo import parse_meminfo

__all__ = ["CannotFollow", "CpuStats", "NotTornDown", "Session", "parse_stats"]

#: What a new instance must not inherit from the top level, and what kdiag relies on; those that a kernel does
#: not have are left out.
_OPTIONS: Tuple[Tuple[str, bool], ...] = (
    ("disable_on_free", True),
    ("overwrite", True),
    ("stacktrace", False),
    ("userstacktrace", False),
    ("event-fork", False),
    ("function-fork", False),
    ("pause-on-trace", False),
    ("record-tgid", False),
)
#: Memory for buffers: by default, of one CPU and of all; and the share of available memory never exceeded.
_USUAL_KIB, _USUAL_TOTAL_KIB, _MOST_PCT, _LEAST_KIB = 8192, 256 << 10, 2, 64
#: How long a session may last if nobody says.
DEADLINE_S = 3600.0
#: poll(2) returns when so much of a buffer is full; else the timeout of :meth:`Session.pages` counts.
_WAKE_PCT = 25
_GATE_TIMEOUT_S = 5.0
_MOST_PAGES_AT_ONCE = 256
#: set_event_pid takes many ids in one write, as long as they fit in the kernel's parse buffer one by one.
_TIDS_A_WRITE = 64


class CannotFollow(Exception):
    """Ids of threads mean something else to the kernel than to kdiag; the message says what to do."""


class Session:
    """A private instance of tracefs; a context manager, removed by :meth:`close`.

    Raises :exc:`TraceFsError` where the kernel refuses. ``notes`` says what a user should know: what was
    reaped, a buffer smaller than asked for, a deadline that was reached. With ``user_data``, events of system
    calls hold what their pointers lead to, where the kernel records that (names of files, but data too).
    """

    def __init__(
        self,
        tracefs: TraceFs,
        host: Host,
        *,
        buffer_kib_per_cpu: Optional[int] = None,
        clock: str = "mono",
        deadline_s: Optional[float] = None,
        label: str = "",
        user_data: bool = False,
    ) -> None:
        self.tracefs = tracefs.top
        self.host = host
        self.clock = clock
        self.label = label
        self._user_data = user_data
        self.deadline_s = DEADLINE_S if deadline_s is None else deadline_s
        self.deadline_reached = False
        self.notes: List[str] = []
        self.buffer_kib_per_cpu = 0
        self._formats: Dict[int, EventFormat] = {}
        self._unread: List[Tuple[str, str]] = []
        self._layout: Optional[PageLayout] = None
        self._undo_triggers: List[Tuple[str, str]] = []
        self._undo: List[Callable[[], None]] = []
        self._held: List[int] = []
        self._pipes: Dict[int, int] = {}
        self._poll: Optional[select.poll] = None
        self._alarm: Any = None
        self._alarm_before_s = 0.0
        self._started_s = 0.0
        self._enabled = False
        self._closed = False
        made = False
        try:
            with signals_held():
                self._reap()
                self.name = self._make_instance()
                made = True
                self._set_up(buffer_kib_per_cpu)
        except BaseException:
            # Among them a signal that had to wait until here: nobody else knows of the instance yet.
            if made:
                with signals_held():
                    self._tear_down()
            raise

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # What is to be traced

    def resize(self, buffer_kib_per_cpu: Optional[int]) -> None:
        """Give the buffers another size, ``None`` for the usual one; what they hold is lost."""
        self.buffer_kib_per_cpu = self._buffer_kib(buffer_kib_per_cpu)
        size_of_top = self._unused_size_of_top()
        self.instance.write("buffer_size_kb", str(self.buffer_kib_per_cpu))
        if size_of_top and not self._unused_size_of_top() and not self.tracefs.planned:
            # 5.10 takes the buffer of the top level for expanded then, too, and leaves it tiny for ever.
            self.tracefs.write("buffer_size_kb", size_of_top)

    def follow(self, tids: Union[Sequence[int], Callable[[], Sequence[int]]]) -> None:
        """Trace only these threads, and those that they make from now on.

        Given a function that lists them, it is asked until it names no new one: a thread that is born while
        the list is read would be missed otherwise.
        """
        if not pids_are_the_kernels(self.host):
            raise CannotFollow(
                "threads cannot be followed: kdiag runs in a PID namespace of its own, and the kernel knows "
                "threads by their ids outside of it; mount the host's /proc (as /host/proc) and give "
                "--root /host, or trace all processes"
            )
        self.option("event-fork", True)
        known: Set[int] = set()
        while True:
            now = tids() if callable(tids) else tids
            new = [tid for tid in now if tid not in known]
            for start in range(0, len(new), _TIDS_A_WRITE):
                self._add_tids("set_event_pid", new[start : start + _TIDS_A_WRITE])
            known.update(new)
            if not new or not callable(tids):
                return

    def exclude_self(self) -> None:
        """Leave out kdiag's own threads (not needed with :meth:`follow`)."""
        own = self.host.facts.reader_pid or os.getpid()
        if not pids_are_the_kernels(self.host):
            self.notes.append("kdiag's own events are not left out: it runs in a PID namespace of its own")
            return
        tids = [int(name) for name in self.host.list(f"/proc/{own}/task")]
        if self.instance.exists("set_event_notrace_pid"):  # since 5.7
            self.instance.append("set_event_notrace_pid", " ".join(map(str, tids)))
        else:
            self.notes.append("this kernel cannot leave out kdiag's own events (set_event_notrace_pid)")

    def option(self, name: str, on: bool) -> None:
        """Set one of the instance's ``options``."""
        self.instance.write(f"options/{name}", "1" if on else "0")

    def enable(self, system: str, event: Optional[str] = None, filter: Optional[str] = None) -> None:
        """Enable an event, or all of a system; the filter comes first, so that nothing slips by."""
        folder = f"events/{system}" if event is None else f"events/{system}/{event}"
        if filter:
            self.instance.write(f"{folder}/filter", filter)
        self._enabled = True
        self.instance.write(f"{folder}/enable", "1")
        self.read_format_of(system, event)

    def read_format_of(self, system: str, event: Optional[str] = None) -> None:
        """Put the format of an event (of all of a system) among :attr:`formats`."""
        if event is not None:
            self._unread.append((system, event))
            return
        folder = f"events/{system}"
        self._unread += [
            (system, name)
            for name in self.instance.list(folder)
            if self.instance.exists(f"{folder}/{name}/format")
        ]

    def trigger(self, system: str, event: str, text: str) -> None:
        """Add a trigger (``hist:...``, ``stacktrace``); removed at close by the same text."""
        path = f"events/{system}/{event}/trigger"
        self.instance.append(path, text)
        self._undo_triggers.append((path, text))

    def on_close(self, undo: Callable[[], None]) -> None:
        """Have something undone after the events are disabled, last registered first (dynamic events)."""
        self._undo.append(undo)

    # Running

    def start(self) -> None:
        """Switch tracing on; from here the deadline counts."""
        self._open_pipes()
        self._started_s = time.monotonic()
        self.instance.write("tracing_on", "1")
        if not self.instance.planned and threading.current_thread() is threading.main_thread():
            # A thread of its own would show up in the trace, and a loop that reads may wait for its output.
            self._alarm = signal.signal(signal.SIGALRM, self._on_alarm)
            self._alarm_before_s = signal.setitimer(signal.ITIMER_REAL, self.deadline_s)[0]

    def stop(self) -> None:
        """Switch tracing off; what is in the buffers can still be read."""
        self._end_deadline()
        self.instance.write("tracing_on", "0")

    def stats(self) -> List[CpuStats]:
        """Return what each CPU's buffer holds and has lost."""
        return [
            parse_stats(cpu, self.instance.read(f"per_cpu/cpu{cpu}/stats")) for cpu in self._buffered_cpus()
        ]

    def lost(self) -> int:
        """Return how many events were lost so far, over all CPUs."""
        return sum(each.lost for each in self.stats())

    def pages(self, timeout_s: float) -> Iterator[Tuple[int, bytes]]:
        """Wait for data, at most so long, then yield (CPU, whole pages) until all buffers were read once.

        Call it again and again; a round in which nothing came within the time yields nothing. At most what a
        buffer can hold is read of each CPU in one round, however fast it fills.
        """
        self._open_pipes()
        if self._poll is None:
            return
        self._poll.poll(max(0, timeout_s) * 1000)
        if self._started_s and time.monotonic() - self._started_s >= self.deadline_s:
            self._at_deadline()  # the alarm is for the main thread alone
        page_bytes = self.page_layout.page_bytes
        most = max(1, self.buffer_kib_per_cpu * 1024 // page_bytes)
        for cpu, pipe in sorted(self._pipes.items()):
            left = most
            while left > 0:
                chunk = _read_pages(pipe, page_bytes, min(left, _MOST_PAGES_AT_ONCE))
                if not chunk:
                    break
                left -= len(chunk) // page_bytes
                yield cpu, chunk

    def chunks(
        self, done: Callable[[], bool], round_s: float = 0.1, wake: Optional[int] = None
    ) -> Iterator[Optional[Tuple[int, bytes]]]:
        """Yield (CPU, pages) until it is ``done`` or the deadline has come, and then what is left.

        ``None`` marks the end of each round, as :func:`kdiag.ftrace.events.live` wants it. Tracing is
        stopped at the end. A round ends early when the descriptor ``wake`` can be read
        (:meth:`kdiag.host.target.Target.pidfd`).
        """
        self._open_pipes()
        if wake is not None and self._poll is not None:
            self._poll.register(wake, select.POLLIN)
        while not done() and not self.deadline_reached and not self.instance.planned:
            yield from self.pages(round_s)
            yield None
        self.stop()
        more = True
        while more:
            more = False
            for chunk in self.pages(0):
                more = True
                yield chunk
            yield None

    @property
    def formats(self) -> Dict[int, EventFormat]:
        """Formats of enabled events by the id that records begin with, and of the kernel's own."""
        if not self._formats:
            for name in ("kernel_stack", "user_stack", "print", "bprint", "raw_data"):
                if self._where(f"events/ftrace/{name}/format") is not None:
                    self._unread.append(("ftrace", name))
        while self._unread:
            system, event = self._unread.pop()
            path = f"events/{system}/{event}/format"
            tracefs = self._where(path) or self.instance
            read = parse_format(tracefs.read_bytes(path), path, self.page_layout.long_bytes)
            self._formats[read.id] = read
        return self._formats

    @property
    def page_layout(self) -> PageLayout:
        """How pages of this instance are laid out."""
        if self._layout is None:
            path = "events/header_page"
            tracefs = self._where(path) or self.tracefs
            self._layout = parse_header_page(tracefs.read_bytes(path), path)
        return self._layout

    def close(self) -> None:
        """Undo everything and remove the instance; :exc:`NotTornDown` tells what could not be undone."""
        if self._closed:
            return
        with signals_held():
            errors = self._tear_down()
        if errors:
            raise NotTornDown(errors)

    # Beginning and end

    def _reap(self) -> None:
        self.notes += reap(self.tracefs, self.host)

    def _make_instance(self) -> str:
        name, count = instance_name(self.host), 0
        if not self.tracefs.exists("instances"):
            raise TraceFsError(
                self.tracefs.path("instances"),
                errno.ENOENT,
                remedy="this kernel has no instances; kdiag does not trace in the buffer that all share",
            )
        gate = None if self.tracefs.planned else take_soon(self.tracefs, GATE, _GATE_TIMEOUT_S)
        try:
            while True:
                tried = name if not count else f"{name}-{count}"
                try:
                    self.tracefs.mkdir(f"instances/{tried}")
                    break
                except TraceFsError as error:
                    if error.errno != errno.EEXIST:
                        raise
                    count += 1
            self.instance = self.tracefs.below(f"instances/{tried}")
            try:
                if not self.tracefs.planned:
                    self._held.append(take_soon(self.instance, OWNER, _GATE_TIMEOUT_S))
            except BaseException:
                self.tracefs.rmdir(f"instances/{tried}")
                raise
        finally:
            if gate is not None:
                os.close(gate)
        return tried

    def _set_up(self, asked_kib: Optional[int]) -> None:
        instance = self.instance
        instance.write("tracing_on", "0")
        for name, on in _OPTIONS:
            if instance.exists(f"options/{name}"):
                instance.write(f"options/{name}", "1" if on else "0")
        self._held.append(instance.open("free_buffer", os.O_WRONLY))
        instance.write("trace_clock", self.clock)
        self.resize(asked_kib)
        if instance.exists("buffer_percent"):  # since 5.0
            instance.write("buffer_percent", str(_WAKE_PCT))
        # Since 6.19: what programs write and send is theirs, so it is recorded for those only who ask for it.
        if instance.exists("syscall_user_buf_size") and not self._user_data:
            instance.write("syscall_user_buf_size", "0")

    def _unused_size_of_top(self) -> str:
        """Return the size that the top level's buffer will have from its first use on, "" if it has it."""
        try:
            text = self.tracefs.read("buffer_size_kb")
        except TraceFsError:
            return ""
        return text.partition("(expanded:")[2].strip(" )\n")

    def _buffer_kib(self, asked: Optional[int]) -> int:
        cpus = max(1, len(self._online_cpus()))
        wanted = min(_USUAL_KIB, _USUAL_TOTAL_KIB // cpus) if asked is None else asked
        try:
            available = parse_meminfo(self.host.read("/proc/meminfo")).mem_available_kib
        except ReadError:
            available = None
        if available is not None:
            most = max(_LEAST_KIB, available * _MOST_PCT // 100 // cpus)
            if most < wanted:
                if asked is not None:
                    self.notes.append(
                        f"buffers of {most} KiB per CPU, not {asked}: "
                        f"they may take {_MOST_PCT}% of the memory that is available"
                    )
                wanted = most
        return max(_LEAST_KIB, wanted)

    def _tear_down(self) -> List[Exception]:
        """Undo everything; go on after what fails, and return the errors."""
        self._closed = True
        errors: List[Exception] = []
        self._end_deadline()
        name = self.instance.path("")

        def attempt(undo: Callable[[], None]) -> None:
            try:
                undo()
            except TraceFsError as error:
                # Somebody removed the instance (rmdir by hand): then there is nothing to undo in it.
                if not (error.errno == errno.ENOENT and error.path.startswith(name + "/")):
                    errors.append(error)

        attempt(lambda: self.instance.write("tracing_on", "0"))
        for pipe in self._pipes.values():
            os.close(pipe)
        self._pipes, self._poll = {}, None
        for path, text in reversed(self._undo_triggers):
            attempt(lambda path=path, text=text: self.instance.append(path, f"!{text}"))  # type: ignore[misc]
        if self._enabled:
            attempt(lambda: self.instance.write("events/enable", "0"))
        for undo in reversed(self._undo):
            attempt(undo)
        gate = self._take_gate()
        for descriptor in self._held:
            os.close(descriptor)
        self._held = []
        try:
            remove_instance(self.tracefs, self.name)
        except TraceFsError as error:
            errors.append(error)
        finally:
            if gate is not None:
                os.close(gate)
        return errors

    def _take_gate(self) -> Optional[int]:
        """Keep reapers out for a moment: an instance without its lock looks like one that was left behind."""
        if self.tracefs.planned:
            return None
        try:
            return take_soon(self.tracefs, GATE, _GATE_TIMEOUT_S)
        except (LockHeld, TraceFsError):
            return None  # a reaper would remove the instance, which is what is to be done

    # Pieces

    def _end_deadline(self) -> None:
        if self._alarm is not None:
            # Of two sessions, the one that began first goes on with what is left of its time.
            left_s = self._alarm_before_s and max(
                0.001, self._alarm_before_s - (time.monotonic() - self._started_s)
            )
            signal.setitimer(signal.ITIMER_REAL, left_s)
            signal.signal(signal.SIGALRM, self._alarm)
            self._alarm = None

    def _on_alarm(self, number: int, frame: Optional[FrameType]) -> None:
        self._at_deadline()

    def _at_deadline(self) -> None:
        if self.deadline_reached or self._closed:
            return
        self.deadline_reached = True
        try:
            self.instance.write("tracing_on", "0")
        except TraceFsError as error:
            self.notes.append(f"tracing could not be stopped at its deadline: {error}")
            return
        self.notes.append(f"tracing ended at its deadline, after {self.deadline_s:g} s")

    def _add_tids(self, name: str, tids: Iterable[int]) -> None:
        self.instance.append(name, " ".join(map(str, tids)))

    def _where(self, path: str) -> Optional[TraceFs]:
        return next((each for each in (self.instance, self.tracefs) if each.exists(path)), None)

    def _online_cpus(self) -> Tuple[int, ...]:
        try:
            online = parse_cpulist(self.host.read("/sys/devices/system/cpu/online")).cpus
        except ReadError:
            online = None
        return online or self._buffered_cpus()

    def _buffered_cpus(self) -> Tuple[int, ...]:
        names = self.instance.list("per_cpu")
        return tuple(sorted(int(name[3:]) for name in names if name[:3] == "cpu" and name[3:].isdigit()))

    def _open_pipes(self) -> None:
        if self._poll is not None or self.instance.planned:
            return
        poll = select.poll()
        for cpu in self._buffered_cpus():
            pipe = self.instance.open(f"per_cpu/cpu{cpu}/trace_pipe_raw", os.O_RDONLY | os.O_NONBLOCK)
            self._pipes[cpu] = pipe
            poll.register(pipe, select.POLLIN)
        self._poll = poll


def _read_pages(pipe: int, page_bytes: int, most: int) -> bytes:
    pages: List[bytes] = []
    while len(pages) < most:
        try:
            page = os.read(pipe, page_bytes)
        except BlockingIOError:
            break
        if not page:
            break
        pages.append(page)
    return b"".join(pages)
