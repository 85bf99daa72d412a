"""Two samples of one host and what lies between them: deltas and rates that are never false.

A counter that went back, a CPU that left and came back, a host that was rebooted in between: each has a
rule here (the classes are those of :data:`COUNTER_CLASSES`), and where no rule gives a true number the
answer is :class:`CannotJudge`, with the reason.
"""

from typing import Callable, Optional, TypeVar

from kdiag.health.finding import SINCE_BOOT
from kdiag.health.sample import Sample
from kdiag.records import NamedTuple

__all__ = ["COUNTER_CLASSES", "CannotJudge", "Rate", "Window", "counter_delta", "known"]

_T = TypeVar("_T")
_NS_PER_S = 1_000_000_000
_WRAP_32 = 1 << 32
#: The clock that counts uptime and the one that stamps reads may disagree by this much, and by suspends.
_UPTIME_SLACK_S = 2.0

#: What a counter that went back means.
COUNTER_CLASSES = {
    "counter64": "a reset: no rate",
    "counter32": "it wrapped at 2^32 once, unless the step would be half of that or more",
    "clamp0": "0: the kernel itself lets it step back (idle, iowait, steal)",
}


class CannotJudge(Exception):
    """A value that a check needs is not known; ``path`` names the file, ``reason`` says why."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


class Rate(NamedTuple):
    """A counter's growth: ``per_s``, the growth itself, and the seconds in which it happened."""

    per_s: float
    delta: int
    seconds: float


def known(sample: Sample, value: Optional[_T], path: str, item: str = "") -> _T:
    """Return ``value``, or raise :class:`CannotJudge` with the reason why the file does not tell it."""
    if value is None:
        raise CannotJudge(path, sample.why_missing(path, item))
    return value


def counter_delta(before: int, after: int, kind: str = "counter64") -> Optional[int]:
    """Return how much a counter grew, or ``None`` where that cannot be known.

    >>> counter_delta(2**32 - 10, 5, "counter32"), counter_delta(10, 5), counter_delta(10, 5, "clamp0")
    (15, None, 0)
    >>> counter_delta(2**31, 5, "counter32") is None   # too far to be one wrap
    True
    """
    delta = after - before
    if delta >= 0:
        return delta
    if kind == "clamp0":
        return 0
    if kind == "counter32" and before < _WRAP_32 and delta + _WRAP_32 < _WRAP_32 // 2:
        return delta + _WRAP_32
    return None


class Window:
    """The time between two samples, or since boot where there is only one to go by."""

    def __init__(self, before: Optional[Sample], after: Sample) -> None:
        self.after = after
        #: Why the earlier sample, if there was one, does not count.
        self.note = "" if before is None else _not_comparable(before, after)
        #: The earlier sample; ``None`` means that every delta is one since boot.
        self.before = None if self.note else before

    @property
    def since_boot(self) -> bool:
        """True if there is no earlier sample to compare with."""
        return self.before is None

    @property
    def basis(self) -> str:
        """How a delta of this window is to be read: ``rate over 1.0 s`` or ``since boot``."""
        if self.before is None:
            return SINCE_BOOT
        seconds = self.seconds("/proc/stat") or self.seconds("/proc/uptime")
        if not seconds:
            return "rate between two samples"
        return f"rate over {seconds:.1f} s" if seconds >= 1 else f"rate over {seconds:.2g} s"

    def seconds(self, path: str) -> Optional[float]:
        """Return the seconds between the two reads of one file; since boot, the uptime."""
        if self.before is None:
            return self.after.uptime.up_s if self.after.uptime is not None else None
        started, ended = self.before.stamps_ns.get(path), self.after.stamps_ns.get(path)
        if started is not None and ended is not None and ended > started:
            return (ended - started) / _NS_PER_S
        # A recording without clocks: the host's own uptime, kept to 10 ms, is the next best clock.
        first, last = self.before.uptime, self.after.uptime
        if first is None or last is None or first.up_s is None or last.up_s is None:
            return None
        return last.up_s - first.up_s if last.up_s > first.up_s else None

    def delta(
        self, path: str, item: str, get: Callable[[Sample], Optional[int]], kind: str = "counter64"
    ) -> int:
        """Return how much a counter grew in this window (since boot: its value).

        Raises :class:`CannotJudge` if it is missing on either side, or was reset.
        """
        after = get(self.after)
        if after is None:
            raise CannotJudge(path, self.after.why_missing(path, item))
        if self.before is None:
            return after
        before = get(self.before)
        if before is None:
            raise CannotJudge(path, f"{self.before.why_missing(path, item)} (in the first reading)")
        delta = counter_delta(before, after, kind)
        if delta is None:
            raise CannotJudge(path, f"{item} went back from {before} to {after}: it was reset")
        return delta

    def rate(
        self, path: str, item: str, get: Callable[[Sample], Optional[int]], kind: str = "counter64"
    ) -> Rate:
        """Return a counter's growth per second of this window; raises as :meth:`delta` does."""
        delta = self.delta(path, item, get, kind)
        seconds = self.seconds(path)
        if not seconds:
            raise CannotJudge(path, "the time between the readings is not known")
        return Rate(delta / seconds, delta, seconds)

    def per_s(
        self, path: str, get: Callable[[Sample], Optional[int]], kind: str = "counter64"
    ) -> Optional[float]:
        """Return a rate for a table: ``None`` where :meth:`rate` would raise."""
        try:
            return self.rate(path, "", get, kind).per_s
        except CannotJudge:
            return None


def _not_comparable(before: Sample, after: Sample) -> str:
    """Say why the two samples are not of one uninterrupted run of one host, or nothing."""
    if before.boot_id and after.boot_id and before.boot_id != after.boot_id:
        return "the host was rebooted between the readings: rates are dropped"
    first, last = before.uptime, after.uptime
    if first is None or last is None or first.up_s is None or last.up_s is None:
        return ""
    if last.up_s < first.up_s:
        return "uptime went back between the readings (a reboot): rates are dropped"
    started, ended = before.stamps_ns.get("/proc/uptime"), after.stamps_ns.get("/proc/uptime")
    if started is None or ended is None:
        return ""
    elapsed_s = (ended - started) / _NS_PER_S
    # Uptime counts suspended time and the stamps do not, so it may run ahead; it can never fall behind.
    if last.up_s - first.up_s < elapsed_s - _UPTIME_SLACK_S:
        return "uptime grew less than the time between the readings (a reboot): rates are dropped"
    return ""
