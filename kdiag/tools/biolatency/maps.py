"""What the programs of biolatency keep in the kernel, whoever loaded them."""

import struct
import time
from typing import Callable, Dict, Iterator, Mapping, Sequence

from kdiag.ebpf.collector import Collector
from kdiag.ebpf.maps import Map, MapSpec
from kdiag.tools.biolatency.times import Key, Times, by_disk, summary_of
from kdiag.tools.block_pending import pending_notes
from kdiag.tools.block_programs import DISK_BYTES, REQUESTS, issued_and_pending
from kdiag.tools.durations import Durations
from kdiag.tools.run import Run
from kdiag.tools.tool import Summary

__all__ = ["HEAD", "KEY_BYTES", "SLOTS", "TIMES", "summaries", "times_in"]

#: The last slot begins at 2**34 us, which is almost five hours.
SLOTS = 36
#: As u64: requests, failed ones, bytes, time in ns, the longest in ns; then requests by slot.
HEAD = 5
_VALUE = struct.Struct(f"={HEAD + SLOTS}Q")
#: Name of the disk, then the bits of ``cmd_flags`` as u64; zeros for what was not asked for.
_KEY = struct.Struct(f"={DISK_BYTES}sQ")
KEY_BYTES = _KEY.size
TIMES = MapSpec("times", "percpu_hash", KEY_BYTES, _VALUE.size, 1024)


def times_in(values: Sequence[bytes]) -> Times:
    """Return what an entry of :data:`TIMES` holds, over all CPUs."""
    parts = [_VALUE.unpack(value) for value in values]
    sums = [sum(column) for column in zip(*parts)]
    slots = {slot: count for slot, count in enumerate(sums[HEAD:]) if count}
    durations = Durations(sums[0], sums[3], max(part[4] for part in parts), slots)
    return Times(durations, sums[1], sums[2])


def summaries(run: Run, collector: Collector, letters_of: Callable[[int], str]) -> Iterator[Summary]:
    """Yield the times of each interval; ``letters_of`` names the bits of ``cmd_flags``."""
    begun_s = 0.0
    past: Mapping[Key, Times] = {}
    for last in run.ticks():
        if last:
            collector.stop()
            pending = issued_and_pending(collector.maps[REQUESTS.name])
            run.notes += pending_notes(pending, time.monotonic_ns())
        now = _read(run, collector.maps[TIMES.name], letters_of)
        found = now
        if run.interval_s is not None:
            found = {key: times.since(past.get(key)) for key, times in now.items()}
        yield summary_of(found, begun_s, run.duration_s)
        begun_s, past = run.duration_s, now


def _read(run: Run, times: Map, letters_of: Callable[[int], str]) -> Dict[Key, Times]:
    found = {}
    for entry, values in times.items():
        key = _key(run, entry, letters_of)
        if run.options["disk"] in (None, key[0]):
            found[key] = times_in(values)
    return found


def _key(run: Run, key: bytes, letters_of: Callable[[int], str]) -> Key:
    disk, cmd_flags = _KEY.unpack(key)
    name = disk.partition(b"\0")[0].decode("utf-8", "surrogateescape")
    return (
        name or "(none)" if by_disk(run.options) else None,
        letters_of(cmd_flags) if run.options["operations"] else None,
    )
