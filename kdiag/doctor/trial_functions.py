"""Trials of the function tracers, always with a filter of one function: without it, all are hooked.

Where function_graph exists only at the top level (before 6.11), it is tried there under kdiag's lock, with
the journal that puts everything back, with tracing switched off; and not at all where somebody else traces,
or left records in that buffer, for setting a tracer empties it.
"""

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable, Iterator

from kdiag.doctor.outcome import NOT_NEEDED, NotTried, Refused, refused_by_tracefs
from kdiag.ftrace.global_state import GlobalBusy, GlobalState
from kdiag.ftrace.journal import UnsafeFolder
from kdiag.ftrace.other_tracers import other_tracers
from kdiag.ftrace.session import parse_stats
from kdiag.ftrace.tracefs import TraceFs, TraceFsError

if TYPE_CHECKING:
    from kdiag.doctor.trials import Bench

__all__ = ["funcgraph_args", "funcgraph_retval", "function", "function_graph_instance", "function_graph_top"]

_FILTER = "set_ftrace_filter"


def function(bench: "Bench") -> str:
    """Trace getppid(2) with the function tracer."""
    return _in_instance(bench, "function", " <-")


def function_graph_instance(bench: "Bench") -> str:
    """Trace getppid(2) with function_graph, in an instance."""
    return _in_instance(bench, "function_graph", "(")


def function_graph_top(bench: "Bench") -> str:
    """Set function_graph at the top level for a moment, if it has to be used there."""
    top = bench.tracefs.top
    _demand_tracer(top, "function_graph")
    if bench.try_capability("function_graph_instance").works:
        raise NotTried(NOT_NEEDED, "it works in an instance")
    # Before the records: whoever traces now has some, and is to be named.
    for other in other_tracers(top, bench.host):
        if other.blocks:
            raise NotTried(
                other.path, f"somebody else traces: {other.what} ({other.path})", "wait for its end"
            )
    entries = _entries(top)
    if entries:
        raise NotTried(
            f"{entries} entries in {top.path('trace')}",
            "somebody's records are in the shared buffer, and a tracer would erase them",
            f"if nobody needs them: echo > {top.path('trace')}",
        )
    with _global(bench) as state:
        state.write("tracing_on", "0")
        _filter_one(bench, top, state.append, state.note_old)
        state.note_old("current_tracer")
        state.write("current_tracer", "function_graph")
    return "one tracer on the machine at a time"


def funcgraph_retval(bench: "Bench") -> str:
    """Switch on the option for results."""
    return _option(bench, "funcgraph-retval", "CONFIG_FUNCTION_GRAPH_RETVAL")


def funcgraph_args(bench: "Bench") -> str:
    """Switch on the option for arguments."""
    return _option(bench, "funcgraph-args", "CONFIG_FUNCTION_TRACE_ARGS")


def _in_instance(bench: "Bench", tracer: str, mark: str) -> str:
    with bench.session() as session:
        instance = session.instance
        try:
            _demand_tracer(instance, tracer)
        except Refused as refused:
            if tracer in _tracers(bench.tracefs.top):
                refused.why = "this kernel has it at the top level only (in instances since 6.11)"
            raise
        _filter_one(bench, instance, instance.append)
        try:
            instance.write("current_tracer", tracer)
        except TraceFsError as error:
            raise refused_by_tracefs(error, bench.euid) from None
        # Without session.start(): while a pipe is open, no tracer can be set, nor taken back (EBUSY).
        instance.write("tracing_on", "1")
        os.getppid()
        instance.write("tracing_on", "0")
        text = instance.read("trace")
        instance.write("current_tracer", "nop")
    if not any(f"{symbol}{mark}" in text for symbol in bench.wrappers_of("getppid")):
        raise Refused("a getppid(2) was not recorded", "the tracer could be set, but recorded nothing")
    return ""


def _demand_tracer(tracefs: TraceFs, tracer: str) -> None:
    names = _tracers(tracefs)
    if tracer not in names:
        raise Refused(f"available_tracers: {' '.join(names)}", "not built in")


def _tracers(tracefs: TraceFs) -> "list[str]":
    return tracefs.read("available_tracers").split()


def _filter_one(
    bench: "Bench",
    tracefs: TraceFs,
    append: Callable[[str, str], None],
    note: Callable[[str], None] = lambda name: None,
) -> None:
    """Let only getppid(2) be hooked, by whatever name it has here."""
    note(_FILTER)
    refused = Refused("no name of getppid(2)", f"names of this machine ({bench.machine}) are not known")
    for symbol in bench.wrappers_of("getppid"):
        try:
            append(_FILTER, symbol + "\n")
            return
        except TraceFsError as error:
            refused = refused_by_tracefs(error, bench.euid)
            if error.errno in (errno.EPERM, errno.EACCES, errno.ENOENT):
                break
    raise refused


def _entries(top: TraceFs) -> int:
    cpus = [name[3:] for name in top.list("per_cpu") if name[3:].isdigit()]
    return sum(parse_stats(int(cpu), top.read(f"per_cpu/cpu{cpu}/stats")).entries for cpu in cpus)


@contextmanager
def _global(bench: "Bench") -> Iterator[GlobalState]:
    try:
        with GlobalState(bench.tracefs, bench.host) as state:
            yield state
    except (GlobalBusy, UnsafeFolder) as error:
        raise NotTried("not tried", str(error)) from None


def _option(bench: "Bench", option: str, config: str) -> str:
    """Write an option and put it back: on 6.12 those of an instance are those of the top level, too."""
    name = f"options/{option}"
    top = bench.tracefs.top
    if not top.exists(name):
        raise Refused(f"there is no {top.path(name)}", f"built without {config}")
    if top.read(name).strip() == "1":
        return "switched on by somebody"
    with _global(bench) as state:
        try:
            state.write(name, "1")
        except TraceFsError as error:
            raise refused_by_tracefs(error, bench.euid, f"built without {config}") from None
    return ""
