"""Requests by disk and operation, and the summary that biolatency makes of them."""

from typing import Any, Mapping, Optional, Tuple

from kdiag.records import NamedTuple
from kdiag.tools.biolatency import BlockLatencyRow
from kdiag.tools.durations import NONE, Durations
from kdiag.tools.histogram import from_slots
from kdiag.tools.tool import Summary

__all__ = ["Key", "Times", "by_disk", "summary_of", "with_request"]

#: (disk, operation); what was not asked for is ``None``.
Key = Tuple[Optional[str], Optional[str]]
_NS_PER_US = 1000


def by_disk(options: Mapping[str, Any]) -> bool:
    """Tell whether disks are told apart: all of them, or one from the others."""
    return bool(options["disks"] or options["disk"] is not None)


class Times(NamedTuple):
    """Requests of one key: their durations, in slots of us; failed ones; bytes that were done."""

    durations: Durations
    errors: int
    total_bytes: int

    def since(self, past: "Optional[Times]") -> "Times":
        """Return what was added after ``past``."""
        was = past or Times(NONE, 0, 0)
        durations = self.durations.since(was.durations)
        return Times(durations, self.errors - was.errors, self.total_bytes - was.total_bytes)


def with_request(past: Optional[Times], time_ns: int, done_bytes: int, *, failed: bool) -> Times:
    """Return the times with one more request."""
    was = past or Times(NONE, 0, 0)
    durations = was.durations.plus(time_ns, _NS_PER_US)
    return Times(durations, was.errors + failed, was.total_bytes + done_bytes)


def summary_of(found: Mapping[Key, Times], begun_s: float, ended_s: float) -> Summary:
    """Return the summary, with most time first."""
    done = [(key, times) for key, times in found.items() if times.durations.number]
    ordered = sorted(done, key=lambda each: (-each[1].durations.total_ns, str(each[0])))
    rows = tuple(
        BlockLatencyRow(
            disk,
            operation,
            durations.number,
            errors,
            total_bytes,
            durations.total_ns / durations.number,
            durations.max_ns,
        )
        for (disk, operation), (durations, errors, total_bytes) in ordered
    )
    histograms = tuple(
        from_slots(
            " ".join(filter(None, key)),
            "us",
            times.durations.slots,
            times.durations.total_ns // _NS_PER_US,
        )
        for key, times in ordered
    )
    return Summary(rows, histograms, (), begun_s, ended_s - begun_s)
