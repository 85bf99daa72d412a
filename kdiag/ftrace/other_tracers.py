"""Who else is tracing on this machine: kdiag leaves their state alone, and says who they are.

Nothing here changes anything. Trap: a reader of ``trace_pipe`` can be told (EBUSY, kernels since about 6.7
and stable ones before), one of ``trace_pipe_raw`` (trace-cmd) cannot; its events or its tracer show all the
same.
"""

import errno
import os
from typing import Callable, List, Optional, Tuple

from kdiag.ftrace.lock import OWNER, PERF_TOOLS, is_held, perf_tools_lock
from kdiag.ftrace.tracefs import TraceFs, TraceFsError
from kdiag.host.base import Host
from kdiag.records import NamedTuple

__all__ = ["OtherTracer", "other_tracers"]


class OtherTracer(NamedTuple):
    """A sign that somebody traces: the file that shows it, what it shows, and whether kdiag has to keep away
    from what is global (``blocks``); a private instance can be used all the same."""

    path: str
    what: str
    blocks: bool


def other_tracers(tracefs: TraceFs, host: Host) -> List[OtherTracer]:
    """Return all signs of other tracers, at the top level and in instances that are not kdiag's."""
    top = tracefs.top
    found: List[OtherTracer] = []
    for name, says in _TOP:
        what = _asked(top, name, says)
        if what:
            found.append(OtherTracer(top.path(name), what, True))
    if _has_reader(top):
        found.append(OtherTracer(top.path("trace_pipe"), "somebody reads it", True))
    pid = perf_tools_lock(host)
    if pid is not None:
        found.append(OtherTracer(PERF_TOOLS, f"a perf-tools script runs (PID {pid})", True))
    found += _instances(top)
    return found


def _instances(top: TraceFs) -> List[OtherTracer]:
    found: List[OtherTracer] = []
    try:
        names = top.list("instances")
    except TraceFsError:
        return found
    for name in names:
        instance = top.below(f"instances/{name}")
        tracer = _asked(instance, "current_tracer", _tracer)
        # set_graph_function and its kin count for this one too.
        graph = "function_graph" in tracer
        if name.startswith("kdiag-"):
            if _asked_held(instance):
                found.append(OtherTracer(instance.path(""), "another kdiag traces", graph))
        else:
            found.append(OtherTracer(instance.path(""), tracer or "an instance of somebody's", graph))
    return found


def _asked_held(instance: TraceFs) -> bool:
    try:
        return is_held(instance, OWNER)
    except TraceFsError:  # it is gone by now
        return False


def _asked(tracefs: TraceFs, name: str, says: Callable[[str], str]) -> str:
    """Return what a file says of a tracer; nothing where there is no such file or it may not be read."""
    try:
        return says(tracefs.read(name).strip())
    except TraceFsError:
        return ""


def _tracer(text: str) -> str:
    return "" if text in ("", "nop") else f"the tracer {text} is set"


def _events(text: str) -> str:
    return "events are enabled" if text in ("1", "X") else ""


def _profiler(text: str) -> str:
    return "functions are profiled" if text == "1" else ""


_TOP: Tuple[Tuple[str, Callable[[str], str]], ...] = (
    ("current_tracer", _tracer),
    ("events/enable", _events),
    ("function_profile_enabled", _profiler),
)


def _has_reader(top: TraceFs) -> bool:
    reader: Optional[int] = None
    try:
        reader = top.open("trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
    except TraceFsError as error:
        return error.errno == errno.EBUSY
    finally:
        if reader is not None:
            os.close(reader)
    return False
