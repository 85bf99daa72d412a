"""One call as trace-event JSON, which Perfetto (ui.perfetto.dev), speedscope and chrome://tracing open.

The format is that of "Trace Event Format" (Google): an object with ``traceEvents``; a complete event has
``ph`` "X" with ``ts`` and ``dur`` in microseconds, whose fractions carry nanoseconds. Calls of one thread
nest by time, so a caller must enclose what it calls: where times are cut or unknown, begin and end are laid
out within the caller's, in order.
"""

from typing import Any, Dict, List, Tuple

from kdiag.kernel.errno_names import name_of
from kdiag.kernel.layers import layer_of
from kdiag.path.call import Call, SyscallCall
from kdiag.report.escape import unicode_only

__all__ = ["trace_event_document"]

#: Added to the thread's id for the row of its waits: no id is as large (PID_MAX_LIMIT is 4194304).
_WAITS = 10_000_000


def trace_event_document(call: SyscallCall, source: str = "kdiag path") -> Dict[str, Any]:
    """Return the document."""
    pid, tid = call.pid or call.tid, call.tid
    events: List[Dict[str, Any]] = [
        _meta("process_name", pid, tid, f"{call.comm or '?'} {pid}"),
        _meta("thread_name", pid, tid, f"{call.comm or '?'} {tid}"),
    ]
    start_ns = call.start_ns
    if call.root is not None:
        for each, begin_ns, end_ns in _laid_out(call.root, start_ns, _length_ns(call)):
            events.append(
                {
                    "name": unicode_only(each.function),
                    "cat": _category(each),
                    "ph": "X",
                    "ts": _us(begin_ns),
                    "dur": _us(end_ns - begin_ns),
                    "pid": pid,
                    "tid": tid,
                    "args": _args(each, call),
                }
            )
    # In a row of their own: they begin and end in the midst of calls.
    events.extend(
        {
            "name": f"off the CPU ({wait.state or '?'})",
            "cat": "waiting",
            "ph": "X",
            "ts": _us(wait.start_ns),
            "dur": _us(wait.duration_ns),
            "pid": pid,
            "tid": tid + _WAITS,
            "args": {"stack": [unicode_only(name) for name in wait.stack], "waker": unicode_only(wait.waker)},
        }
        for wait in call.waits
        if wait.start_ns and wait.duration_ns is not None
    )
    if len(events) > 2 and events[-1]["tid"] != tid:
        events.append(_meta("thread_name", pid, tid + _WAITS, f"{call.comm or '?'} {tid} off the CPU"))
    return {
        "traceEvents": events,
        "displayTimeUnit": "ns",
        "otherData": {"source": source, "call": unicode_only(call.name)},
    }


def _laid_out(root: Call, start_ns: int, length_ns: int) -> List[Tuple[Call, int, int]]:
    """Return begin and end of every call, each within its caller's, callers first."""
    found: List[Tuple[Call, int, int]] = []
    stack = [(root, start_ns, start_ns + length_ns)]
    while stack:
        call, begin, end = stack.pop()
        found.append((call, begin, end))
        at = begin
        inner = []
        for child in call.children:
            known = child.start_ns
            child_begin = at if not known else min(max(at, known), end)
            child_end = min(end, child_begin + (child.duration_ns or _inside_ns(child)))
            inner.append((child, child_begin, child_end))
            at = child_end
        stack.extend(reversed(inner))
    return found


def _length_ns(call: SyscallCall) -> int:
    if call.duration_ns is not None:
        return call.duration_ns
    return 0 if call.root is None else _inside_ns(call.root)


def _inside_ns(call: Call) -> int:
    return sum(child.duration_ns or _inside_ns(child) for child in call.children)


def _category(call: Call) -> str:
    layer = layer_of(call.function, call.module)
    return "unplaced" if layer is None else layer.title.replace(",", "")


def _args(each: Call, call: SyscallCall) -> Dict[str, Any]:
    args: Dict[str, Any] = {}
    if each.args:
        args["args"] = unicode_only(each.args)
    if each.module:
        args["module"] = unicode_only(each.module)
    if each.retval is not None:
        args["returned"] = str(each.retval)
    if each is call.root and call.errno is not None:
        args["error"] = name_of(call.errno)
    if each.inferred:
        args["inferred"] = "seen on stacks; its times enclose what was seen inside"
    if each.notes:
        args["notes"] = [unicode_only(note) for note in each.notes]
    return args


def _meta(name: str, pid: int, tid: int, text: str) -> Dict[str, Any]:
    return {"name": name, "ph": "M", "pid": pid, "tid": tid, "args": {"name": unicode_only(text)}}


def _us(ns: int) -> float:
    return ns / 1000
