"""What the programs of funclatency keep in the kernel, whoever loaded them."""

from typing import Dict, Iterator, Sequence

from kdiag.ebpf.collector import Collector
from kdiag.ebpf.maps import MapSpec
from kdiag.ftrace.places import Place
from kdiag.tools.duration_programs import VALUE_BYTES, durations_in
from kdiag.tools.durations import NONE, Durations
from kdiag.tools.funclatency.times import summary_of
from kdiag.tools.run import Run
from kdiag.tools.tool import Summary

__all__ = ["DEPTH", "TIMES", "UNDER_WAY", "summaries"]

#: How deep a function may call itself; deeper calls are counted as lost.
DEPTH = 8
#: Calls under way by (thread, function), as u32: how deep, and of each its begin in ns and its frame, as u64.
UNDER_WAY = MapSpec("under_way", "hash", 8, 8 + DEPTH * 16, 16384)
#: By function, as :mod:`kdiag.tools.durations` has them.
TIMES = MapSpec("times", "percpu_array", 4, VALUE_BYTES, 1)


def summaries(run: Run, collector: Collector, places: Sequence[Place]) -> Iterator[Summary]:
    """Yield the times of each interval."""
    begun_s = 0.0
    past: Dict[str, Durations] = {}
    for last in run.ticks():
        if last:
            collector.stop()
        entries = collector.maps[TIMES.name].items()
        now = {str(place): durations_in(values) for place, (_, values) in zip(places, entries)}
        found = now
        if run.interval_s is not None:
            found = {place: each.since(past.get(place, NONE)) for place, each in now.items()}
        yield summary_of(found, run.options["unit"], begun_s, run.duration_s)
        begun_s, past = run.duration_s, now
