"""Times of the calls of functions, and the summary that funclatency makes of them."""

from typing import Mapping, Optional, Sequence

from kdiag.records import NamedTuple
from kdiag.tools.funclatency import FunctionLatencyRow
from kdiag.tools.histogram import from_slots
from kdiag.tools.tool import Summary

__all__ = ["Times", "summary_of"]


class Times(NamedTuple):
    """What is known of one function: ``slots`` by the bit length of the time in the unit asked for.

    ``max_ns`` is ``None`` for an interval: the kernel keeps the longest of all.
    """

    place: str
    calls: int
    total_ns: int
    max_ns: Optional[int]
    slots: Mapping[int, int]

    def since(self, past: "Times") -> "Times":
        """Return what was added after ``past``."""
        slots = {slot: count - past.slots.get(slot, 0) for slot, count in self.slots.items()}
        return Times(self.place, self.calls - past.calls, self.total_ns - past.total_ns, None, slots)


def summary_of(found: Sequence[Times], unit: str, begun_s: float, ended_s: float) -> Summary:
    """Return the summary, with most time first."""
    called = [each for each in found if each.calls]
    ordered = sorted(called, key=lambda each: (-each.total_ns, each.place))
    rows = tuple(
        FunctionLatencyRow(each.place, each.calls, each.total_ns / each.calls, each.max_ns, each.total_ns)
        for each in ordered
    )
    histograms = tuple(from_slots(each.place, unit, each.slots) for each in ordered)
    return Summary(rows, histograms, (), begun_s, ended_s - begun_s)
