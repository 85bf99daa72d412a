"""What the programs of funclatency keep in the kernel, whoever loaded them."""

import struct
from typing import Sequence

from kdiag.ebpf.maps import MapSpec
from kdiag.tools.funclatency.times import Times

__all__ = ["TIMES", "times_in"]

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
