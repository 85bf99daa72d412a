"""execsnoop by the events of execve and execveat, and of each program that was executed."""

from typing import Any, Iterator, Mapping, Optional, Set

from kdiag.ftrace.event import Event
from kdiag.ftrace.retval import signed_64
from kdiag.tools.execsnoop.pairs import Begin, Pairs
from kdiag.tools.ftrace_run import Traced, TraceEvent, tracing
from kdiag.tools.path_calls.by_ftrace import NameProbe
from kdiag.tools.run import Run
from kdiag.tools.threads import Threads
from kdiag.tools.tool import Item, LostHere

__all__ = ["run"]

_CALLS = ("execve", "execveat")
_EXECUTED = "sched:sched_process_exec"
_ENTER, _EXIT = "syscalls:sys_enter_", "syscalls:sys_exit_"


def run(run: Run) -> Iterator[Item]:
    """Show executions until it ends."""
    events = [TraceEvent("sched", "sched_process_exec")]
    for call in _CALLS:
        # Its end first: of a call that is under way only the end would come.
        events += [TraceEvent("syscalls", f"sys_exit_{call}"), TraceEvent("syscalls", f"sys_enter_{call}")]
    names = NameProbe(run)
    with tracing(run, events, comms=True, user_data=True, set_up=names.set_up) as traced:
        if not run.dry_run:
            yield from _rows(run, traced, names.events)


def _rows(run: Run, traced: Traced, probes: Set[str]) -> Iterator[Item]:
    pairs, threads = Pairs(run.options), Threads(run)
    for items in traced.rounds_with_loss():
        for item in items:
            if isinstance(item, LostHere):
                pairs.forget()
                yield item
                continue
            threads.feed(item)
            yield from _fed(traced, pairs, threads, item, probes)


def _fed(traced: Traced, pairs: Pairs, threads: Threads, event: Event, probes: Set[str]) -> Iterator[Item]:
    fields: Mapping[str, Any] = event.fields
    pid = threads.process_of(event.pid)
    if event.name in probes:
        pairs.path(pid, fields["name"])
    elif event.name == _EXECUTED:
        # The thread has its leader's id by now, and the name of the program, cut to what a name can be.
        path: Optional[str] = fields["filename"]
        comm = (path or "?").rpartition("/")[2].encode("utf-8", "surrogateescape")[:15]
        yield from pairs.done(fields["pid"], None, comm.decode("utf-8", "surrogateescape"), path)
    elif event.name.startswith(_ENTER):
        told = (
            []
            if probes
            else [value for name, value in fields.items() if name.endswith("_val") and isinstance(value, str)]
        )
        pairs.begin(Begin(event.ts_ns, pid, None, told[0] if told else None, None))
    elif event.name.startswith(_EXIT) and signed_64(fields["ret"]) < 0:
        comm_now = "?" if traced.comms is None else traced.comms.of(event.pid)
        yield from pairs.failed(pid, signed_64(fields["ret"]), comm_now)
