"""Times of requests by disk and operation, and the summary that biolatency makes of them."""

from typing import Mapping, Optional, Tuple

from kdiag.records import NamedTuple
from kdiag.tools.biolatency import BlockLatencyRow
from kdiag.tools.histogram import from_slots
from kdiag.tools.tool import Summary

__all__ = ["Key", "Times", "summary_of", "with_request"]

#: (disk, operation); what was not asked for is ``None``.
Key = Tuple[Optional[str], Optional[str]]


class Times(NamedTuple):
    """Requests of one key: ``slots`` by the bit length of the time in us.

    ``max_ns`` is ``None`` for an interval: the kernel keeps the longest of all.
    """

    ios: int
    errors: int
    total_bytes: int
    total_ns: int
    max_ns: Optional[int]
    slots: Mapping[int, int]

    def since(self, past: "Optional[Times]") -> "Times":
        """Return what was added after ``past``."""
        if past is None:
            return self
        slots = {slot: count - past.slots.get(slot, 0) for slot, count in self.slots.items()}
        return Times(
            self.ios - past.ios,
            self.errors - past.errors,
            self.total_bytes - past.total_bytes,
            self.total_ns - past.total_ns,
            None,
            slots,
        )


def with_request(past: Optional[Times], time_ns: int, done_bytes: int, *, failed: bool) -> Times:
    """Return the times with one more request."""
    was = past or Times(0, 0, 0, 0, 0, {})
    slot = (time_ns // 1000).bit_length()
    return Times(
        was.ios + 1,
        was.errors + failed,
        was.total_bytes + done_bytes,
        was.total_ns + time_ns,
        max(was.max_ns or 0, time_ns),
        {**was.slots, slot: was.slots.get(slot, 0) + 1},
    )


def summary_of(found: Mapping[Key, Times], begun_s: float, ended_s: float) -> Summary:
    """Return the summary, with most time first."""
    done = [(key, times) for key, times in found.items() if times.ios]
    ordered = sorted(done, key=lambda each: (-each[1].total_ns, str(each[0])))
    rows = tuple(
        BlockLatencyRow(
            *key,
            ios=times.ios,
            errors=times.errors,
            total_bytes=times.total_bytes,
            avg_ns=times.total_ns / times.ios,
            max_ns=times.max_ns,
        )
        for key, times in ordered
    )
    histograms = tuple(
        from_slots(" ".join(filter(None, key)), "us", times.slots, times.total_ns // 1000)
        for key, times in ordered
    )
    return Summary(rows, histograms, (), begun_s, ended_s - begun_s)
