"""Requests that were issued and never completed: of a device that hangs, there is nothing else to be seen."""

from typing import Iterable, List

__all__ = ["pending_notes"]


def pending_notes(issued_ns: Iterable[int], now_ns: int) -> List[str]:
    """Return a note of requests under way, from the times of their issue; nothing where there are none.

    >>> pending_notes([2_000_000, 5_000_000], 7_500_000)
    ['2 requests were issued and not seen to complete, the oldest in 5.5 ms']
    """
    times = list(issued_ns)
    if not times:
        return []
    what = "1 request was" if len(times) == 1 else f"{len(times)} requests were"
    oldest_ms = (now_ns - min(times)) / 1e6
    return [f"{what} issued and not seen to complete, the oldest in {oldest_ms:.4g} ms"]
