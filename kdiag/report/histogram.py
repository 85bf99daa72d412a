"""Histograms as bars, as bcc prints them, and as JSON."""

from typing import Any, Dict, Iterator

from kdiag.report.layout import pad, wrap
from kdiag.report.terminal import Style
from kdiag.report.units import significant
from kdiag.tools.histogram import Histogram

__all__ = ["histogram_document", "histogram_lines"]

_MOST_BAR, _LEAST_BAR = 40, 10


def histogram_lines(histogram: Histogram, style: Style) -> Iterator[str]:
    """Yield a head with the total, average and percentiles, and a bar for each bucket.

    >>> from kdiag.tools.histogram import from_slots
    >>> print("\\n".join(histogram_lines(from_slots("sda", "us", {4: 30, 5: 15}, 400), Style(width=50))))
    sda: 45 in all, average 8.89 us, 50 % below 16 us,
      99 % below 32 us
    us       count
    8 -> 15     30 |*********************************|
    16 -> 31    15 |****************                 |
    """
    total = histogram.total
    told = [f"{total} in all"]
    if total and histogram.sum is not None:
        told.append(f"average {significant(histogram.sum / total)} {histogram.unit}")
    if total:
        told += [f"{share} % below {histogram.below(share / 100)} {histogram.unit}" for share in (50, 99)]
    head = f"{histogram.label}: " if histogram.label else ""
    yield from wrap(style.safe(head + ", ".join(told)), style.width, indent=2)
    if not histogram.buckets:
        return
    ranges = [f"{lo} -> {hi - 1}" if hi - lo > 1 else f"{lo}" for lo, hi, _ in histogram.buckets]
    counts = [str(count) for _, _, count in histogram.buckets]
    left, middle = max(map(len, [*ranges, histogram.unit])), max(map(len, [*counts, "count"]))
    room = max(_LEAST_BAR, min(_MOST_BAR, style.width - left - middle - 4))
    most = max(count for _, _, count in histogram.buckets)
    yield style.paint("header", f"{pad(histogram.unit, left)} {pad('count', middle, right=True)}")
    for name, text, (_, _, count) in zip(ranges, counts, histogram.buckets):
        # What is there shows, however little it is.
        stars = max(1, round(count / most * room)) if count else 0
        yield f"{pad(name, left)} {pad(text, middle, right=True)} |{pad('*' * stars, room)}|"


def histogram_document(histogram: Histogram) -> Dict[str, Any]:
    """Return it for JSON: buckets as ``[lo, hi, count]``, for ``lo <= value < hi``."""
    return {
        "label": histogram.label,
        "unit": histogram.unit,
        "buckets": [list(each) for each in histogram.buckets],
        "total": histogram.total,
        "sum": histogram.sum,
    }
