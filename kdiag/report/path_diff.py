"""What ``kdiag path diff A B`` prints: what changed, the most first."""

from typing import Any, Dict, Iterator, List, Optional, Sequence

from kdiag.kernel.errno_names import name_of
from kdiag.path.diff import Change, FunctionChange, PathDiff
from kdiag.report.json_envelope import envelope
from kdiag.report.layout import Column, table_lines, wrap
from kdiag.report.path_tree import time_text
from kdiag.report.terminal import Style

__all__ = ["diff_document", "diff_lines"]

_MOST_ROWS = 25


def diff_lines(diff: PathDiff, names: Sequence[str], style: Style) -> Iterator[str]:
    """Yield the lines; ``names`` are what the two are called."""
    before, after = diff.before, diff.after
    for mark, name, result in zip("AB", names, (before, after)):
        text = f"{mark}: {name}: {result.asked}, {result.summary.count} calls by {result.capture.target}"
        yield style.safe(f"{text}, by {result.capture.mechanism.name}")
    for note in diff.notes:
        yield from wrap(style.safe(f"note: {note}"), style.width, indent=2)
    for call, errno, share_a, share_b in diff.results:
        text = f"{call}: {name_of(errno)} in {_pct(share_a)} of calls, now {_pct(share_b)}"
        yield style.paint("warning", style.safe(text))
    if not diff.results:
        yield "results: the same share of calls failed, with the same errors"
    yield ""
    yield from _changes("Time of a call", diff.times, style)
    yield ""
    yield from _changes("Time by layer, per call", diff.layers[:_MOST_ROWS], style)
    for kind, title in _KINDS:
        rows = [row for row in diff.functions if row.kind == kind]
        if rows:
            yield ""
            yield from _functions(title, rows, style)
    if not diff.functions:
        yield ""
        yield "functions: the same ones, none slower or faster by a fifth"


_KINDS = (
    ("slower", "Slower (own time per call)"),
    ("faster", "Faster (own time per call)"),
    ("appeared", "Only in B"),
    ("vanished", "Only in A"),
)


def diff_document(diff: PathDiff, names: Sequence[str]) -> Dict[str, Any]:
    """Return it as ``kdiag/path-diff/1``."""
    body = {
        "captures": [
            {
                "name": name,
                "asked": result.asked,
                "target": result.capture.target,
                "mechanism": result.capture.mechanism.name,
                "calls": result.summary.count,
                "lost": result.lost._asdict(),
            }
            for name, result in zip(names, (diff.before, diff.after))
        ],
        "results": [
            {"call": call, "errno": name_of(errno), "share_before": before, "share_after": after}
            for call, errno, before, after in diff.results
        ],
        "times_ns": [_change(each) for each in diff.times],
        "layers_ns_per_call": [_change(each) for each in diff.layers],
        "functions": [each._asdict() for each in diff.functions],
        "notes": diff.notes,
    }
    return envelope("path-diff", body, 0)


def _change(change: Change) -> Dict[str, Any]:
    return {**change._asdict(), "ratio": change.ratio}


def _changes(title: str, changes: Sequence[Change], style: Style) -> Iterator[str]:
    yield style.paint("title", title)
    if not changes:
        yield "(nothing to compare)"
        return
    yield from table_lines(
        [
            Column("", [style.safe(each.name) for each in changes]),
            Column("A", [_time(each.before) for each in changes], right=True),
            Column("B", [_time(each.after) for each in changes], right=True),
            Column("B/A", [_ratio(each) for each in changes], right=True),
        ],
        style,
    )


def _functions(title: str, rows: List[FunctionChange], style: Style) -> Iterator[str]:
    yield style.paint("title", title)
    shown = rows[:_MOST_ROWS]
    yield from table_lines(
        [
            Column("function", [style.safe(each.function) for each in shown]),
            Column("hits A", [_number(each.hits_before) for each in shown], right=True),
            Column("hits B", [_number(each.hits_after) for each in shown], right=True),
            Column("self A", [_own(each.self_before_ns, each.exact) for each in shown], right=True),
            Column("self B", [_own(each.self_after_ns, each.exact) for each in shown], right=True),
        ],
        style,
    )
    if len(rows) > len(shown):
        yield f"({len(rows) - len(shown)} more: see --json)"


def _time(ns: Optional[float]) -> str:
    return time_text(None if ns is None else round(ns))


def _own(ns: float, exact: bool) -> str:
    """Return an own time, ``-`` where none is known: a function that was only seen on a stack."""
    return ("" if exact else "~") + _time(ns) if ns else "-"


def _ratio(change: Change) -> str:
    return "-" if change.ratio is None else f"{change.ratio:.2f}"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _pct(share: float) -> str:
    return f"{100 * share:.0f} %"
