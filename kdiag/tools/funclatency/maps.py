"""What the programs of funclatency keep in the kernel, whoever loaded them."""

import struct
from typing import Iterator, List, Sequence

from kdiag.ebpf.collector import Collector
from kdiag.ebpf.maps import MapSpec
from kdiag.ftrace.places import Place
from kdiag.tools.funclatency.times import Times, summary_of
from kdiag.tools.run import Run
from kdiag.tools.tool import Summary

__all__ = ["DEPTH", "TIMES", "UNDER_WAY", "summaries", "times_in"]

#: How deep a function may call itself; deeper calls are counted as lost.
DEPTH = 8
#: Calls under way by (thread, function), as u32: how deep, and of each its begin in ns and its frame, as u64.
UNDER_WAY = MapSpec("under_way", "hash", 8, 8 + DEPTH * 16, 16384)
#: Of each function, as u64: calls, their time in ns, the longest in ns, and calls by slot.
_HEAD, _SLOTS = 3, 64
_VALUE = struct.Struct(f"={_HEAD + _SLOTS}Q")
TIMES = MapSpec("times", "percpu_array", 4, _VALUE.size, 1)


def times_in(place: str, values: Sequence[bytes]) -> Times:
    """Return what an entry of :data:`TIMES` holds, over all CPUs."""
    parts = [_VALUE.unpack(value) for value in values]
    sums = [sum(column) for column in zip(*parts)]
    slots = {slot: count for slot, count in enumerate(sums[_HEAD:]) if count}
    return Times(place, sums[0], sums[1], max(part[2] for part in parts), slots)


def summaries(run: Run, collector: Collector, places: Sequence[Place]) -> Iterator[Summary]:
    """Yield the times of each interval."""
    begun_s, past = 0.0, [Times(str(place), 0, 0, None, {}) for place in places]
    for last in run.ticks():
        if last:
            collector.stop()
        now = _read(collector, places)
        found = now if run.interval_s is None else [each.since(was) for each, was in zip(now, past)]
        yield summary_of(found, run.options["unit"], begun_s, run.duration_s)
        begun_s, past = run.duration_s, now


def _read(collector: Collector, places: Sequence[Place]) -> List[Times]:
    entries = collector.maps[TIMES.name].items()
    return [times_in(str(place), values) for place, (_, values) in zip(places, entries)]
