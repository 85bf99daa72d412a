"""Calls with paths by the events of system calls in tracefs, paired in kdiag.

The events have the path's address, not the path. It comes from the first of these that the kernel has:

* kretprobes on ``getname`` and its kin, through which every path comes into the kernel: the text is the
  kernel's own copy, whole, and always there (the program's page may not be at the begin of the call);
* since 6.19, the events themselves hold the text, as much of it as ``syscall_user_buf_size`` allows.

Otherwise there are no paths. Looking in ``/proc/TID/fd`` where a new descriptor leads was tried: by then most
are closed and used again, for another file.
"""

import errno
from typing import Any, Callable, Dict, Iterator, Mapping, Set, Tuple

from kdiag.ftrace.dynamic_events import DynamicEvents
from kdiag.ftrace.event import Event
from kdiag.ftrace.retval import signed_64
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import TraceFs, TraceFsError
from kdiag.kernel.machine import machine_of
from kdiag.kernel.syscalls import entry_name
from kdiag.tools.ftrace_run import Traced, TraceEvent, tracing
from kdiag.tools.path_calls import Found, PathCall, PathPairing, numbers_of
from kdiag.tools.run import Run
from kdiag.tools.syscalls.arguments import Text
from kdiag.tools.syscalls.lines import Begin
from kdiag.tools.tool import CannotUse, Item, LostHere

__all__ = ["NameProbe", "path_calls"]

_SYSTEM = "syscalls"
_ENTER, _EXIT = "sys_enter_", "sys_exit_"
#: Functions through which paths come into the kernel; each returns a ``struct filename``, whose first member
#: points to the text (``include/linux/fs.h``). In 6.1 the first has a copy of the second inside, for opens.
_GETNAME = ("getname", "getname_flags", "do_getname")
_NAME_OF_RESULT = ("name=+0(+0($retval)):string",)
_NUMBER_FIELD = "__syscall_nr"
#: SYSCALL_FAULT_USER_MAX in ``kernel/trace/trace_syscalls.c``; what is longer ends with dots.
_MOST_TEXT = 165
_NO_PATH = "its events have addresses, and names only since 6.19; and this kernel has no kprobes"


def path_calls(run: Run, calls: Tuple[PathCall, ...], make: Callable[[Found], Any]) -> Iterator[Item]:
    """Yield a row for each call until it ends."""
    machine = machine_of(run.host) or ""
    numbers = numbers_of(calls, machine)
    events = []
    for call in numbers.values():
        name = entry_name(call.name, machine)
        # Its end first: of a call that is under way only the end would come.
        events.append(TraceEvent(_SYSTEM, _EXIT + name, optional=True))
        events.append(TraceEvent(_SYSTEM, _ENTER + name, optional=True))
    probes = NameProbe(run)
    with tracing(run, events, comms=True, user_data=True, set_up=probes.set_up) as traced:
        if run.dry_run:
            return
        pairing = PathPairing(run.options, machine, numbers, make)
        yield from _rows(traced, pairing, numbers, probes.events)


class NameProbe:
    """Finds out where texts come from. ``events`` are those of the kretprobes, if it takes them."""

    def __init__(self, run: Run) -> None:
        self.events: Set[str] = set()
        self._run = run

    def set_up(self, tracefs: TraceFs, session: Session) -> None:
        """Define them, or see to it that the events have the names themselves."""
        if tracefs.exists("kprobe_events"):
            self._define(session)
        if self.events:
            return
        if any(_text_fields(session)):
            session.instance.write("syscall_user_buf_size", str(_MOST_TEXT))
            return
        if self._run.options["name"] is not None:
            raise CannotUse(f"-n goes by paths, and there are none: {_NO_PATH}")
        self._run.missing["path"] = _NO_PATH

    def _define(self, session: Session) -> None:
        events = DynamicEvents(session)
        for function in _GETNAME:
            try:
                system, event = events.kernel_function("kretprobe", function, _NAME_OF_RESULT)
            except TraceFsError as error:
                if error.errno not in (errno.ENOENT, errno.EINVAL, errno.EADDRNOTAVAIL):
                    raise
                continue  # other kernels have it
            session.enable(system, event)
            self.events.add(f"{system}:{event}")


def _text_fields(session: Session) -> Iterator[str]:
    """Yield the fields of enabled events that hold what a pointer leads to."""
    for each in session.formats.values():
        if each.system == _SYSTEM:
            yield from (field.name for field in each.fields if field.name.endswith("_val"))


def _rows(
    traced: Traced, pairing: PathPairing, numbers: Mapping[int, PathCall], names: Set[str]
) -> Iterator[Item]:
    for items in traced.rounds_with_loss():
        for item in items:
            if isinstance(item, LostHere):
                pairing.forget()
                yield item
                continue
            for row in _fed(traced, pairing, numbers, item, names):
                if pairing.wants(row):
                    yield row
    for row in pairing.unfinished():
        if pairing.wants(row):
            yield row


def _fed(
    traced: Traced, pairing: PathPairing, numbers: Mapping[int, PathCall], event: Event, names: Set[str]
) -> Iterator[Any]:
    fields: Mapping[str, Any] = event.fields
    if event.name in names:
        if fields["name"] is not None:
            pairing.path(event.pid, Text(fields["name"]))
        return
    if not event.name.startswith(f"{_SYSTEM}:"):
        return
    number = fields[_NUMBER_FIELD]
    if event.name.startswith(f"{_SYSTEM}:{_EXIT}"):
        yield from pairing.end(event.pid, number, signed_64(fields["ret"]), event.ts_ns)
        return
    values = [
        value for name, value in fields.items() if not name.startswith("common_") and name != _NUMBER_FIELD
    ]
    registers = tuple(value & 0xFFFF_FFFF_FFFF_FFFF for value in values if isinstance(value, int))
    told = [] if names else [value for value in values if isinstance(value, str)]
    texts: Dict[int, Text] = {numbers[number].path: Text(told[0])} if told else {}
    comm = "?" if traced.comms is None else traced.comms.of(event.pid)
    yield from pairing.begin(Begin(event.ts_ns, comm, None, event.pid, number, registers, texts))
