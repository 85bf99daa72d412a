"""Where the time of a call went, by layer of the kernel: own times added up, so that the parts are the whole.

Every nanosecond of the call is counted once: in the layer of the function that ran itself, as waiting (off
the CPU), as interrupts (with all that they called), as *unplaced* (no rule knows the function), or as
*unseen* (nothing says which function ran: a gap in the trace, or the time between two stacks). Times below
a function that do not fit into its own (clocks are cut to fractions, bounds are bounds) are cut to it.
"""

from typing import Dict, List, Optional, Tuple

from kdiag.kernel.layers import Layer, layer_of
from kdiag.path.call import Call, SyscallCall
from kdiag.path.interrupts import gives_cpu_away, is_interrupt
from kdiag.records import NamedTuple

__all__ = ["INTERRUPTS", "RUN_QUEUE", "UNPLACED", "UNSEEN", "WAITING", "LayerTimes", "layer_times"]

UNPLACED = "(unplaced)"
UNSEEN = "(not seen)"
WAITING = "waiting"
RUN_QUEUE = "waiting for a CPU"
INTERRUPTS = "interrupts in between"


class LayerTimes(NamedTuple):
    """``by_layer``: ns by title, which add up to ``total_ns``. ``inferred``: bounds, not times."""

    total_ns: int
    by_layer: Dict[str, int]
    inferred: bool = False

    def most_first(self) -> List[Tuple[str, int]]:
        """Return title and ns, the largest first."""
        return sorted(self.by_layer.items(), key=lambda each: (-each[1], each[0]))


def layer_times(call: SyscallCall, whole: bool = True) -> Optional[LayerTimes]:
    """Return the times of one call, ``None`` where its length is not known.

    Where the tree is not ``whole``, the time of a root without anything below is not its own, but not seen.
    Off the CPU counts what the scheduler said (``waits``), and else what ``schedule`` took.
    """
    total_ns = call.duration_ns
    if total_ns is None:
        return None
    times: Dict[str, int] = {}
    if call.root is None or not (whole or call.root.children):
        waited_ns = _waits(call, times, total_ns)
        _add(times, UNSEEN, total_ns - waited_ns)
        return LayerTimes(total_ns, times)
    adder = _Adder(call, times)
    adder.add(call.root, total_ns)
    return LayerTimes(total_ns, times, adder.inferred)


class _Adder:
    """Walks a tree with what is left of each caller's time."""

    def __init__(self, call: SyscallCall, times: Dict[str, int]) -> None:
        self._times = times
        self.inferred = False
        # Waits that the scheduler's events timed: what schedule() took is them, and the switching itself.
        self._asleep_ns, self._ready_ns = 0, 0
        for wait in call.waits:
            if wait.duration_ns is None:
                continue
            if wait.state.startswith("R"):
                self._ready_ns += wait.duration_ns
            else:
                self._asleep_ns += wait.duration_ns

    def add(self, root: Call, total_ns: int) -> None:
        """Give every function its own time, callers first, none more than its caller has left."""
        stack = [(root, total_ns)]
        while stack:
            call, budget = stack.pop()
            self.inferred |= call.inferred
            if is_interrupt(call.function) and call is not root:
                _add(self._times, INTERRUPTS, budget)
                continue
            if gives_cpu_away(call.function):
                self._wait(budget)
                continue
            left = budget
            unknown = False
            for child in call.children:
                if child.duration_ns is None:
                    # Its end or its beginning is missing: what is known below it still counts.
                    unknown = True
                    share = min(left, _known_ns(child))
                else:
                    share = min(left, child.duration_ns)
                left -= share
                if share:
                    stack.append((child, share))
            if unknown or call.begin_lost or call.end_lost or (call is root and self.inferred_below(root)):
                _add(self._times, UNSEEN, left)
            else:
                layer = layer_of(call.function, call.module)
                _add(self._times, UNPLACED if layer is None else title_of(layer), left)

    @staticmethod
    def inferred_below(root: Call) -> bool:
        """Tell whether what the root called is known from stacks alone: its own time is mostly theirs."""
        return any(child.inferred for child in root.children)

    def _wait(self, budget: int) -> None:
        asleep_ns = min(budget, self._asleep_ns)
        ready_ns = min(budget - asleep_ns, self._ready_ns)
        self._asleep_ns -= asleep_ns
        self._ready_ns -= ready_ns
        rest = budget - asleep_ns - ready_ns
        _add(self._times, WAITING, asleep_ns)
        _add(self._times, RUN_QUEUE, ready_ns)
        _add(self._times, title_of(Layer("scheduler")), rest)


def title_of(layer: Layer) -> str:
    """Return what users read, ``waiting`` being told apart from the scheduler's own time."""
    return "scheduler" if layer.id == "scheduler" else layer.title


def _known_ns(call: Call) -> int:
    """Return the time that is known below a call whose own is not."""
    total, stack = 0, [call]
    while stack:
        for child in stack.pop().children:
            if child.duration_ns is None:
                stack.append(child)
            else:
                total += child.duration_ns
    return total


def _waits(call: SyscallCall, times: Dict[str, int], most_ns: int) -> int:
    """Add the waits of a call of which no tree is there; return how long they were, at most ``most_ns``."""
    waited = 0
    for wait in call.waits:
        length = min(wait.duration_ns or 0, most_ns - waited)
        _add(times, RUN_QUEUE if wait.state.startswith("R") else WAITING, length)
        waited += length
    return waited


def _add(times: Dict[str, int], title: str, ns: int) -> None:
    if ns > 0:
        times[title] = times.get(title, 0) + ns
