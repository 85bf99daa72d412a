"""Entries and returns of probed functions, paired per thread into trees with exact times.

The tree is partial: between two probed functions the kernel may have called any number of others. A return
probe can be missed (all its instances were in use; the kernel counts that in ``kprobe_profile``), and a trace
begins and ends somewhere: a return without its entry is dropped, an entry whose return did not come before
that of its caller is marked as such. After a loss of events everything pending is dropped, since a pair over
the gap would give a false time.
"""

from typing import Dict, List, Optional

from kdiag.path.call import Call
from kdiag.records import NamedTuple

__all__ = ["Pairing", "Point"]


class Point(NamedTuple):
    """One hit: when (ns of the trace clock), which thread, entered or returned, the return value if so."""

    ts_ns: int
    tid: int
    function: str
    enters: bool
    retval: Optional[int] = None


class Pairing:
    """The open calls of all threads. :meth:`begin` and :meth:`end` bound one call of the root."""

    def __init__(self) -> None:
        self._open: Dict[int, List[Call]] = {}
        self.stray_returns = 0
        self.missing_returns = 0
        self.dropped_calls = 0

    def begin(self, tid: int, name: str, ts_ns: int, args: str = "") -> None:
        """The root of a tree begins; one that was still open has lost its end, and is dropped."""
        if self._open.pop(tid, None) is not None:
            self.dropped_calls += 1
        self._open[tid] = [Call(name, start_ns=ts_ns, args=args)]

    def point(self, point: Point) -> None:
        """Take an entry or a return; outside of a root both are ignored."""
        stack = self._open.get(point.tid)
        if stack is None:
            return
        if point.enters:
            call = Call(point.function, start_ns=point.ts_ns)
            stack[-1].children.append(call)
            stack.append(call)
            return
        for depth in range(len(stack) - 1, 0, -1):
            if stack[depth].function == point.function:
                self._close_above(stack, depth)
                call = stack.pop()
                call.end_ns, call.retval = point.ts_ns, point.retval
                call.duration_ns = point.ts_ns - (call.start_ns or 0)
                return
        self.stray_returns += 1

    def end(self, tid: int, ts_ns: int, retval: Optional[int]) -> Optional[Call]:
        """The root ends: return its tree, or ``None`` if its begin was not seen."""
        stack = self._open.pop(tid, None)
        if stack is None:
            return None
        self._close_above(stack, 0)
        root = stack[0]
        root.end_ns, root.retval = ts_ns, retval
        root.duration_ns = ts_ns - (root.start_ns or 0)
        return root

    def lost(self) -> int:
        """Drop everything pending; return how many roots that were."""
        dropped = len(self._open)
        self._open.clear()
        self.dropped_calls += dropped
        return dropped

    def unfinished_of(self, tid: int) -> Optional[Call]:
        """Return the root of a thread that is still open, and forget it."""
        stack = self._open.pop(tid, None)
        if stack is None:
            return None
        for call in stack:
            call.end_lost = True
        return stack[0]

    def unfinished(self) -> Dict[int, Call]:
        """Return the roots that are still open, by thread, and forget them."""
        left = {}
        for tid, stack in self._open.items():
            for call in stack:
                call.end_lost = True
            left[tid] = stack[0]
        self._open.clear()
        return left

    def _close_above(self, stack: List[Call], depth: int) -> None:
        """What is still open above ``depth`` has returned unseen: its callers return now."""
        for call in stack[depth + 1 :]:
            call.end_lost = True
            self.missing_returns += 1
        del stack[depth + 1 :]
