"""syscalls by the events of system calls in tracefs, paired in kdiag."""

from typing import FrozenSet, Iterator, Optional

from kdiag.ftrace.event import Event
from kdiag.ftrace.retval import signed_64
from kdiag.kernel.machine import machine_of
from kdiag.kernel.syscalls import number_of
from kdiag.tools.ftrace_run import Traced, TraceEvent, tracing
from kdiag.tools.run import Run
from kdiag.tools.syscall_options import RESTARTED, wanted_numbers
from kdiag.tools.syscall_programs import NO_NUMBER
from kdiag.tools.syscalls import SyscallLine
from kdiag.tools.syscalls.arguments import Arguments
from kdiag.tools.syscalls.lines import Begin, Lines
from kdiag.tools.tool import Item, LostHere

__all__ = ["run"]

_SYSTEM = "raw_syscalls"
_ENTER, _EXIT = f"{_SYSTEM}:sys_enter", f"{_SYSTEM}:sys_exit"
#: rt_sigreturn comes back without a number.
_FORGOTTEN = -1


def run(run: Run) -> Iterator[Item]:
    """Show calls until it ends."""
    machine = machine_of(run.host) or ""
    numbers = wanted_numbers(run.options, machine)
    at_end = numbers
    if numbers is not None and number_of(RESTARTED, machine) in numbers:
        at_end = numbers | {_FORGOTTEN}
    # The last one is enabled last: of a call that is under way only the end would come.
    events = [
        TraceEvent(_SYSTEM, "sys_exit", _filter(at_end)),
        TraceEvent(_SYSTEM, "sys_enter", _filter(numbers)),
    ]
    with tracing(run, events, comms=True) as traced:
        if not run.dry_run:
            yield from _items(run, traced, machine)


def _filter(numbers: Optional[FrozenSet[int]]) -> Optional[str]:
    return None if numbers is None else " || ".join(f"id == {number}" for number in sorted(numbers))


def _items(run: Run, traced: Traced, machine: str) -> Iterator[Item]:
    arguments = Arguments(run.host, machine)
    lines = Lines(run.options, arguments, machine)
    for items in traced.rounds_with_loss():
        for item in items:
            if isinstance(item, LostHere):
                lines.forget()
                yield item
            else:
                yield from _line(lines, traced, item)
    yield from lines.unfinished()


def _line(lines: Lines, traced: Traced, event: Event) -> Iterator[SyscallLine]:
    fields = event.fields
    if event.name == _ENTER:
        comm = "?" if traced.comms is None else traced.comms.of(event.pid)
        number = min(fields["id"] & 0xFFFF_FFFF, NO_NUMBER)
        yield from lines.begin(Begin(event.ts_ns, comm, None, event.pid, number, tuple(fields["args"]), {}))
    elif event.name == _EXIT:
        forgotten = fields["id"] == _FORGOTTEN
        number = min(fields["id"] & 0xFFFF_FFFF, NO_NUMBER)
        ended = lines.end(event.pid, None if forgotten else number, signed_64(fields["ret"]), event.ts_ns)
        yield from ended
