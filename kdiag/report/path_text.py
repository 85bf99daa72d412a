"""What ``kdiag path`` prints: what failed and where that was born, then the numbers, then one call's tree."""

from typing import Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from kdiag.kernel.errno_names import name_of, text_of
from kdiag.path.call import Lost, SyscallCall, Wait
from kdiag.path.error_origin import EXACT, FIRST_SEEN, INFERRED, NOTHING_SEEN, ErrorOrigin, error_origin
from kdiag.path.layer_times import RUN_QUEUE, UNSEEN, WAITING, layer_times
from kdiag.path.result import PathResult
from kdiag.path.summary import CallTotals, Sleep, Summary, place_of_wait
from kdiag.report.choice import choice_lines
from kdiag.report.layout import Column, display_width, pad, table_lines, wrap
from kdiag.report.path_samples import sample_lines
from kdiag.report.path_tree import TreeView, time_text, tree_lines
from kdiag.report.terminal import Style

__all__ = ["layer_lines", "lost_text", "origin_text", "path_lines", "result_text"]

_BAR = 24
_MOST_ROWS = 10
_MOST_FUNCTIONS = 12
_MOST_LAYERS = 12
_STATES = {
    "R": "waiting for a CPU",
    "S": "asleep",
    "D": "asleep, uninterruptible",
    "I": "idle",
    "": "off the CPU",
}


def path_lines(result: PathResult, view: TreeView, style: Style) -> Iterator[str]:
    """Yield all lines."""
    summary, capture = result.summary, result.capture
    for line in wrap(style.safe(_headline(result)), style.width, indent=2):
        yield style.paint("title", line)
    yield from _failures(summary, style)
    yield from choice_lines(capture.mechanism, style)
    if capture.exact:
        yield from wrap(style.safe(f"exact: {capture.exact}"), style.width, indent=2)
    if capture.inferred:
        yield from wrap(style.safe(f"inferred: {capture.inferred}"), style.width, indent=2)
    lost = lost_text(result.lost)
    yield style.paint("warning", lost) if any(result.lost) else lost
    for note in (*capture.notes, *result.outcome.notes):
        yield from wrap(style.safe(f"note: {note}"), style.width, indent=2)
    if result.outcome.samples is not None:
        yield ""
        yield from sample_lines(result.outcome.samples, style)
        return
    if not summary.count:
        yield ""
        yield from wrap(style.safe(_nothing(result)), style.width, indent=2)
        return
    yield ""
    yield from _numbers(summary, style)
    yield from _layers(summary, style)
    yield from _sleeps(summary.sleeps(), style)
    yield from _functions(summary, style)
    if summary.summed:
        yield from _errors(summary, result.capture.target, style)
        return
    if summary.chosen is None:
        yield ""
        yield style.safe(_no_choice(summary))
        return
    yield ""
    yield from call_lines(summary.chosen, _which(summary), view, style, summary.whole)


def call_lines(
    call: SyscallCall, which: str, view: TreeView, style: Style, whole: bool = True
) -> Iterator[str]:
    """Yield one call: what it was asked and answered, its layers, its waits, its tree."""
    who = f"{call.comm or '?'}-{call.tid}" if call.tid else (call.comm or "thread not known")
    cpu = "" if call.cpu is None else f" on CPU {call.cpu}"
    title = f"{which}: {who}{cpu}, {time_text(call.duration_ns)}"
    for line in wrap(style.safe(title), style.width, indent=2):
        yield style.paint("title", line)
    said = f"{call.name}({call.args or '...'}) = {result_text(call)}"
    yield from wrap(style.safe(f"  {said}"), style.width, indent=4)
    origin = None
    if call.errno is not None:
        origin = error_origin(call)
        if origin is not None and origin.words != NOTHING_SEEN:
            yield from wrap(style.safe(f"  {origin_text(origin)}"), style.width, indent=4)
    root = call.root
    if root is not None:
        for note in root.notes:
            if not note.startswith("sys_") and not (origin and note in origin.words):
                yield from wrap(style.safe(f"  {note}"), style.width, indent=4)
    times = layer_times(call, whole)
    if times is not None and len(times.by_layer) > 1:
        shown = ", ".join(f"{title} {time_text(ns)}" for title, ns in times.most_first()[:6])
        rest = len(times.by_layer) - 6
        shown += f", {rest} more" if rest > 0 else ""
        yield from wrap(style.safe(f"  layers: {shown}"), style.width, indent=4)
    for wait in _longest(call.waits):
        yield from wrap(style.safe(f"  {wait_text(wait)}"), style.width, indent=4)
    if root is None or not (root.children or whole):
        yield "  nothing on the way inside of it was seen: no trace event was met"
        return
    yield ""
    yield from tree_lines(call, view, style)


def result_text(call: SyscallCall) -> str:
    """Return what a call returned, an error by name.

    >>> one = SyscallCall("read", 1, "cat", 0, 5, -9, 9, "", None)
    >>> result_text(one), result_text(one._replace(retval=4, errno=None))
    ('-1 EBADF (Bad file descriptor)', '4')
    """
    if call.errno is not None:
        return f"-1 {name_of(call.errno)} ({text_of(call.errno)})"
    if call.retval is None:
        return "(its end is not seen)" if call.duration_ns is None else "(its result is not known)"
    return str(call.retval) if abs(call.retval) < 1 << 32 else hex(call.retval & (1 << 64) - 1)


def origin_text(origin: ErrorOrigin) -> str:
    """Say where an error was born, and how sure that is."""
    name = name_of(origin.errno)
    called = f", called by {' < '.join(origin.callers)}" if origin.callers else ""
    module = f" [{origin.module}]" if origin.module else ""
    where = f"{origin.function}{module}"
    back = ""
    if origin.handed_back:
        back = f"; {', '.join(origin.handed_back)} only handed it back"
    if origin.certainty == EXACT:
        own = " itself, or in what is inlined into it or not traced" if origin.inlined else ""
        return f"{name}: born in {where}{own}{called}{back}"
    if origin.certainty == FIRST_SEEN:
        return f"{name}: first returned by {where}{called}{back}; {origin.words}"
    if origin.certainty == INFERRED:
        way = f" < {' < '.join(origin.callers)}" if origin.callers else ""
        born = "first told in" if origin.words.startswith("here ") else "born in or below"
        return f"{name}: inferred: {born} {where}{way}: {origin.words}"
    return f"{name}: where it was born is not known: {origin.words}"


def wait_text(wait: Wait) -> str:
    """Say where, how long and in which state a task was off its CPU."""
    state = _STATES.get(wait.state[:1], f"state {wait.state}")
    length = "until the end of the trace" if wait.duration_ns is None else time_text(wait.duration_ns)
    waker = f", woken by {wait.waker}" if wait.waker else ""
    return f"{state} {length} in {place_of_wait(wait.stack)}{waker}"


def lost_text(lost: Lost) -> str:
    """Say what is missing.

    >>> lost_text(Lost()), lost_text(Lost(3, 1, True))
    ('lost: 0 events', 'lost: 3 events and an unknown number more, 1 call left incomplete and dropped')
    """
    more = " and an unknown number more" if lost.unknown else ""
    calls = f", {_count(lost.calls, 'call')} left incomplete and dropped" if lost.calls else ""
    return f"lost: {_count(lost.events, 'event')}{more}{calls}"


def layer_lines(layers: Iterable[Tuple[str, int]], style: Style, most: int = _MOST_LAYERS) -> Iterator[str]:
    """Yield a table of times with bars, in shares of their sum."""
    rows = list(layers)
    total = sum(ns for _, ns in rows) or 1
    shown, rest = rows[:most], rows[most:]
    if rest:
        shown.append((f"{len(rest)} more", sum(ns for _, ns in rest)))
    block = "█" if style.ellipsis == "…" else "#"
    width = max(display_width(title) for title, _ in shown)
    longest = max(0, min(_BAR, style.width - width - 22))
    for title, ns in shown:
        share = ns / total
        bar = block * max(1 if longest and share >= 0.005 else 0, round(share * longest))
        line = f"  {pad(style.safe(title), width)}  {pad(time_text(ns), 8, True)}  {100 * share:5.1f}%  {bar}"
        yield line.rstrip()


# Pieces


def _headline(result: PathResult) -> str:
    summary, outcome = result.summary, result.outcome
    seconds = "" if result.duration_s is None else f" in {result.duration_s:.2f} s"
    what = f"{result.asked}: {_count(summary.count, 'call')}{seconds} by {result.capture.target}"
    failed = sum(totals.failed for totals in summary.names.values())
    if failed:
        errors: Dict[int, int] = {}
        for totals in summary.names.values():
            for errno, times in totals.errors.items():
                errors[errno] = errors.get(errno, 0) + times
        most = sorted(errors.items(), key=lambda each: (-each[1], each[0]))
        names = ", ".join(f"{times} {name_of(errno)}" for errno, times in most[:6])
        what += f"; {failed} failed: {names}"
    if outcome.samples is not None:
        what = f"{result.asked}: samples{seconds} of {result.capture.target}"
    return what + (f" ({outcome.ended})" if outcome.ended else "")


def _failures(summary: Summary, style: Style) -> Iterator[str]:
    left = _MOST_ROWS
    for totals in summary.by_name():
        for errno, origin in totals.origins().items():
            if origin.words == NOTHING_SEEN:
                continue
            if not left:
                yield "  (more kinds of errors: see --json)"
                return
            left -= 1
            times = totals.errors[errno]
            name = f"{totals.name}: " if len(summary.names) > 1 else ""
            text = f"{name}{origin_text(origin)}"
            if times > 1:
                text += f" (of one of {times} such calls)"
            lines = wrap(style.safe(text), style.width, indent=2)
            yield from (style.paint("warning", line) for line in lines)


def _errors(summary: Summary, target: str, style: Style) -> Iterator[str]:
    """Yield which calls failed how, and how to see more of one."""
    failed = [row for row in summary.by_name() if row.errors]
    failed.sort(key=lambda row: -row.failed)
    if failed:
        yield ""
        yield style.paint("title", "Failed")
        for row in failed[: 2 * _MOST_ROWS]:
            most = sorted(row.errors.items(), key=lambda each: (-each[1], each[0]))
            told = ", ".join(f"{times} {name_of(errno)} ({text_of(errno)})" for errno, times in most)
            yield from wrap(style.safe(f"  {row.name}: {told}"), style.width, indent=4)
    yield ""
    worst = failed[0].name if failed else summary.by_name()[0].name
    option = " --failing" if failed else ""
    yield from wrap(style.safe(f"next: kdiag path {worst}{option} -- {target}"), style.width, indent=2)


def _nothing(result: PathResult) -> str:
    why = result.outcome.nothing
    text = f"no call of {result.asked} was seen"
    return f"{text}: {why}" if why else f"{text}: nothing called it"


def _no_choice(summary: Summary) -> str:
    if summary.which == "failing":
        return "no call failed"
    return f"there is no call number {summary.nth}: {_count(summary.count, 'call')} in all"


def _which(summary: Summary) -> str:
    number = summary.chosen_number
    what = {"slowest": "slowest call", "failing": "first call that failed", "nth": "call"}[summary.which]
    return f"The {what} (number {number} of {summary.count})"


def _numbers(summary: Summary, style: Style) -> Iterator[str]:
    rows = summary.by_name()
    shown = rows[: 3 * _MOST_ROWS]
    columns = [
        Column("call", [style.safe(row.name) for row in shown]),
        Column("calls", [str(row.count) for row in shown], right=True),
        Column("failed", [str(row.failed) for row in shown], right=True),
    ]
    for title, cell in _COLUMNS:
        columns.append(Column(title, [time_text(cell(row)) for row in shown], right=True))
    if len(rows) > 1:
        if any(set(row.layers) - _NO_LAYER for row in rows):
            columns.append(Column("most time in", [_first_layer(row) for row in shown]))
        elif any(row.layers for row in rows):
            columns.append(Column("off the CPU", [_off_cpu(row) for row in shown], right=True))
    yield from table_lines(columns, style)
    if len(rows) > len(shown):
        yield f"({len(rows) - len(shown)} more: see --json)"
    # Of sums, the head says what is inferred.
    if any(row.count > 2 for row in rows) and not summary.summed:
        text = f"(p50 and p99 are within {summary.percentile_error_pct:.3g} %; all others are exact)"
        yield from wrap(text, style.width, indent=1)
    incomplete = sum(row.incomplete for row in rows)
    if incomplete:
        text = f"({_count(incomplete, 'call')} without begin or end: in no time above)"
        yield from wrap(text, style.width, indent=1)
    for table, times in summary.left_out.items():
        yield f"(too many {table}: {times} counted as others)"


_COLUMNS: Tuple[Tuple[str, Callable[[CallTotals], Optional[int]]], ...] = (
    ("total", lambda row: row.times.total if row.times.count else None),
    ("min", lambda row: row.times.minimum),
    ("avg", lambda row: None if row.times.average is None else round(row.times.average)),
    ("p50", lambda row: row.times.percentile(50)),
    ("p99", lambda row: row.times.percentile(99)),
    ("max", lambda row: row.times.maximum),
)


_NO_LAYER = frozenset((UNSEEN, WAITING, RUN_QUEUE))


def _off_cpu(row: CallTotals) -> str:
    """Return the share of the time in which the calls waited, where nothing more is known."""
    waited = row.layers.get(WAITING, 0) + row.layers.get(RUN_QUEUE, 0)
    return f"{100 * waited / (sum(row.layers.values()) or 1):.0f}%"


def _first_layer(row: CallTotals) -> str:
    if not row.layers:
        return "-"
    title, ns = max(row.layers.items(), key=lambda each: each[1])
    return f"{title} {100 * ns / (sum(row.layers.values()) or 1):.0f}%"


def _layers(summary: Summary, style: Style) -> Iterator[str]:
    layers = summary.layers()
    if not layers:
        return
    inferred = any(row.layers_inferred for row in summary.names.values())
    yield ""
    title = f"Time by layer, {_count(summary.count, 'call')}"
    if inferred:
        title += ": lower bounds, from stacks; (not seen) lies between them"
    for line in wrap(title, style.width, indent=2):
        yield style.paint("title", line)
    yield from layer_lines(sorted(layers.items(), key=lambda each: (-each[1], each[0])), style)


def _sleeps(rows: Sequence[Sleep], style: Style) -> Iterator[str]:
    if not rows:
        return
    shown = rows[:_MOST_ROWS]
    yield ""
    yield style.paint("title", "Off the CPU")
    columns = [
        Column("in", [style.safe(row.place) for row in shown]),
        Column("times", [str(row.times) for row in shown], right=True),
        Column("total", [_sleep_total(row) for row in shown], right=True),
        Column("longest", [time_text(row.longest_ns or None) for row in shown], right=True),
        Column("state", [_STATES.get(row.state[:1], row.state) for row in shown]),
    ]
    if any(row.waker for row in shown):
        columns.append(Column("woken by", [style.safe(row.waker or "-") for row in shown]))
    yield from table_lines(columns, style)
    if len(rows) > len(shown):
        yield f"({len(rows) - len(shown)} more places: see --json)"


def _sleep_total(row: Sleep) -> str:
    if row.unknown == row.times:
        return "-"
    return time_text(row.total_ns) + ("+" if row.unknown else "")


def _functions(summary: Summary, style: Style) -> Iterator[str]:
    """Yield the functions with the most time of their own, where their times are exact and calls are many."""
    if summary.count < 2 or not summary.whole:
        return
    rows = [row for row in summary.functions() if row.exact and row.self_ns]
    if len(rows) < 2:
        return
    shown = rows[:_MOST_FUNCTIONS]
    yield ""
    yield style.paint("title", "Functions with the most time of their own, all calls")
    yield from table_lines(
        [
            Column("function", [style.safe(row.function) for row in shown]),
            Column("hits", [str(row.hits) for row in shown], right=True),
            Column("self", [time_text(row.self_ns) for row in shown], right=True),
            Column("total", [time_text(row.total_ns) for row in shown], right=True),
        ],
        style,
    )


def _longest(waits: Sequence[Wait], most: int = 4) -> List[Wait]:
    unknown = [wait for wait in waits if wait.duration_ns is None]
    known = sorted(
        (wait for wait in waits if wait.duration_ns is not None), key=lambda wait: -(wait.duration_ns or 0)
    )
    return (unknown + known)[:most]


def _count(number: int, what: str, plural: Optional[str] = None) -> str:
    return f"{number} {what if number == 1 else plural or what + 's'}"
