r"""Event lines of ``trace`` and ``trace_pipe``, of all tracers but function_graph.

Documented in Documentation/trace/ftrace.rst, made by trace_print_context() and trace_print_lat_context() in
kernel/trace/trace_output.c. The usual form, with ``record-tgid``, with ``irq-info`` off, with
``latency-format``::

            bash-27654   [000] d..2.   133.100030: sched_switch: prev_comm=bash ...
            bash-27654   (  27654) [000] d..2.   133.100030: sched_switch: ...
            bash-27654   [000]   133.100030: sched_switch: ...
        bash-27654     0d..2. 133100030us : sched_switch: ...

A stack is a line ``<stack trace>`` of its own, then one line a function, innermost first; it belongs to the
latest event of the same CPU and task. The name before the payload is that of the event alone; its system is
not told. A system call's events have none: ``sys_openat(dfd: ...)``, ``sys_openat -> 0x3``. The function
tracer prints ``function <-caller``. What ``trace-cmd report`` prints has the same columns without flags, and
is read as well.

Traps. A task's name may hold blanks, dashes and brackets; only its width (16 bytes, 8 with
``latency-format``) says where it ends. ``<...>`` is a task whose name the kernel forgot. The flags are four
up to 5.14, then five. With the clocks ``counter`` and ``x86-tsc`` the time is a plain number. What a program
writes to ``trace_marker`` is printed as it is, line breaks too: it can look like anything.
"""

import re
from itertools import chain
from typing import Dict, Iterable, Iterator, List, Optional, Tuple, Union

from kdiag.procfs.text import Problem, decode, problem
from kdiag.records import NamedTuple

__all__ = ["Header", "Mark", "TextEvent", "parse_trace"]


class Header(NamedTuple):
    """The first lines of ``trace``. ``written`` minus ``in_buffer`` events were overwritten."""

    tracer: Optional[str] = None
    in_buffer: Optional[int] = None
    written: Optional[int] = None
    cpus: Optional[int] = None


class TextEvent(NamedTuple):
    """One event. ``ticks`` is there instead of ``ts_ns`` where the clock counts something else than time.

    ``name`` is the event's without its system; ``sys_enter_X`` and ``sys_exit_X`` for system calls,
    ``function`` for the function tracer. ``payload`` is the rest of the line. Of context there may be none
    (``context-info`` off). Stacks are as printed, innermost first.
    """

    line: int
    comm: Optional[str]
    pid: Optional[int]
    tgid: Optional[int]
    cpu: Optional[int]
    flags: Optional[str]
    ts_ns: Optional[int]
    ticks: Optional[int]
    name: str
    payload: str
    stack: Tuple[str, ...] = ()
    user_stack: Tuple[str, ...] = ()


class Mark(NamedTuple):
    """``lost``: so many events of the CPU (``None``: it is not known how many). ``started``: those before
    were."""

    kind: str
    line: int
    cpu: int
    events: Optional[int] = None


Item = Union[Header, TextEvent, Mark, Problem]

_FLAGS = rb"[.#A-Za-z0-9]{4,6}"
# The name has a width of its own in front of the first dash; other programs that print this form do not keep
# it.
_USUAL = re.compile(
    rb"(?:(?P<comm>.{16})|\s*(?P<free>.*?))-(?P<pid>\d{1,10})\s+(?:\(\s*(?P<tgid>\d{1,10}|-+)\)\s+)?\[(?P<cpu>\d{3,5})\]\s+"
    rb"(?:(?P<flags>" + _FLAGS + rb")\s+)?(?P<time>\d{1,15}\.\d{6}(?:\d{3})?|\d{1,20}): (?P<rest>.*)",
    re.DOTALL,
).fullmatch
_LATENCY = re.compile(
    rb"(?P<comm>.{8})-(?P<pid>\d{1,10})\s+(?P<cpu>\d{1,5})(?P<flags>" + _FLAGS + rb")\s+"
    rb"(?P<time>\d{1,20})(?P<unit>us.)?: (?P<rest>.*)",
    re.DOTALL,
).fullmatch
_VERBOSE = re.compile(
    rb"(?P<comm>.{16})\s+(?P<pid>\d{1,10})\s+(?P<cpu>\d{1,5}) \d+ [0-9a-f]{8} [0-9a-f]{8} \[[0-9a-f]+\]\s+"
    rb"(?P<time>\d{1,15}\.\d{3})ms \([+-]?\d+\.\d+ms\): (?P<rest>.*)",
    re.DOTALL,
).fullmatch
_ENTER = re.compile(rb"sys_(\w+)\((.*)\)", re.DOTALL).fullmatch
_EXIT = re.compile(rb"sys_(\w+) -> (\S+)").fullmatch
_NAMED = re.compile(rb"(\w+): *(.*)", re.DOTALL).fullmatch
_FUNCTION = re.compile(rb"\S+(?:\(.*\))? <-\S+(?: \[\w+\])?", re.DOTALL).fullmatch
_RAW_DATA = re.compile(rb"(# [0-9a-f]+ buf:.*)", re.DOTALL).fullmatch
_SWITCH = re.compile(rb"(\s*\d+:\s*\d+:\S+\s+(?:==>|\+)\s+\[\d+\]\s+.*)", re.DOTALL).fullmatch
# `DROPPED` is trace-cmd's word, before the first event of a CPU that was overwritten.
_LOST = re.compile(
    rb"CPU:(\d{1,5}) \[(?:LOST (?:(\d{1,20}) )?EVENTS|(?:(\d{1,20}) )?EVENTS DROPPED)\]"
).fullmatch
_STARTED = re.compile(rb"#+ CPU (\d{1,5}) buffer started #+").fullmatch
_ENTRIES = re.compile(rb"# entries-in-buffer/entries-written: (\d{1,20})/(\d{1,20})\s+#P:(\d{1,5})").fullmatch
_STACKS = {b"<stack trace>": 0, b"<user stack trace>": 1}
_CPUS = re.compile(rb"cpus=(\d{1,5})").fullmatch
_MARKER = "tracing_mark_write"
#: So many lines are looked at for one with context.
_LOOKED_AT = 50
#: So many events wait for their stacks at most: those of that many CPUs.
_MOST_WAITING = 1024
_WANTED = "an event line"


class _Open:
    """An event whose stacks, or further lines, may still come."""

    __slots__ = ("done", "event", "level", "more", "stacks")

    def __init__(self, event: TextEvent) -> None:
        self.event = event
        self.level = _level(event.flags)
        self.stacks: Tuple[List[str], List[str]] = ([], [])
        self.more: List[str] = []
        self.done = False

    def closed(self) -> TextEvent:
        event = self.event
        if self.more:
            event = event._replace(payload="\n".join([event.payload, *self.more]))
        if self.stacks[0] or self.stacks[1]:
            event = event._replace(stack=tuple(self.stacks[0]), user_stack=tuple(self.stacks[1]))
        return event


class _Waiting:
    """The events that may still get something, in their order."""

    def __init__(self) -> None:
        self.latest: Optional[_Open] = None
        self._all: List[_Open] = []
        self._of_cpu: Dict[Optional[int], List[_Open]] = {}

    def add(self, event: TextEvent) -> Iterator[TextEvent]:
        """Take an event; yield those that will get nothing more."""
        new = _Open(event)
        of_cpu = self._of_cpu.setdefault(event.cpu, [])
        for each in of_cpu:
            # What is not interrupted had its stack at once.
            each.done = each.done or each.level >= new.level
        of_cpu[:] = [each for each in of_cpu if not each.done]
        of_cpu.append(new)
        self._all.append(new)
        self.latest = new
        while self._all and (self._all[0].done or len(self._all) > _MOST_WAITING):
            out = self._all.pop(0)
            out.done = True
            yield out.closed()

    def stack_of(self, like: TextEvent, which: int) -> Optional[List[str]]:
        """Return where to put the functions of a stack of this context; ``None``: nobody waits for it."""
        for each in reversed(self._of_cpu.get(like.cpu, [])):
            same = each.event.pid == like.pid and each.event.flags == like.flags
            if same and not each.done and not each.stacks[which]:
                return each.stacks[which]
        return None

    def end(self) -> List[TextEvent]:
        """Give all that are left: nothing more can come for them."""
        left = [each.closed() for each in self._all]
        self._all, self._of_cpu, self.latest = [], {}, None
        return left


def parse_trace(lines: Iterable[bytes], path: str = "trace") -> Iterator[Item]:
    r"""Yield the header, events with their stacks, marks, and a problem for whatever is none of these.

    Lines are as a file opened in binary mode gives them; a last one without its newline was cut off.

    >>> line = b"              sh-54      [000] d..2.   133.100030: sched_wakeup: comm=rcu pid=16\n"
    >>> [event] = parse_trace([line])
    >>> event.comm, event.pid, event.cpu, event.ts_ns, event.name, event.payload
    ('sh', 54, 0, 133100030000, 'sched_wakeup', 'comm=rcu pid=16')
    """
    header: Optional[Header] = None
    waiting = _Waiting()
    stack: Optional[List[str]] = None
    in_head = True
    bare, lines = _without_context(lines)
    for number, line in enumerate(lines, 1):
        text = line[:-1]
        if line[-1:] != b"\n":
            yield from waiting.end()
            yield problem(path, number, line, "a newline at the end (file cut off)")
            continue
        if text[:4] == b" => " and stack is not None:
            stack.append(decode(text[4:].strip()))
            continue
        stack = None
        mark = _mark(text, number) if text[:1] == b"#" or text[:4] == b"CPU:" else None
        if mark is not None:
            yield from waiting.end()
            yield mark
            continue
        if in_head and (text[:1] == b"#" or _CPUS(text)):
            header = _header(text, header)
            continue
        in_head = False
        if header is not None:
            yield header
            header = None
        context = _context(text)
        rest = text if context is None else context[-1]
        which = _STACKS.get(rest)
        named = (b"", b"") if which is not None else _name(rest)
        if named is None or (context is None and not bare):
            if context is None and waiting.latest is not None and waiting.latest.event.name == _MARKER:
                waiting.latest.more.append(decode(text))
            elif text.strip():
                yield problem(path, number, text, _WANTED)
            continue
        event = TextEvent(number, *(context or _NO_CONTEXT)[:-1], decode(named[0]), decode(named[1]), (), ())
        if which is None:
            yield from waiting.add(event)
            continue
        stack = waiting.stack_of(event, which)
        if stack is None:
            stack = []
            yield problem(path, number, text, "an event before its stack")
    if header is not None:
        yield header
    yield from waiting.end()


def _without_context(lines: Iterable[bytes]) -> Tuple[bool, Iterable[bytes]]:
    """Tell whether events have no context here (``context-info`` off), by the first lines; return all.

    What is no event may well look like one without context, but not where the others have one.
    """
    rest = iter(lines)
    head: List[bytes] = []
    seen = 0
    for line in rest:
        head.append(line)
        if line[:1] == b"#" or _mark(line[:-1], 0) is not None:
            continue
        if _context(line[:-1]) is not None:
            return False, chain(head, rest)
        seen += 1
        if seen >= _LOOKED_AT:
            break
    return True, chain(head, rest)


def _level(flags: Optional[str]) -> int:
    """Tell contexts that interrupt each other apart, by the third flag: hard and soft interrupts."""
    return _LEVELS.get(flags[2], 0) if flags is not None and len(flags) > 2 else 0


_LEVELS = {"s": 1, "h": 2, "H": 2, "z": 3, "Z": 3}
_Context = Tuple[
    Optional[str],
    Optional[int],
    Optional[int],
    Optional[int],
    Optional[str],
    Optional[int],
    Optional[int],
    bytes,
]
_NO_CONTEXT: _Context = (None, None, None, None, None, None, None, b"")


def _context(text: bytes) -> Optional[_Context]:
    match = _USUAL(text)
    if match is not None:
        comm, free, pid, tgid, cpu, flags, time, rest = match.groups()
        seconds, point, fraction = time.partition(b".")
        ts_ns = int(seconds) * 10**9 + int(fraction.ljust(9, b"0")) if point else None
        return (
            decode((free if comm is None else comm).strip(b" ")),
            int(pid),
            int(tgid) if tgid is not None and tgid.isdigit() else None,
            int(cpu),
            None if flags is None else decode(flags),
            ts_ns,
            None if point else int(time),
            rest,
        )
    match = _LATENCY(text) or _VERBOSE(text)
    if match is None:
        return None
    found = match.groupdict()
    # `latency-format` prints whole us, with `verbose` ms with three places; else the clock's own count.
    number = int(found["time"].replace(b".", b""))
    is_time = found.get("unit", b"us") is not None
    return (
        decode(found["comm"].strip(b" ")),
        int(found["pid"]),
        None,
        int(found["cpu"]),
        decode(found["flags"]) if "flags" in found else None,
        number * 1000 if is_time else None,
        None if is_time else number,
        found["rest"],
    )


def _name(rest: bytes) -> Optional[Tuple[bytes, bytes]]:
    """Return the event's name and payload."""
    for pattern, prefix in ((_ENTER, b"sys_enter_"), (_EXIT, b"sys_exit_"), (_NAMED, b"")):
        match = pattern(rest)
        if match is not None:
            return prefix + match[1], match[2]
    for pattern, name in ((_FUNCTION, b"function"), (_RAW_DATA, b"raw_data"), (_SWITCH, b"context_switch")):
        if pattern(rest) is not None:
            return name, rest
    return None


def _mark(text: bytes, number: int) -> Optional[Mark]:
    match = _LOST(text)
    if match is not None:
        events = match[2] or match[3]
        return Mark("lost", number, int(match[1]), None if events is None else int(events))
    match = _STARTED(text)
    return None if match is None else Mark("started", number, int(match[1]))


def _header(text: bytes, header: Optional[Header]) -> Header:
    header = header or Header()
    if text.startswith(b"# tracer: "):
        return header._replace(tracer=decode(text[10:].strip()))
    match = _CPUS(text)
    if match is not None:
        return header._replace(cpus=int(match[1]))
    match = _ENTRIES(text)
    if match is None:
        return header
    return header._replace(in_buffer=int(match[1]), written=int(match[2]), cpus=int(match[3]))
