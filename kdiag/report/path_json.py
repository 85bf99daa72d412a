"""``kdiag path --json``: the same that the text shows, as ``kdiag/path/1``, all rows of it."""

from typing import Any, Dict, List, Mapping, Optional

from kdiag.kernel.errno_names import name_of
from kdiag.kernel.layers import layer_of
from kdiag.path.call import Call, SyscallCall
from kdiag.path.error_origin import ErrorOrigin, error_origin
from kdiag.path.layer_times import LayerTimes, layer_times
from kdiag.path.result import PathResult
from kdiag.path.summary import CallTotals, Summary
from kdiag.report.choice import choice_document
from kdiag.report.json_envelope import envelope

__all__ = ["path_document"]

Document = Dict[str, Any]


def path_document(result: PathResult, host: Optional[Mapping[str, Any]] = None) -> Document:
    """Return the document."""
    summary, capture, outcome = result.summary, result.capture, result.outcome
    samples = outcome.samples
    body = {
        "asked": result.asked,
        "target": capture.target,
        "ended": outcome.ended,
        "exact": capture.exact,
        "inferred": capture.inferred,
        "clock": capture.clock,
        "calls": summary.count,
        "percentile_error_pct": summary.percentile_error_pct,
        "by_call": [_totals(each) for each in summary.by_name()],
        "layers_ns": summary.layers(),
        "off_cpu": [each._asdict() for each in summary.sleeps()],
        "functions": [each._asdict() for each in summary.functions()],
        "chosen": _chosen(summary),
        "samples": None if samples is None else samples._asdict(),
        "nothing": outcome.nothing if not summary.count and samples is None else "",
        "notes": [*capture.notes, *outcome.notes],
        "lost_calls": result.lost.calls,
        "lost_unknown": result.lost.unknown,
        "left_out": summary.left_out,
    }
    return envelope(
        "path",
        body,
        0,
        host=host,
        started_ns=result.started_ns,
        duration_s=result.duration_s,
        mechanism=choice_document(capture.mechanism),
        lost=result.lost.events,
    )


def _totals(totals: CallTotals) -> Document:
    times = totals.times
    return {
        "name": totals.name,
        "calls": totals.count,
        "incomplete": totals.incomplete,
        "failed": totals.failed,
        "errors": {name_of(errno): number for errno, number in totals.errors.items()},
        "origins": [_origin(origin) for origin in totals.origins().values()],
        "total_ns": times.total,
        "min_ns": times.minimum,
        "avg_ns": times.average,
        "p50_ns": times.percentile(50),
        "p99_ns": times.percentile(99),
        "max_ns": times.maximum,
        "layers_ns": totals.layers,
        "layers_inferred": totals.layers_inferred,
    }


def _origin(origin: ErrorOrigin) -> Document:
    return {**origin._asdict(), "errno": name_of(origin.errno)}


def _chosen(summary: Summary) -> Optional[Document]:
    call = summary.chosen
    if call is None:
        return None
    origin = error_origin(call)
    return {
        "which": summary.which,
        "number": summary.chosen_number,
        **_call(call, layer_times(call, summary.whole)),
        "origin": None if origin is None else _origin(origin),
    }


def _call(call: SyscallCall, times: Optional[LayerTimes]) -> Document:
    return {
        "name": call.name,
        "tid": call.tid,
        "pid": call.pid,
        "comm": call.comm,
        "cpu": call.cpu,
        "start_ns": call.start_ns or None,
        "duration_ns": call.duration_ns,
        "retval": call.retval,
        "errno": None if call.errno is None else name_of(call.errno),
        "args": call.args,
        "layers_ns": None if times is None else times.by_layer,
        "waits": [wait._asdict() for wait in call.waits],
        "tree": None if call.root is None else _tree(call.root),
    }


def _tree(root: Call) -> List[Document]:
    """Return the tree as a flat list, callers first, with depths, which no reader finds too deep."""
    rows = []
    for depth, call in root.walk():
        layer = layer_of(call.function, call.module)
        rows.append(
            {
                "depth": depth,
                "function": call.function,
                "module": call.module,
                "layer": None if layer is None else layer.title,
                "start_ns": call.start_ns or None,
                "duration_ns": call.duration_ns,
                "self_ns": call.self_ns,
                "retval": call.retval,
                "args": call.args,
                "caller": call.caller,
                "inferred": call.inferred,
                "begin_lost": call.begin_lost,
                "end_lost": call.end_lost,
                "hits": call.hits,
                "notes": call.notes,
            }
        )
    return rows
