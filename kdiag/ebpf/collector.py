"""Programs and maps that are set up together, and what they have collected.

The same for kdiag's own programs and for BCC's: only who loads and attaches differs. All of it ends with
:meth:`Collector.close`, or with this process in any way.
"""

import os
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from kdiag.ebpf.btf import Btf
from kdiag.ebpf.maps import Map, MapSpec, create_map
from kdiag.ebpf.pieces import EVENTS, FOLLOWED, LOSSES, LOST_EVENTS, LOST_STACKS, NO_ROOM_IN_MAP
from kdiag.ebpf.program import ProgramSpec, attach_program, load_program
from kdiag.ebpf.ring_buffer import PerfBuffer, RingBuffer
from kdiag.ebpf.syscall import raise_memlock
from kdiag.host.base import Host, ReadError
from kdiag.procfs.cpulist import parse_cpulist
from kdiag.records import NamedTuple

__all__ = ["Collector", "Losses", "load", "possible_cpus"]

_POSSIBLE = "/sys/devices/system/cpu/possible"


class Losses(NamedTuple):
    """What could not be kept: events, entries of full maps, stacks."""

    events: int = 0
    map_entries: int = 0
    stacks: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.events + self.map_entries + self.stacks


class Collector:
    """Maps by name, and the events. ``detach`` is what ends the programs; ``attach`` starts them."""

    def __init__(self, maps: Dict[str, Map], attach: Callable[[], None], detach: Callable[[], None]) -> None:
        self.maps = maps
        self._attach = attach
        self._detach = detach
        self._attached = False
        self._buffer: Optional[Union[RingBuffer, PerfBuffer]] = None
        if EVENTS.name in maps:
            events = maps[EVENTS.name]
            # Kernels before 5.8 have no ring buffer, but a buffer for each possible CPU.
            rings = events.spec.kind == EVENTS.kind
            self._buffer = RingBuffer(events) if rings else PerfBuffer(events, range(events.spec.max_entries))

    def __enter__(self) -> "Collector":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def follow(self, tids: Callable[[], Sequence[int]]) -> None:
        """Follow these threads; asked again until no new one is there, for some may be born meanwhile."""
        known: set[int] = set()
        while True:
            new = [tid for tid in tids() if tid not in known]
            for tid in new:
                self.maps[FOLLOWED.name].update(tid.to_bytes(4, "little"), b"\1")
            known.update(new)
            if not new:
                return

    def attach(self) -> None:
        """Start the programs."""
        if not self._attached:
            self._attached = True
            self._attach()

    def stop(self) -> None:
        """End the programs; maps and events can still be read."""
        if self._attached:
            self._attached = False
            self._detach()

    def events(self, timeout_s: float) -> Iterator[bytes]:
        """Wait for events, at most so long, and yield those that are there."""
        if self._buffer is not None:
            yield from self._buffer.read(timeout_s)

    def stack(self, id: int) -> Tuple[int, ...]:
        """Return the addresses of a stack, innermost first; empty where its id tells of an error."""
        if id < 0:
            return ()
        values = self.maps["stacks"].lookup(id.to_bytes(4, "little"))
        if values is None:
            return ()
        words = (int.from_bytes(values[0][at : at + 8], "little") for at in range(0, len(values[0]), 8))
        return tuple(word for word in words if word)

    def losses(self) -> Losses:
        """Return what was lost so far."""
        if LOSSES.name not in self.maps:
            return Losses()
        sums = self.maps[LOSSES.name].sums()
        # The perf buffer's own count is of the same events that a program counts as not sent.
        return Losses(sums[LOST_EVENTS], sums[NO_ROOM_IN_MAP], sums[LOST_STACKS])

    def close(self) -> None:
        """End the programs and free everything."""
        self.stop()
        if self._buffer is not None:
            self._buffer.close()
            self._buffer = None
        for each in self.maps.values():
            each.close()


def possible_cpus(host: Host) -> int:
    """Return how many slots the value of a per-CPU map has.

    Raises :exc:`ReadError` where it cannot be known.
    """
    cpus = parse_cpulist(host.read(_POSSIBLE), _POSSIBLE).cpus
    if not cpus:
        raise ReadError.from_errno(_POSSIBLE, None, "it lists no CPU")
    return cpus[-1] + 1


def load(
    host: Host, btf: Optional[Btf], maps: Sequence[MapSpec], programs: Sequence[ProgramSpec]
) -> Collector:
    """Make the maps and load the programs; nothing is attached yet.

    Raises :exc:`~kdiag.ebpf.syscall.BpfError` and :exc:`~kdiag.ebpf.btf.NoBtf`; nothing is left then.
    """
    raise_memlock()
    cpus = possible_cpus(host)
    made: Dict[str, Map] = {}
    loaded: List[int] = []
    held: List[int] = []

    def attach() -> None:
        try:
            for spec, program in zip(programs, loaded):
                held.extend(attach_program(spec, program, host))
        except BaseException:
            detach()
            raise

    def detach() -> None:
        for descriptor in (*held, *loaded):
            os.close(descriptor)
        held.clear()
        loaded.clear()

    try:
        for spec in maps:
            made[spec.name] = create_map(spec, cpus)
        descriptors = {name: each.descriptor for name, each in made.items()}
        # One by one into the list: what was loaded before a refusal is to be closed.
        loaded.extend(load_program(program, descriptors, btf) for program in programs)
        return Collector(made, attach, detach)
    except BaseException:
        detach()
        for each in made.values():
            each.close()
        raise
