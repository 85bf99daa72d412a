"""A histogram of times in bounded memory, for percentiles whose error is known.

Buckets are log-linear: each power of two is cut into :data:`PARTS` equal parts, so that the middle of a
bucket is within :data:`ERROR_PCT` per cent of every value in it. Small values have a bucket each, and are
exact.
"""

from typing import Dict, Optional

__all__ = ["ERROR_PCT", "PARTS", "Histogram"]

PARTS = 64
#: Half a bucket, of its lower bound.
ERROR_PCT = 100.0 / (2 * PARTS)


class Histogram:
    """Counts values that are not negative, in at most ``64 * PARTS`` buckets; only used ones are kept."""

    __slots__ = ("_buckets", "count", "maximum", "minimum", "total")

    def __init__(self) -> None:
        self._buckets: Dict[int, int] = {}
        self.count = 0
        self.total = 0
        self.minimum: Optional[int] = None
        self.maximum: Optional[int] = None

    def add(self, value: int) -> None:
        """Count a value."""
        self.count += 1
        self.total += value
        if self.minimum is None or value < self.minimum:
            self.minimum = value
        if self.maximum is None or value > self.maximum:
            self.maximum = value
        bucket = _bucket(value)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1

    @property
    def average(self) -> Optional[float]:
        """The mean, which is exact."""
        return self.total / self.count if self.count else None

    def percentile(self, percent: float) -> Optional[int]:
        """Return a value such that ``percent`` of all are at most it (nearest rank), within the error.

        >>> times = Histogram()
        >>> for each in range(1, 1001):
        ...     times.add(each * 1000)
        >>> times.percentile(50), times.percentile(99), times.percentile(100)
        (501760, 987136, 1000000)
        """
        if not self.count or self.minimum is None or self.maximum is None:
            return None
        rank = max(1, -int(-self.count * percent // 100))
        if rank >= self.count:
            return self.maximum
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= rank:
                return max(self.minimum, min(self.maximum, _middle(bucket)))
        return self.maximum


def _bucket(value: int) -> int:
    """Return the number of the bucket; numbers rise with values."""
    if value < 2 * PARTS:
        return max(0, value)
    shift = value.bit_length() - PARTS.bit_length()
    return PARTS * shift + (value >> shift)


def _middle(bucket: int) -> int:
    if bucket < 2 * PARTS:
        return bucket
    shift = bucket // PARTS - 1
    low = (bucket - PARTS * shift) << shift
    return low + (1 << shift) // 2
