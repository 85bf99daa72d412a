"""Durations summed up by who or what they are of, whoever sums them up."""

from typing import Dict, Mapping, Optional, Sequence

from kdiag.records import NamedTuple
from kdiag.tools.histogram import Histogram, from_slots

__all__ = ["NONE", "Durations", "durations_of"]


class Durations(NamedTuple):
    """How many, how long in all; ``slots`` by the bit length of each in the unit that was asked for.

    ``max_ns`` is ``None`` for an interval: the kernel keeps the longest of all.
    """

    number: int
    total_ns: int
    max_ns: Optional[int]
    slots: Mapping[int, int]

    def since(self, past: "Durations") -> "Durations":
        """Return what was added after ``past``."""
        slots = {slot: count - past.slots.get(slot, 0) for slot, count in self.slots.items()}
        return Durations(self.number - past.number, self.total_ns - past.total_ns, None, slots)

    def plus(self, duration_ns: int, unit_ns: int) -> "Durations":
        """Return these and one more."""
        slots = dict(self.slots)
        slot = (duration_ns // unit_ns).bit_length()
        slots[slot] = slots.get(slot, 0) + 1
        longest_ns = max(self.max_ns or 0, duration_ns)
        return Durations(self.number + 1, self.total_ns + duration_ns, longest_ns, slots)

    def histogram(self, label: str, unit: str) -> Histogram:
        """Return them by length."""
        return from_slots(label, unit, self.slots)


NONE = Durations(0, 0, None, {})


def durations_of(all_of: Sequence[Durations]) -> Durations:
    """Return several together."""
    slots: Dict[int, int] = {}
    for each in all_of:
        for slot, count in each.slots.items():
            slots[slot] = slots.get(slot, 0) + count
    longest = [each.max_ns for each in all_of if each.max_ns is not None]
    return Durations(
        sum(each.number for each in all_of),
        sum(each.total_ns for each in all_of),
        max(longest) if longest else None,
        slots,
    )
