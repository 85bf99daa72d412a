"""Calls with paths by the events of system calls in tracefs, paired in kdiag.

The events have the path's address, not the path. It comes from the first of these that the kernel has:

* since 6.19, the events themselves hold the text;
* a kretprobe on ``getname_flags``, through which every path comes into the kernel: the text is the kernel's own
  copy, which is always there (the program's page may not be at the begin of the call);
* of opens that succeeded, the new descriptor in ``/proc/TID/fd``, looked at some milliseconds later. It may be
  closed by then, or lead to another file: then its flags differ, as a rule, and no path is shown.
"""

import errno
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Tuple

from kdiag.ftrace.dynamic_events import DynamicEvents
from kdiag.ftrace.event import Event
from kdiag.ftrace.retval import signed_64
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import TraceFs, TraceFsError
from kdiag.host.base import Host, ReadError
from kdiag.kernel.machine import machine_of
from kdiag.kernel.syscalls import entry_name
from kdiag.tools.ftrace_run import Traced, TraceEvent, tracing
from kdiag.tools.path_calls import Found, PathCall, PathPairing, numbers_of
from kdiag.tools.run import Run
from kdiag.tools.syscalls.arguments import Text
from kdiag.tools.syscalls.lines import Begin
from kdiag.tools.tool import Item, LostHere

__all__ = ["path_calls"]

_SYSTEM = "syscalls"
_ENTER, _EXIT = "sys_enter_", "sys_exit_"
#: Functions through which paths come into the kernel; each returns a ``struct filename``, whose first member
#: points to the text (``include/linux/fs.h``).
_GETNAME = ("getname_flags", "do_getname")
_NAME_OF_RESULT = ("name=+0(+0($retval)):string",)
_NUMBER_FIELD = "__syscall_nr"
#: Flags that the kernel does not keep with an open file, and one that it adds (``fs/open.c``).
_NOT_KEPT = 0o100 | 0o200 | 0o400 | 0o1000  # O_CREAT, O_EXCL, O_NOCTTY, O_TRUNC
_O_LARGEFILE = 0o100000
_BY_DESCRIPTOR = (
    "this kernel shows no names with its events, and has no kprobes: of opens that succeed the name is looked up "
    "in /proc/TID/fd, some milliseconds later; it is missing where the descriptor was closed by then"
)
_NOT_AT_ALL = "this kernel shows no names with its events, and has no kprobes"


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
    probes = _Probes(run, any(call.flag_table == "open" for call in numbers.values()))
    with tracing(run, events, comms=True, user_data=True, set_up=probes.set_up) as traced:
        if run.dry_run:
            return
        opens = {number: call for number, call in numbers.items() if call.flag_table == "open"}
        descriptors = _Descriptors(run.host, {} if probes.text else opens)
        pairing = PathPairing(run.options, machine, numbers, make, descriptors.path)
        yield from _rows(traced, pairing, numbers, probes.event)


class _Probes:
    """Finds out where texts come from. ``event`` is what the kretprobe is called, if it takes one."""

    def __init__(self, run: Run, opens: bool) -> None:
        self.event = ""
        self.text = False
        self._run = run
        self._opens = opens

    def set_up(self, tracefs: TraceFs, session: Session) -> None:
        if not any(_text_fields(session)):
            if tracefs.exists("kprobe_events"):
                self._define(session)
            if not self.event:
                self._run.missing["path"] = _BY_DESCRIPTOR if self._opens else _NOT_AT_ALL
                return
        self.text = True

    def _define(self, session: Session) -> None:
        events = DynamicEvents(session)
        for function in _GETNAME:
            try:
                system, event = events.kernel_function("kretprobe", function, _NAME_OF_RESULT)
            except TraceFsError as error:
                if error.errno not in (errno.ENOENT, errno.EINVAL, errno.EADDRNOTAVAIL):
                    raise
                continue  # another kernel calls it otherwise
            session.enable(system, event)
            self.event = f"{system}:{event}"
            return


def _text_fields(session: Session) -> Iterator[str]:
    """Yield the fields of enabled events that hold what a pointer leads to."""
    for each in session.formats.values():
        if each.system == _SYSTEM:
            yield from (field.name for field in each.fields if field.name.endswith("_val"))


def _rows(
    traced: Traced, pairing: PathPairing, numbers: Mapping[int, PathCall], probe: str
) -> Iterator[Item]:
    for items in traced.rounds_with_loss():
        for item in items:
            if isinstance(item, LostHere):
                pairing.forget()
                yield item
                continue
            for row in _fed(traced, pairing, numbers, item, probe):
                if pairing.wants(row):
                    yield row
    for row in pairing.unfinished():
        if pairing.wants(row):
            yield row


def _fed(
    traced: Traced, pairing: PathPairing, numbers: Mapping[int, PathCall], event: Event, probe: str
) -> Iterator[Any]:
    fields: Mapping[str, Any] = event.fields
    if event.name == probe:
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
    told = [value for value in values if isinstance(value, str)]
    texts: Dict[int, Text] = {numbers[number].path: Text(told[0])} if told else {}
    comm = "?" if traced.comms is None else traced.comms.of(event.pid)
    yield from pairing.begin(Begin(event.ts_ns, comm, None, event.pid, number, registers, texts))


class _Descriptors:
    """Looks paths up through the descriptors that opens returned."""

    def __init__(self, host: Host, opens: Mapping[int, PathCall]) -> None:
        self._host = host
        self._opens = opens

    def path(self, begun: Begin, result: Optional[int]) -> Optional[str]:
        """Return where a descriptor leads now, if it was opened with the flags of this call."""
        call = self._opens.get(begun.number)
        if call is None or call.flags is None or result is None or result < 0:
            return None
        try:
            path = self._host.readlink(f"/proc/{begun.tid}/fd/{result}")
            info = self._host.read(f"/proc/{begun.tid}/fdinfo/{result}")
        except ReadError:
            return None
        flags = next((line.split()[1] for line in info.splitlines() if line.startswith(b"flags:")), b"-1")
        asked = begun.arguments[call.flags] & 0xFFFF_FFFF & ~_NOT_KEPT | _O_LARGEFILE
        return path if int(flags, 8) | _O_LARGEFILE == asked else None
