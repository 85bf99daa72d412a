"""How BPF programs keep durations in the kernel (:mod:`kdiag.tools.durations`), and how they are read."""

import struct
from typing import Sequence

from kdiag.ebpf import pieces
from kdiag.ebpf.assembler import R1, R6, R7, R8, R9, Assembler
from kdiag.tools.durations import Durations

__all__ = ["VALUE_BYTES", "add_duration", "durations_in"]

#: As u64: how many, their sum in ns, the longest in ns, and how many by slot (kdiag.tools.histogram).
_HEAD, _SLOTS = 3, 64
_VALUE = struct.Struct(f"={_HEAD + _SLOTS}Q")
VALUE_BYTES = _VALUE.size


def durations_in(values: Sequence[bytes]) -> Durations:
    """Return what the value of a map holds, over all CPUs."""
    parts = [_VALUE.unpack(value) for value in values]
    sums = [sum(column) for column in zip(*parts)]
    slots = {slot: count for slot, count in enumerate(sums[_HEAD:]) if count}
    return Durations(sums[0], sums[1], max(part[2] for part in parts), slots)


def add_duration(a: Assembler, unit_ns: int) -> None:
    """Add the nanoseconds in r9 to the value at r6, which this CPU alone writes; r1 to r9 change."""
    pieces.add(a, R6, 0, 1)
    pieces.add(a, R6, 8, R9)
    shorter = a.unique("shorter")
    a.load(R1, R6, 16)
    a.jump_if(R1, ">=", R9, shorter)
    a.store(R6, 16, R9)
    a.label(shorter)
    if unit_ns > 1:
        a.alu("div", R9, unit_ns)
    pieces.slot_of(a, R9, R7, R8)
    a.alu("and", R7, _SLOTS - 1)
    a.alu("lsh", R7, 3)
    a.add(R6, R7)
    pieces.add(a, R6, 8 * _HEAD, 1)
