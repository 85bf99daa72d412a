"""Trees of function_graph joined with the begin and end of the calls that they are trees of.

The graph tells the way through the kernel; events beside it tell when the call began and ended (exactly),
with which arguments, what it returned, when its thread slept. Both are recorded with one clock, in two
buffers. A tree lies within its call, but for the microsecond to which the text is cut, and for probes that
stand at the root itself: their order is not fixed. So a tree belongs to the call of its thread that it
overlaps.
"""

from collections import deque
from typing import Deque, Dict, Iterator, List, Mapping, Optional, Tuple

from kdiag.path.acquire.graph_returns import Return
from kdiag.path.call import Call, Wait
from kdiag.records import NamedTuple

__all__ = ["Joined", "Joiner", "Span", "Tree"]

#: Text is cut to microseconds, and probes at the root itself fire a little before or after it.
_SLACK_NS = 1_000_000


class Tree(NamedTuple):
    """One call of the root as the graph shows it; ``end_ns`` is ``None`` where its end was not seen."""

    tid: int
    comm: str
    start_ns: int
    end_ns: Optional[int]
    root: Call
    cpu: Optional[int] = None


class Span(NamedTuple):
    """One call of the root as the events show it; without ``end_ns`` and ``retval`` if it never ended."""

    name: str
    tid: int
    start_ns: int
    end_ns: Optional[int]
    retval: Optional[int]
    args: str = ""
    waits: Tuple[Wait, ...] = ()
    returns: Tuple[Return, ...] = ()
    cpu: Optional[int] = None
    values: Mapping[str, object] = {}
    """The arguments as numbers, by name."""
    texts: Mapping[str, str] = {}
    """Those of them that are strings."""


class Joined(NamedTuple):
    """A call: its span and its tree, one of which may be missing."""

    span: Optional[Span]
    tree: Optional[Tree]


class Joiner:
    """Takes trees and spans as they end; gives calls in the order of their ends."""

    def __init__(self) -> None:
        self._trees: Dict[int, Deque[Tree]] = {}
        self._spans: Deque[Span] = deque()
        self.spans_without_tree = 0
        self.trees_without_span = 0

    def tree(self, tree: Tree) -> None:
        """A call of the root has ended in the graph."""
        self._trees.setdefault(tree.tid, deque()).append(tree)

    def span(self, span: Span) -> None:
        """A call has ended in the events."""
        self._spans.append(span)

    def forget_trees(self, tid: int) -> None:
        """A thread's trees cannot be trusted: events of it were lost."""
        self._trees.pop(tid, None)

    def ready(self, complete_ns: int) -> Iterator[Joined]:
        """Yield the calls of which both sides are complete, being so up to this time."""
        while self._spans and (self._spans[0].end_ns or 0) + _SLACK_NS <= complete_ns:
            yield from self._join(self._spans.popleft())

    def rest(self) -> Iterator[Joined]:
        """Yield everything that is left, at the end of the trace."""
        while self._spans:
            yield from self._join(self._spans.popleft())
        left = sorted((tree for trees in self._trees.values() for tree in trees), key=_end)
        self._trees.clear()
        for tree in left:
            self.trees_without_span += 1
            yield Joined(None, tree)

    def _join(self, span: Span) -> Iterator[Joined]:
        trees = self._trees.get(span.tid)
        found: Optional[Tree] = None
        early: List[Tree] = []
        while trees:
            overlap = _overlap_ns(span, trees[0])
            if overlap is None:  # it ended before this call began
                early.append(trees.popleft())
            elif overlap > 0 or _within(span, trees[0]):
                found = trees.popleft()
                break
            else:
                break
        if trees is not None and not trees:
            self._trees.pop(span.tid, None)
        for tree in early:
            self.trees_without_span += 1
            yield Joined(None, tree)
        if found is None:
            self.spans_without_tree += 1
        yield Joined(span, found)


def _end(tree: Tree) -> int:
    return tree.start_ns if tree.end_ns is None else tree.end_ns


def _overlap_ns(span: Span, tree: Tree) -> Optional[int]:
    """Return for how long both were there, 0 or less if the tree came later; ``None`` if it came earlier."""
    tree_end = tree.end_ns
    if tree_end is not None and tree_end + 1000 < span.start_ns:
        return None
    ends = [end for end in (span.end_ns, tree_end) if end is not None]
    begin = max(span.start_ns, tree.start_ns)
    return (min(ends) if ends else begin + 1) - begin


def _within(span: Span, tree: Tree) -> bool:
    """Tell whether a tree is in a call, to the microsecond: one that took no time overlaps nothing."""
    late = span.end_ns is not None and tree.start_ns > span.end_ns
    return not late and tree.start_ns + 1000 >= span.start_ns
