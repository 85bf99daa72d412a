"""What ``kdiag read`` prints: what a recorded trace holds, most first, with what is missing from it."""

from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from kdiag.ftrace.retval import retval_errno
from kdiag.kernel.errno_names import name_of
from kdiag.report import units
from kdiag.report.json_envelope import envelope
from kdiag.report.layout import Column, table_lines, wrap
from kdiag.report.terminal import Style
from kdiag.tools.trace_summary import CallNode, SyscallRow, TraceSummary

__all__ = ["read_document", "read_lines"]

_SYSCALL_FIELDS = ("syscall", "calls", "errors", "total_us", "min_us", "avg_us", "p50_us", "p99_us", "max_us")
_FUNCTION_FIELDS = ("function", "calls", "cut", "self_us", "total_us", "avg_us", "max_us")


def read_lines(summary: TraceSummary, path: str, top: int, depth: int, style: Style) -> Iterator[str]:
    """Yield the lines: at most ``top`` rows of a table, the tree to ``depth``."""
    yield from wrap(style.safe(f"{path}: {_head(summary)}"), style.width, indent=2)
    yield from wrap(style.safe(_missing(summary)), style.width, indent=2)
    for note in summary.notes:
        yield from wrap(style.safe(f"note: {note}"), style.width, indent=2)
    if summary.problem_count:
        yield style.paint("warning", style.safe(f"lines that could not be read: {summary.problem_count}"))
        for each in summary.problems[:3]:
            yield from wrap(
                style.safe(f"  line {each.line}: {each.text}  (wanted: {each.wanted})"), style.width, 4
            )
    if summary.kind == "function_graph":
        yield from _table("By function, its own time first", _FUNCTION_FIELDS, summary.functions, top, style)
        yield from _tree_lines(summary.slowest, depth, style)
        return
    yield from _table("By event", ("event", "events", "stacks"), summary.by_event, top, style)
    yield from _table("By thread", ("comm", "pid", "events"), summary.by_task, top, style)
    yield from _table("System calls, most time first", _SYSCALL_FIELDS, summary.syscalls, top, style)


def _head(summary: TraceSummary) -> str:
    what = (
        "function_graph"
        if summary.kind == "function_graph"
        else f"events (tracer {summary.tracer or 'not told'})"
    )
    parts = [what, f"{summary.lines} lines", f"{summary.events} events"]
    if summary.kind == "function_graph":
        parts.append(f"{summary.roots} outermost calls")
    if summary.cpus:
        parts.append(f"of {summary.cpus} CPU{'s' if summary.cpus > 1 else ''}")
    if summary.first_s is not None and summary.last_s is not None:
        parts.append(f"from {summary.first_s:.6f} to {summary.last_s:.6f} s of the trace clock")
    return ", ".join(parts)


def _missing(summary: TraceSummary) -> str:
    lost = f"lost: {summary.lost} events" + (" and an unknown number more" if summary.lost_unknown else "")
    if summary.overwritten is None:
        gone = "; whether older ones were overwritten is not told"
    elif summary.overwritten:
        gone = f"; {summary.overwritten} older ones were overwritten before the file was written"
    else:
        gone = ""
    cut = f"; {summary.dropped} calls were under way at a gap or at the end" if summary.dropped else ""
    return lost + gone + cut


def _table(title: str, fields: Sequence[str], rows: Sequence[Any], top: int, style: Style) -> Iterator[str]:
    if not rows:
        return
    yield ""
    left = len(rows) - top
    yield style.paint("title", style.safe(title + (f" (the first {top} of {len(rows)})" if left > 0 else "")))
    columns: List[Column] = []
    for field in fields:
        values = [_value(field, row) for row in rows[:top]]
        cells = [style.safe(units.cell(field, value)) for value in values]
        columns.append(Column(style.safe(units.header(field)), cells, units.is_number(field, values)))
    yield from table_lines(columns, style)


def _value(field: str, row: Any) -> Any:
    if field == "errors" and isinstance(row, SyscallRow):
        return ", ".join(f"{name_of(errno)} {times}" for errno, times in row.errors) or 0
    return getattr(row, field)


def _tree_lines(nodes: Sequence[CallNode], depth: int, style: Style) -> Iterator[str]:
    if not nodes:
        return
    yield ""
    yield style.paint("title", "The slowest outermost call (total, own time)")
    hidden = 0
    for node, times, time_us in _folded([each for each in nodes if each.depth <= depth]):
        total = units.cell("x_us", time_us)
        own = units.cell("x_us", node.self_us) if times == 1 else ""
        errno = None if node.retval is None else retval_errno(node.retval)
        text = "  " * node.depth + node.function + (f" x{times}" if times > 1 else "")
        text += f"  = -{name_of(errno)}" if errno is not None else ""
        yield style.safe(f"{total:>9} {own:>9}  {text}")[: style.width]
    hidden = sum(each.depth > depth for each in nodes)
    if hidden:
        yield f"({hidden} calls below depth {depth} are not shown: --depth)"


def _folded(nodes: Sequence[CallNode]) -> Iterator[Tuple[CallNode, int, Optional[float]]]:
    """Yield calls, how many of them one line stands for, and their time: leaves in a row of one function."""
    at = 0
    while at < len(nodes):
        node, end = nodes[at], at + 1
        total = node.duration_us

        def is_leaf(index: int) -> bool:
            return index + 1 >= len(nodes) or nodes[index + 1].depth <= nodes[index].depth

        while (
            is_leaf(at)
            and end < len(nodes)
            and nodes[end][:2] == node[:2]
            and is_leaf(end)
            and nodes[end].retval == node.retval
        ):
            more = nodes[end].duration_us
            total = None if total is None or more is None else total + more
            end += 1
        yield node, end - at, total
        at = end


def read_document(summary: TraceSummary, path: str) -> Dict[str, Any]:
    """Return it as ``kdiag/read/1``."""
    rows = {
        name: [each._asdict() for each in getattr(summary, name)]
        for name in ("by_event", "by_task", "functions", "slowest")
    }
    syscalls = [
        {
            **each._asdict(),
            "errors": [
                {"errno": errno, "name": name_of(errno), "count": times} for errno, times in each.errors
            ],
        }
        for each in summary.syscalls
    ]
    fields = ("kind", "tracer", "lines", "events", "cpus", "roots", "first_s", "last_s", "lost_unknown")
    body = {
        "file": path,
        **{field: getattr(summary, field) for field in fields},
        "overwritten": summary.overwritten,
        "dropped": summary.dropped,
        **rows,
        "syscalls": syscalls,
        "problem_count": summary.problem_count,
        "notes": summary.notes,
    }
    problems = [each._asdict() for each in summary.problems]
    return envelope("read", body, 0, problems=problems, lost=summary.lost)
