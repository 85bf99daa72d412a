"""The summary of waits, whoever measured them."""

from typing import Any, Callable, Mapping

from kdiag.tools.durations import Durations, durations_of
from kdiag.tools.runqlat import UNIT, WaitRow
from kdiag.tools.tool import Summary

__all__ = ["summary_of"]


def summary_of(
    found: Mapping[int, Durations],
    comm_of: Callable[[int], str],
    options: Mapping[str, Any],
    begun_s: float,
    ended_s: float,
) -> Summary:
    """Return the summary of waits by process or thread: the one that waited longest in all comes first."""
    waited = [(pid, each) for pid, each in found.items() if each.number]
    waited.sort(key=lambda pair: (-pair[1].total_ns, pair[0]))
    rows = tuple(
        WaitRow(pid, comm_of(pid), each.number, each.total_ns / each.number, each.max_ns, each.total_ns)
        for pid, each in waited
    )
    histograms = [durations_of([each for _, each in waited]).histogram("all waits", UNIT)] if waited else []
    if options["per_row"]:
        histograms += [each.histogram(f"{comm_of(pid)} ({pid})", UNIT) for pid, each in waited]
    shown = tuple(each for each in histograms if each.buckets)
    return Summary(rows, shown, (), begun_s, ended_s - begun_s)
