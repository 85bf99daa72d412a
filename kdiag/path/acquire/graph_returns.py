"""Return values from probes, put into the tree that function_graph recorded at the same time.

Kernels without ``options/funcgraph-retval`` (all of Debian's up to 7.2) show which functions a call went
through, and not what they returned. Return probes on the functions of a failing path give that, for a later
call that fails in the same way. Both are recorded at once, for the same call: the n-th return of a function
in the events of one thread is the n-th end of that function in its tree. Nothing is matched by time, whose
order within a microsecond the text does not show. Where the numbers differ (a probe was missed, or the tree
has a hole) the function's values stay unknown.
"""

from typing import Dict, List, Sequence, Tuple

from kdiag.path.call import Call
from kdiag.records import NamedTuple

__all__ = ["Matched", "Return", "put_returns", "returns_in_order"]


class Return(NamedTuple):
    """One hit of a return probe: ns of the trace clock, the function, the register as signed 64 bits."""

    ts_ns: int
    function: str
    retval: int


class Matched(NamedTuple):
    """What came of it: calls that have their value now, and the functions whose numbers did not agree."""

    calls: int
    unmatched: Tuple[str, ...] = ()


def returns_in_order(root: Call) -> List[Call]:
    """Return the calls of a tree in the order of their ends; those whose end was not seen are left out."""
    found: List[Call] = []
    stack: List[Tuple[Call, bool]] = [(root, False)]
    while stack:
        call, done = stack.pop()
        if done:
            if not call.end_lost:
                found.append(call)
            continue
        stack.append((call, True))
        stack.extend((child, False) for child in reversed(call.children))
    return found


def put_returns(root: Call, returns: Sequence[Return], probed: Sequence[str]) -> Matched:
    """Set ``retval`` of the calls of ``root`` from the returns of its thread during it, in the order of time.

    ``probed`` are the functions that have a probe: one that was called and gave no event at all was missed.
    """
    given: Dict[str, List[int]] = {name: [] for name in probed}
    for each in returns:
        given.setdefault(each.function, []).append(each.retval)
    ended: Dict[str, List[Call]] = {}
    for call in returns_in_order(root):
        if call.function in given:
            ended.setdefault(call.function, []).append(call)
    matched, unmatched = 0, []
    for function, calls in ended.items():
        values = given[function]
        if len(values) != len(calls):
            unmatched.append(function)
            continue
        for call, value in zip(calls, values):
            call.retval = value
        matched += len(calls)
    return Matched(matched, tuple(unmatched))
