"""The summary that funclatency makes of how long calls took."""

from typing import Mapping

from kdiag.tools.durations import Durations
from kdiag.tools.funclatency import FunctionLatencyRow
from kdiag.tools.tool import Summary

__all__ = ["summary_of"]


def summary_of(found: Mapping[str, Durations], unit: str, begun_s: float, ended_s: float) -> Summary:
    """Return the summary of functions by name, with most time first; what was not called is left out."""
    called = [(place, each) for place, each in found.items() if each.number]
    called.sort(key=lambda pair: (-pair[1].total_ns, pair[0]))
    rows = tuple(
        FunctionLatencyRow(place, each.number, each.total_ns / each.number, each.max_ns, each.total_ns)
        for place, each in called
    )
    histograms = tuple(each.histogram(place, unit) for place, each in called)
    return Summary(rows, histograms, (), begun_s, ended_s - begun_s)
