"""The counters that the programs of funccount keep, whoever loaded them, and their summaries."""

from typing import Iterator, Sequence

from kdiag.ebpf.collector import Collector
from kdiag.ebpf.maps import MapSpec
from kdiag.ftrace.places import Place
from kdiag.tools.funccount import FunctionRow
from kdiag.tools.run import Run
from kdiag.tools.tool import Summary

__all__ = ["COUNTS", "summaries"]

#: By the function's index: calls.
COUNTS = MapSpec("counts", "percpu_array", 4, 8, 1)


def summaries(run: Run, collector: Collector, places: Sequence[Place]) -> Iterator[Summary]:
    """Yield the calls of each interval, most first."""
    begun_s, before = 0.0, [0] * len(places)
    for last in run.ticks():
        if last:
            collector.stop()
        now = collector.maps[COUNTS.name].sums()
        rows = [
            FunctionRow(str(place), count - past)
            for place, count, past in zip(places, now, before)
            if count > past
        ]
        rows.sort(key=lambda row: (-row.calls, row.place))
        quiet = len(places) - len(rows)
        told = (f"{quiet} of {len(places)} functions were not called",) if quiet else ()
        yield Summary(tuple(rows), (), (), begun_s, run.duration_s - begun_s, told)
        begun_s, before = run.duration_s, now
