"""What the programs of syscount keep in the kernel, whoever loaded them, and how it is read.

Times are counted in buckets of a sixteenth of a power of two, which take 3.6 KB for each system call and CPU.
Few of the 512 calls are ever made: an entry gets a *place* for its buckets, on each CPU by itself, when it is
first counted there.
"""

import struct
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional

from kdiag.ebpf.collector import Collector
from kdiag.ebpf.maps import Map, MapSpec
from kdiag.ftrace.instance import pids_are_the_kernels
from kdiag.host.base import Host, ReadError
from kdiag.kernel.machine import machine_of
from kdiag.tools.run import Run
from kdiag.tools.syscall_programs import COMPAT, UNDER_WAY
from kdiag.tools.syscount.sums import Key, Sum, rows_of, since
from kdiag.tools.tool import Summary

__all__ = [
    "BUCKETS",
    "COMMS",
    "ERRORS",
    "FIRST_BUCKET",
    "PLACES",
    "TIMES",
    "VALUE_BYTES",
    "by_process",
    "calls_map",
    "doubt",
    "maps_for",
    "summaries",
    "sums_in",
]

#: By process, number and errno (``process << 32 | number << 16 | errno``): how often.
ERRORS = MapSpec("errors", "percpu_hash", 8, 8, 4096)
#: Names by process: at its exec, or when it was first seen.
COMMS = MapSpec("comms", "hash", 4, 16, 4096)
#: Calls, failed ones, ns, the longest in ns, place of the buckets (0: none yet).
_VALUE = struct.Struct("=5Q")
VALUE_BYTES = _VALUE.size
_MOST_ENTRIES = 4096
#: The first bucket but one is that of 32 ns; the last but one ends at 17 s.
FIRST_BUCKET = (6 << 4) - 1
BUCKETS = (34 - 6 + 1) * 16 + 2
PLACES = 128
TIMES = MapSpec("times", "percpu_array", 4, BUCKETS * 8, PLACES)
_NUMBERS = 2 * COMPAT


def by_process(options: Mapping[str, Any]) -> bool:
    """Tell whether calls are counted by process."""
    return bool(options["by"] != "syscall")


def calls_map(options: Mapping[str, Any]) -> MapSpec:
    """Return the map of sums: by number, or by ``process << 32 | number`` (all numbers as 0)."""
    if by_process(options):
        return MapSpec("calls", "percpu_hash", 8, VALUE_BYTES, _MOST_ENTRIES)
    return MapSpec("calls", "percpu_array", 4, VALUE_BYTES, _NUMBERS)


def maps_for(options: Mapping[str, Any]) -> List[MapSpec]:
    """Return the maps of a run."""
    return [
        calls_map(options),
        *((COMMS,) if by_process(options) else ()),
        *(() if options["counts_only"] else (UNDER_WAY, ERRORS, TIMES)),
    ]


def sums_in(maps: Mapping[str, Map], options: Mapping[str, Any]) -> Dict[Key, Sum]:
    """Return what was summed up so far."""
    errors: Dict[int, Dict[int, int]] = {}
    if ERRORS.name in maps:
        for key, values in maps[ERRORS.name].items():
            packed = int.from_bytes(key, "little")
            count = sum(int.from_bytes(value, "little") for value in values)
            errors.setdefault(packed >> 16, {})[packed & 0xFFFF] = count
    places = _Places(maps.get(TIMES.name))
    found: Dict[Key, Sum] = {}
    for key, values in maps["calls"].items():
        parts = [_VALUE.unpack(value) for value in values]
        calls = sum(part[0] for part in parts)
        if not calls:
            continue
        packed = int.from_bytes(key, "little")
        pid, number = packed >> 32, packed & 0xFFFF_FFFF
        found[pid if by_process(options) else None, None if options["by"] == "process" else number] = Sum(
            calls,
            errors.get(pid << 16 | number, {}),
            sum(part[2] for part in parts),
            max(part[3] for part in parts),
            {} if any(part[0] and not part[4] for part in parts) else places.buckets([p[4] for p in parts]),
        )
    return found


class _Places:
    """The buckets of each place, read when they are first asked for."""

    def __init__(self, times: Optional[Map]) -> None:
        self._times = times
        self._read: Dict[int, List[bytes]] = {}

    def buckets(self, places: List[int]) -> Dict[int, int]:
        """Return counts by bucket over all CPUs; ``places`` is by CPU."""
        counts: Dict[int, int] = {}
        for cpu, place in enumerate(places):
            if place:
                for at, count in enumerate(struct.unpack(f"={BUCKETS}Q", self._of(place)[cpu])):
                    if count:
                        counts[FIRST_BUCKET + at] = counts.get(FIRST_BUCKET + at, 0) + count
        return counts

    def _of(self, place: int) -> List[bytes]:
        if place not in self._read and self._times is not None:
            self._read[place] = self._times.lookup(struct.pack("=I", place - 1)) or []
        return self._read[place]


def doubt(host: Host) -> List[str]:
    """Return what must be known of the sums on this kernel, nothing where they were found exact.

    On Linux 7.2 one run missed 2 of 51 calls, without a loss that could be told; on 5.10 to 6.18 none did. It
    may be that programs at system calls are preempted there.
    """
    try:
        release = host.read("/proc/sys/kernel/osrelease").decode("ascii", "replace").strip()
    except ReadError:
        return []
    major = release.partition(".")[0]
    if not major.isdigit() or int(major) < 7:
        return []
    return [
        "on Linux 7.2 a few calls were missing without being counted as lost; events of tracefs had them all"
    ]


def summaries(run: Run, collector: Collector) -> Iterator[Summary]:
    """Yield what each interval gave."""
    run.notes += doubt(run.host)
    machine = machine_of(run.host) or ""
    past: Dict[Key, Sum] = {}
    begun_s = 0.0
    for last in run.ticks():
        if last:
            collector.stop()
        now = sums_in(collector.maps, run.options)
        found = now if run.interval_s is None else since(now, past)
        if not run.options["counts_only"] and any(each.calls and not each.buckets for each in now.values()):
            note = f"no percentiles of some: a CPU has room for the times of {PLACES} rows"
            run.notes += [] if note in run.notes else [note]
        comm_of = _names(run.host, collector.maps.get(COMMS.name))
        yield Summary(
            rows_of(found, run.options, machine, comm_of),
            started_s=begun_s,
            duration_s=run.duration_s - begun_s,
        )
        begun_s, past = run.duration_s, now


def _names(host: Host, comms: Optional[Map]) -> Callable[[int], Optional[str]]:
    """Return how a process is called: now, or when it was last seen.

    In a PID namespace of one's own, /proc has other ids than the kernel.
    """
    look_up = pids_are_the_kernels(host)

    def comm_of(pid: int) -> Optional[str]:
        try:
            name = host.read(f"/proc/{pid}/comm").rstrip(b"\n") if look_up else b""
        except ReadError:
            name = b""
        if not name:
            values = None if comms is None else comms.lookup(struct.pack("=I", pid))
            if values is None:
                return None
            name = values[0].partition(b"\0")[0]
        return name.decode("utf-8", "surrogateescape")

    return comm_of
