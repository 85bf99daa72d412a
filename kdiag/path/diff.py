"""Two captures of the same thing compared: functions that appeared, vanished, got slower, and results.

Captures differ in how many calls they have, so everything is per call: times a function was called by one
call, its own time in one call. Times differ from run to run by themselves; a function counts as slower or
faster only if its time per call changed by a fifth at least *and* by a hundredth of a whole call, and where
either capture has fewer than :data:`FEW_CALLS` calls that is said.
"""

from typing import Dict, List, Optional, Tuple

from kdiag.path.result import PathResult
from kdiag.path.summary import CallTotals, Summary
from kdiag.records import NamedTuple

__all__ = ["FEW_CALLS", "Change", "FunctionChange", "PathDiff", "compare"]

FEW_CALLS = 20
_RATIO = 1.2
_SHARE = 0.01


class Change(NamedTuple):
    """A number before and after; ``None`` where it is not known."""

    name: str
    before: Optional[float]
    after: Optional[float]

    @property
    def ratio(self) -> Optional[float]:
        """After in terms of before."""
        return self.after / self.before if self.before and self.after is not None else None


class FunctionChange(NamedTuple):
    """A function: calls of it per call, its own ns per call. ``kind``: slower, faster, appeared, vanished."""

    kind: str
    function: str
    hits_before: float
    hits_after: float
    self_before_ns: float
    self_after_ns: float
    exact: bool


class PathDiff(NamedTuple):
    """``calls``: how many of each name; ``times``: ns of a call (avg, p50, max); ``layers``: ns per call.

    ``results``: share of calls that failed with each errno, by name and errno.
    """

    before: PathResult
    after: PathResult
    calls: Tuple[Change, ...]
    times: Tuple[Change, ...]
    layers: Tuple[Change, ...]
    functions: Tuple[FunctionChange, ...]
    results: Tuple[Tuple[str, int, float, float], ...]
    notes: Tuple[str, ...] = ()


def compare(before: PathResult, after: PathResult) -> PathDiff:
    """Compare two captures, of which the calls have been summed up."""
    one, two = before.summary, after.summary
    names = list(dict.fromkeys([*one.names, *two.names]))
    calls = tuple(Change(name, _calls(one, name), _calls(two, name)) for name in names)
    times: List[Change] = []
    for name in names:
        if name in one.names and name in two.names:
            times += _times(name, one.names[name], two.names[name], many=len(names) > 1)
    layers = _layers(one, two)
    return PathDiff(
        before,
        after,
        calls,
        tuple(times),
        layers,
        tuple(_functions(before, after)),
        tuple(_results(one, two, names)),
        tuple(_notes(before, after)),
    )


def _calls(summary: Summary, name: str) -> float:
    totals = summary.names.get(name)
    return 0 if totals is None else totals.count


def _times(name: str, one: CallTotals, two: CallTotals, many: bool) -> List[Change]:
    prefix = f"{name} " if many else ""
    return [
        Change(f"{prefix}avg", one.times.average, two.times.average),
        Change(f"{prefix}p50", one.times.percentile(50), two.times.percentile(50)),
        Change(f"{prefix}max", one.times.maximum, two.times.maximum),
    ]


def _layers(one: Summary, two: Summary) -> Tuple[Change, ...]:
    before, after = _per_call(one), _per_call(two)
    rows = [
        Change(title, before.get(title, 0.0), after.get(title, 0.0))
        for title in dict.fromkeys([*before, *after])
    ]
    rows.sort(key=lambda row: -abs((row.after or 0) - (row.before or 0)))
    return tuple(rows)


def _per_call(summary: Summary) -> Dict[str, float]:
    calls = sum(totals.times.count for totals in summary.names.values()) or 1
    return {title: ns / calls for title, ns in summary.layers().items()}


def _functions(before: PathResult, after: PathResult) -> List[FunctionChange]:
    one, two = _by_function(before.summary), _by_function(after.summary)
    least_ns = _SHARE * min(_average_ns(before.summary), _average_ns(after.summary))
    # Elsewhere what a function did not spend in what was seen below it may be anybody's.
    whole = before.summary.whole and after.summary.whole
    changes = []
    for name in dict.fromkeys([*one, *two]):
        hits_1, self_1, exact_1 = one.get(name, (0.0, 0.0, True))
        hits_2, self_2, exact_2 = two.get(name, (0.0, 0.0, True))
        exact = whole and exact_1 and exact_2
        if not hits_1:
            kind = "appeared"
        elif not hits_2:
            kind = "vanished"
        elif exact and self_2 > self_1 * _RATIO and self_2 - self_1 >= least_ns:
            kind = "slower"
        elif exact and self_1 > self_2 * _RATIO and self_1 - self_2 >= least_ns:
            kind = "faster"
        else:
            continue
        changes.append(FunctionChange(kind, name, hits_1, hits_2, self_1, self_2, exact))
    order = ("slower", "faster", "appeared", "vanished")
    changes.sort(
        key=lambda row: (order.index(row.kind), -abs(row.self_after_ns - row.self_before_ns), row.function)
    )
    return changes


def _by_function(summary: Summary) -> Dict[str, Tuple[float, float, bool]]:
    """Return hits per call, own ns per call, and whether these are exact, by function."""
    calls = summary.count or 1
    found: Dict[str, Tuple[float, float, bool]] = {}
    for row in summary.functions():
        name = f"{row.function} [{row.module}]" if row.module else row.function
        found[name] = (row.hits / calls, (row.self_ns or 0) / calls, row.exact)
    return found


def _average_ns(summary: Summary) -> float:
    count = sum(totals.times.count for totals in summary.names.values())
    return sum(totals.times.total for totals in summary.names.values()) / count if count else 0.0


def _results(one: Summary, two: Summary, names: List[str]) -> List[Tuple[str, int, float, float]]:
    rows = []
    for name in names:
        first, second = one.names.get(name), two.names.get(name)
        errnos = [*(first.errors if first else ()), *(second.errors if second else ())]
        for errno in dict.fromkeys(errnos):
            share_1 = first.errors.get(errno, 0) / first.count if first and first.count else 0.0
            share_2 = second.errors.get(errno, 0) / second.count if second and second.count else 0.0
            if share_1 != share_2:
                rows.append((name, errno, share_1, share_2))
    rows.sort(key=lambda row: -abs(row[3] - row[2]))
    return rows


def _notes(before: PathResult, after: PathResult) -> List[str]:
    notes = []
    if before.capture.mechanism.name != after.capture.mechanism.name:
        notes.append(
            f"seen by different mechanisms ({before.capture.mechanism.name}, "
            f"{after.capture.mechanism.name}): times below the call do not compare"
        )
    for which, result in (("first", before), ("second", after)):
        if 0 < result.summary.count < FEW_CALLS:
            notes.append(f"the {which} has {result.summary.count} calls only: differences may be chance")
        if not result.summary.count:
            notes.append(f"the {which} has no call")
        if any(result.lost):
            notes.append(f"the {which} lost events")
    return notes
