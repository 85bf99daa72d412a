"""Stacks that BPF programs count, with the user's and the kernel's part by number, and the rows they make."""

import struct
import time
from typing import Dict, Iterator, List, Set, Tuple

from kdiag.ebpf import pieces
from kdiag.ebpf.assembler import R0, R1, R2, R3, R6, R10, Assembler
from kdiag.ebpf.collector import Collector
from kdiag.ebpf.maps import MapSpec
from kdiag.host.base import Host
from kdiag.tools.run import Run
from kdiag.tools.stack_names import StackNames
from kdiag.tools.tool import StackRow, Summary
from kdiag.tools.user_stacks import UserNames

__all__ = ["KEY_BYTES", "STACKS", "Key", "StackRows", "put_stack", "stack_summaries", "together"]

#: A stack's addresses, innermost first, by the number that get_stackid gives (as deep as perf allows).
STACKS = MapSpec("stacks", "stack_trace", 4, 127 * 8, 16384)
#: Process, the kernel's stack, the user's (negative: none), something of the tool's own; the name.
_KEY = struct.Struct("=Iiii16s")
KEY_BYTES = _KEY.size
_USER_STACK = 1 << 8
#: Two stacks in one place of the table, and no memory (``__bpf_get_stackid`` in ``kernel/bpf/stackmap.c``).
_EEXIST, _ENOMEM = -17, -12

Key = Tuple[int, int, int, int, bytes]


def put_stack(a: Assembler, at: int, *, user: bool, loss_at: int) -> None:
    """Put the number of the current stack at a place on the stack, -1 where there is none or it was lost.

    r6 is the context. A place of the table that another stack has is a loss, which is counted.
    """
    lost, known = a.unique("stack_lost"), a.unique("stack_known")
    a.mov(R1, R6)
    a.map(R2, STACKS.name)
    a.mov(R3, _USER_STACK if user else 0)
    a.call("get_stackid")
    a.store(R10, at, R0, 4)
    a.jump_if(R0, "s>=", 0, known)
    a.store(R10, at, -1, 4)
    a.jump_if(R0, "==", _EEXIST, lost)
    a.jump_if(R0, "!=", _ENOMEM, known)
    a.label(lost)
    pieces.count_loss(a, pieces.LOST_STACKS, loss_at)
    a.label(known)


class StackRows:
    """Names the stacks of a map whose keys begin as :data:`_KEY`, and adds up those that read the same."""

    def __init__(self, host: Host, collector: Collector, map_name: str) -> None:
        self.kernel = StackNames(host)
        self._users = UserNames(host)
        self._collector = collector
        self._map = map_name
        self._seen: Set[int] = set()

    def remember(self) -> None:
        """Look at processes that are new in the map, as long as they live."""
        for key in list(self._collector.maps[self._map].keys()):
            pid = struct.unpack_from("=I", key)[0]
            if pid not in self._seen:
                self._seen.add(pid)
                self._users.remember(pid)

    def wait(self, seconds: float) -> None:
        """Wait, and look at what is new afterwards."""
        time.sleep(seconds)
        self.remember()

    def entries(self) -> Iterator[Tuple[Key, List[bytes]]]:
        """Yield the entries of the map, by key."""
        self._users.begin_round()
        for key, values in self._collector.maps[self._map].items():
            yield _KEY.unpack_from(key), values

    def row(self, key: Key, weight: int, interrupted: bool = False) -> StackRow:
        """Return the row of a stack; ``interrupted`` says that a clock took it, and no event."""
        pid, kernel_id, user_id, _, comm = key
        kernel = self.kernel.names(self._collector.stack(kernel_id), interrupted)
        user = self._users.names(pid, self._collector.stack(user_id))
        name = comm.partition(b"\0")[0].decode("utf-8", "surrogateescape")
        return StackRow(f"{name} ({pid})", (*reversed(user), *reversed(kernel)), len(kernel), weight)


def together(rows: List[StackRow]) -> Tuple[StackRow, ...]:
    """Add up rows that read the same; the heaviest comes first."""
    sums: Dict[Tuple[str, Tuple[str, ...], int], int] = {}
    for row in rows:
        key = row.key, row.frames, row.kernel_frames
        sums[key] = sums.get(key, 0) + row.weight
    made = [StackRow(key, frames, kernel, weight) for (key, frames, kernel), weight in sums.items()]
    return tuple(sorted(made, key=lambda row: (-row.weight, row.key, row.frames)))


def stack_summaries(
    run: Run, collector: Collector, map_name: str, *, per_unit: int = 1, interrupted: bool = False
) -> Iterator[Summary]:
    """Yield the stacks of each interval, with what a map of u64 by stack grew by, ``per_unit`` for one.

    ``interrupted`` says that a clock took the stacks, and no event.
    """
    rows = StackRows(run.host, collector, map_name)
    run.notes += [rows.kernel.why_not] if rows.kernel.why_not else []
    begun_s = 0.0
    past: Dict[Key, int] = {}
    for last in run.ticks(rows.wait):
        if last:
            collector.stop()
        # To find names may take long.
        ended_s = run.duration_s
        rows.remember()
        now = {key: _sum(values) for key, values in rows.entries()}
        found = [
            rows.row(key, (amount - past.get(key, 0)) // per_unit, interrupted) for key, amount in now.items()
        ]
        stacks = together([row for row in found if row.weight])
        yield Summary((), (), stacks, begun_s, ended_s - begun_s)
        begun_s, past = ended_s, now


def _sum(values: List[bytes]) -> int:
    return sum(int(struct.unpack("=Q", value)[0]) for value in values)
