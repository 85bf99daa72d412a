"""Begin and end of calls from events, with the sleeps and the return probes that fell into them.

A begin and an end are events of the thread that makes the call: ``syscalls:sys_enter_openat`` and
``sys_exit_openat``, those of ``raw_syscalls``, or a pair of probes at a function. Between them count
``sched:sched_switch`` (the thread gives the CPU away, and gets it back), ``sched:sched_waking`` (somebody
ends its wait), and the session's own return probes.

A call that does not return (``exit_group``, a thread that is killed) ends with its thread's next begin or
with the trace, and has no end.
"""

import re
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from kdiag.ftrace.event import Event, Lost
from kdiag.ftrace.retval import signed_64
from kdiag.path.acquire.graph_join import Span
from kdiag.path.acquire.graph_returns import Return
from kdiag.path.acquire.stitch_calls import task_state
from kdiag.path.call import Wait
from kdiag.records import NamedTuple

__all__ = ["Bound", "SpanBuilder"]

_MOST_TEXT = 200
_SWITCH, _WAKING = "sched:sched_switch", "sched:sched_waking"


class Bound(NamedTuple):
    """An event that begins (``enters``) or ends a call of ``name``; ``args`` puts its fields into words.

    With ``by_number`` the name is that of the field ``id``, and a number that is not there is not wanted.
    """

    enters: bool
    name: str = ""
    by_number: Mapping[int, str] = {}
    args: Callable[[Mapping[str, object]], str] = lambda _: ""


class _Open:
    __slots__ = (
        "args",
        "asleep_ns",
        "cpu",
        "name",
        "returns",
        "start_ns",
        "state",
        "texts",
        "values",
        "waits",
        "waker",
        "woken_ns",
    )

    def __init__(self, name: str, start_ns: int, args: str, cpu: int, values: Mapping[str, object]) -> None:
        self.values = values
        self.texts: Dict[str, str] = {}
        self.name = name
        self.start_ns = start_ns
        self.args = args
        self.cpu = cpu
        self.asleep_ns: Optional[int] = None
        self.state = ""
        self.waker = ""
        self.woken_ns: Optional[int] = None
        self.waits: List[Wait] = []
        self.returns: List[Return] = []

    def end_wait(self, now_ns: Optional[int]) -> None:
        """It runs again: it slept until it was woken, and from then on waited for a CPU."""
        began_ns, woken_ns = self.asleep_ns, self.woken_ns
        if began_ns is None:
            return
        if woken_ns is not None and self.state != "R":
            self.waits.append(Wait(began_ns, woken_ns - began_ns, self.state, (), self.waker))
            began_ns, self.state, self.waker = woken_ns, "R", ""
        length_ns = None if now_ns is None else now_ns - began_ns
        self.waits.append(Wait(began_ns, length_ns, self.state, (), self.waker))
        self.asleep_ns = self.woken_ns = None


class SpanBuilder:
    """:meth:`event` takes events in the order of time, and returns a span where one ends."""

    def __init__(self, names: Callable[[int], str] = str) -> None:
        self._names = names
        self._open: Dict[int, _Open] = {}
        #: What begins and ends calls, by the name of the event.
        self.bounds: Dict[str, Bound] = {}
        #: The function of each return probe, by the name of its event.
        self.functions: Dict[str, str] = {}
        #: The arguments that an event of a probe at the root has as text, by the name of the event.
        self.texts: Dict[str, Tuple[str, ...]] = {}
        self.lost_events = 0
        self.lost_unknown = False
        self.dropped_calls = 0
        self.ends_without_begin = 0

    def event(self, event: Event) -> Optional[Span]:
        """Take an event; return the call that ends with it."""
        name = event.name
        bound = self.bounds.get(name)
        if bound is not None:
            return self._bound(event, bound)
        if name == _SWITCH:
            self._switch(event)
            return None
        if name == _WAKING:
            self._waking(event)
            return None
        opened = self._open.get(event.pid)
        if opened is None:
            return None
        if name in self.functions:
            value = _number(event.fields.get("ret"))
            if value is not None:
                opened.returns.append(Return(event.ts_ns, self.functions[name], value))
        elif name in self.texts:
            for argument in self.texts[name]:
                text = event.fields.get(argument)
                if isinstance(text, str):
                    opened.args = _with_text(opened.args, argument, text)
                    opened.texts[argument] = text
        return None

    def _bound(self, event: Event, bound: Bound) -> Optional[Span]:
        name: Optional[str] = bound.name
        if bound.by_number:
            name = bound.by_number.get(event.fields.get("id", -1))
        if bound.enters:
            unfinished = self._finish(event.pid, None, None)
            if name is not None:
                args = bound.args(event.fields)
                self._open[event.pid] = _Open(name, event.ts_ns, args, event.cpu, event.fields)
            return unfinished
        if event.pid not in self._open:
            self.ends_without_begin += 1
        return self._finish(event.pid, event.ts_ns, _number(event.fields.get("ret")))

    def lost(self, lost: Lost) -> None:
        """Events are missing: what is open may have ended and begun anew in between, and is dropped."""
        if lost.events is None:
            self.lost_unknown = True
        else:
            self.lost_events += lost.events
        self.dropped_calls += len(self._open)
        self._open.clear()

    def unfinished(self) -> List[Span]:
        """Return the calls that are still under way, at the end of the trace."""
        left = [self._finish(tid, None, None) for tid in list(self._open)]
        return [span for span in left if span is not None]

    def _finish(self, tid: int, end_ns: Optional[int], retval: Optional[int]) -> Optional[Span]:
        opened = self._open.pop(tid, None)
        if opened is None:
            return None
        if opened.asleep_ns is not None:
            opened.end_wait(end_ns)
        return Span(
            opened.name,
            tid,
            opened.start_ns,
            end_ns,
            retval,
            opened.args,
            tuple(opened.waits),
            tuple(opened.returns),
            opened.cpu,
            opened.values,
            opened.texts or _texts(opened.values),
        )

    def _switch(self, event: Event) -> None:
        fields: Mapping[str, Any] = event.fields
        before, after = fields["prev_pid"], fields["next_pid"]
        leaves = self._open.get(before)
        if leaves is not None:
            leaves.asleep_ns, leaves.woken_ns, leaves.waker = event.ts_ns, None, ""
            leaves.state = task_state(fields["prev_state"])
        comes = self._open.get(after)
        if comes is not None and comes.asleep_ns is not None:
            comes.end_wait(event.ts_ns)

    def _waking(self, event: Event) -> None:
        woken = self._open.get(event.fields["pid"])
        if woken is not None and woken.asleep_ns is not None and not woken.waker:
            woken.waker = f"{self._names(event.pid)}-{event.pid}"
            woken.woken_ns = event.ts_ns


def _with_text(args: str, argument: str, text: str) -> str:
    """Put the text of a string in the place of its address.

    >>> _with_text("dfd=AT_FDCWD, filename=0x7ffe1000, flags=O_RDONLY", "filename", "/etc/hostname")
    'dfd=AT_FDCWD, filename="/etc/hostname", flags=O_RDONLY'
    """
    shown = text[:_MOST_TEXT]
    return re.sub(rf"\b{re.escape(argument)}=[^,]*", lambda _: f'{argument}="{shown}"', args, count=1)


def _texts(values: Mapping[str, object]) -> Dict[str, str]:
    """Return the strings that the event itself has (since 6.19), by the name of their argument."""
    found: Dict[str, str] = {}
    for name in values:
        text = values[name] if name.startswith("__") and name.endswith("_val") else None
        if isinstance(text, str):
            found[name[2:-4]] = text
    return found


def _number(value: object) -> Optional[int]:
    return signed_64(value) if isinstance(value, int) else None
