"""What the functions of failing calls returned, where the kernel's own option for it is missing.

The first call that fails in some way shows which functions it went through. Return probes on those that
can bear the error show, for the next call that fails in the same way, what each returned. Where that call
went the same way (the same functions in the same order, interrupts and the scheduler apart), what its
functions returned is true of the first one as well, whose times no probe has spoilt.
"""

from typing import Dict, Iterator, List, Optional, Sequence, Set, Tuple

from kdiag.path.acquire.graph_functions import ends_the_call, error_candidates
from kdiag.path.acquire.graph_join import Span
from kdiag.path.acquire.graph_returns import Return, put_returns
from kdiag.path.call import Call

__all__ = ["Births", "same_way"]

#: Probes of one session; each costs about a microsecond a call, for everybody.
MOST_PROBES = 128


class Births:
    """Which probes are wanted, and what they gave."""

    def __init__(self, most_probes: int = MOST_PROBES) -> None:
        self._most = most_probes
        self._waiting: Dict[int, Call] = {}
        self.spans: Dict[int, Optional[Span]] = {}
        """The first call of each errno as the events show it."""
        self._known: Dict[int, Call] = {}
        self._probed: Dict[str, int] = {}
        self._refused: Set[str] = set()
        self.left_out = 0
        self.unmatched: Dict[str, None] = {}

    @property
    def probed(self) -> Tuple[str, ...]:
        """The functions that have a return probe."""
        return tuple(self._probed)

    @property
    def unexplained(self) -> Dict[int, Call]:
        """The first failing call of each errno whose return values are not known."""
        return {errno: call for errno, call in self._waiting.items() if errno not in self._known}

    def failed(self, root: Call, errno: int, span: Optional[Span] = None) -> List[str]:
        """Take a call that failed; return the functions that should get a return probe now."""
        if errno in self._known:
            return []
        if errno not in self._waiting:
            self._waiting[errno], self.spans[errno] = root, span
        candidates, left_out = error_candidates(root, errno, self._most)
        wanted = [name for name in candidates if name not in self._probed and name not in self._refused]
        room = max(0, self._most - len(self._probed))
        self.left_out = max(self.left_out, left_out + max(0, len(wanted) - room))
        return wanted[:room]

    def placed(self, function: str, since_ns: int) -> None:
        """A probe is in place; calls that begin from then on have its returns."""
        self._probed[function] = since_ns

    def refused(self, function: str) -> None:
        """The kernel takes no return probe there (``void``, by its type information, or not to be probed)."""
        self._refused.add(function)

    def returned(self, root: Call, errno: int, start_ns: int, returns: Sequence[Return]) -> bool:
        """Put what a failing call's functions returned into its tree, and into that of the first one.

        ``True`` if there was something to put.
        """
        ready = [name for name, since_ns in self._probed.items() if since_ns <= start_ns]
        if not ready or errno in self._known:
            return False
        matched = put_returns(root, returns, ready)
        self.unmatched.update(dict.fromkeys(matched.unmatched))
        if not matched.calls:
            return False
        self._known[errno] = root
        first = self._waiting.get(errno)
        if first is not None and first is not root:
            copy_returns(root, first)
        return True


def copy_returns(source: Call, target: Call) -> bool:
    """Give the calls of ``target`` the return values of ``source``, if both went the same way."""
    pairs = same_way(source, target)
    if pairs is None:
        return False
    for known, other in pairs:
        if other.retval is None:
            other.retval = known.retval
    return True


def same_way(one: Call, other: Call) -> Optional[List[Tuple[Call, Call]]]:
    """Return the calls of two trees in pairs, ``None`` if they are not the same functions in one order."""
    first, second = list(_about_the_call(one)), list(_about_the_call(other))
    if [(depth, call.function) for depth, call in first] != [
        (depth, call.function) for depth, call in second
    ]:
        return None
    return [(call, twin) for (_, call), (_, twin) in zip(first, second)]


def _about_the_call(root: Call) -> Iterator[Tuple[int, Call]]:
    """Yield the calls of a tree with their depth, without interrupts and what gives the CPU away."""
    stack: List[Tuple[int, Call]] = [(0, root)]
    while stack:
        depth, call = stack.pop()
        yield depth, call
        stack.extend(
            (depth + 1, child) for child in reversed(call.children) if not ends_the_call(child.function)
        )
