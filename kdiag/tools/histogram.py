"""Histograms with power-of-two edges, the same in every mechanism.

A value's slot is its bit length: slot 0 holds 0, slot n holds ``2**(n-1)`` to ``2**n - 1``. A histogram
trigger's own ``.log2`` rounds up instead (``hist_field_log2`` in ``kernel/trace/trace_events_hist.c``), so
its slots are others: they are not used.
"""

from typing import Mapping, Optional, Tuple

from kdiag.records import NamedTuple

__all__ = ["Histogram", "from_slots"]


class Histogram(NamedTuple):
    """Counts by value: ``buckets`` are (lo, hi, count) for ``lo <= value < hi``, without gaps.

    ``unit`` is of the values; ``sum`` is theirs altogether, where it is known.
    """

    label: str
    unit: str
    buckets: Tuple[Tuple[int, int, int], ...]
    sum: Optional[int] = None

    @property
    def total(self) -> int:
        """How many values there are."""
        return sum(count for _, _, count in self.buckets)

    def below(self, share: float) -> Optional[int]:
        """Return an edge that at least this share of the values is below, ``None`` without values.

        >>> from_slots("", "us", {1: 50, 4: 50}).below(0.5), from_slots("", "us", {1: 50, 4: 50}).below(0.99)
        (2, 16)
        """
        wanted, seen = share * self.total, 0
        for _, hi, count in self.buckets:
            seen += count
            if count and seen >= wanted:
                return hi
        return None


def from_slots(label: str, unit: str, slots: Mapping[int, int], sum: Optional[int] = None) -> Histogram:
    """Return the histogram of counts by slot; empty slots between the first and the last are filled in.

    >>> from_slots("read", "us", {0: 1, 3: 2}).buckets
    ((0, 1, 1), (1, 2, 0), (2, 4, 0), (4, 8, 2))
    """
    used = [slot for slot, count in slots.items() if count]
    if not used:
        return Histogram(label, unit, (), sum)
    buckets = tuple(
        (1 << slot >> 1, 1 << slot, slots.get(slot, 0)) for slot in range(min(used), max(used) + 1)
    )
    return Histogram(label, unit, buckets, sum)
