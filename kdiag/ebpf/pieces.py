"""Pieces that many programs are made of: lookups, sums, histograms, the threads that are followed, events.

Registers: the context is kept in r6 from the begin (:func:`begin`); a piece may use r0 to r5 as it likes and
leaves r6 to r9 alone unless it says so. Places on the stack are given as negative offsets from r10.
"""

from typing import Optional, Sequence, Tuple

from kdiag.ebpf.assembler import R0, R1, R2, R3, R4, R6, R10, Assembler, Operand, Reg
from kdiag.ebpf.btf import Btf
from kdiag.ebpf.maps import MapSpec
from kdiag.ebpf.program import ProgramSpec

__all__ = [
    "EVENTS",
    "FOLLOWED",
    "LOSSES",
    "LOST_EVENTS",
    "LOST_OTHER",
    "LOST_STACKS",
    "NO_ROOM_IN_MAP",
    "Watch",
    "add",
    "begin",
    "count_loss",
    "delete",
    "end",
    "entry",
    "following_programs",
    "lookup",
    "slot_of",
    "submit",
    "submit_from",
    "unless_watched",
    "update",
    "update_from",
]

#: Threads that are traced, by id; filled before the start, and by :func:`following_programs`.
FOLLOWED = MapSpec("followed", "hash", 4, 1, 65536)
#: What programs could not keep, by reason: the indices below.
LOSSES = MapSpec("losses", "percpu_array", 4, 8, 4)
LOST_EVENTS, NO_ROOM_IN_MAP, LOST_STACKS, LOST_OTHER = range(4)
#: The buffer for events; its size in bytes.
EVENTS = MapSpec("events", "ringbuf", 0, 0, 1 << 20)
_BPF_ANY, _BPF_NOEXIST = 0, 1


class Watch:
    """Whom a program watches: the threads in :data:`FOLLOWED`, or everybody but kdiag itself."""

    def __init__(self, follow: bool, own_tgid: int) -> None:
        self.follow = follow
        self.own_tgid = own_tgid

    @property
    def maps(self) -> Tuple[MapSpec, ...]:
        """The maps that it needs."""
        return (FOLLOWED,) if self.follow else ()


def begin(a: Assembler) -> None:
    """Keep the context in r6."""
    a.mov(R6, R1)


def end(a: Assembler, label: str = "out") -> None:
    """Name the place where programs end, and end with 0."""
    a.label(label)
    a.mov(R0, 0)
    a.exit()


def unless_watched(a: Assembler, watch: Watch, label: str, at: int, tid: Optional[Reg] = None) -> None:
    """Go to ``label`` unless the current thread (or the one in ``tid``) is watched.

    Four bytes at ``at`` are used. Without following, kdiag's own process is left out; ``tid`` is compared to
    it then, for kdiag has one thread alone.
    """
    if tid is None:
        a.call("get_current_pid_tgid")
        if not watch.follow:
            a.alu("rsh", R0, 32)
        tid = R0
    if not watch.follow:
        a.jump_if(tid, "==", watch.own_tgid, label)
        return
    a.store(R10, at, tid, 4)
    lookup(a, FOLLOWED.name, at)
    a.jump_if(R0, "==", 0, label)


def lookup(a: Assembler, map_name: str, key_at: int) -> None:
    """Set r0 to the address of an entry's value, 0 where there is none."""
    a.mov(R2, R10)
    a.add(R2, key_at)
    a.map(R1, map_name)
    a.call("map_lookup_elem")


def update(a: Assembler, map_name: str, key_at: int, value_at: int, flags: int = _BPF_ANY) -> None:
    """Set an entry; r0 is negative where it does not fit."""
    a.mov(R2, R10)
    a.add(R2, key_at)
    a.mov(R3, R10)
    a.add(R3, value_at)
    a.mov(R4, flags)
    a.map(R1, map_name)
    a.call("map_update_elem")


def update_from(a: Assembler, map_name: str, key_at: int, value: Reg, flags: int = _BPF_ANY) -> None:
    """Set an entry to what a register points to; r0 is negative where it does not fit."""
    a.mov(R3, value)
    a.mov(R2, R10)
    a.add(R2, key_at)
    a.mov(R4, flags)
    a.map(R1, map_name)
    a.call("map_update_elem")


def delete(a: Assembler, map_name: str, key_at: int) -> None:
    """Remove an entry."""
    a.mov(R2, R10)
    a.add(R2, key_at)
    a.map(R1, map_name)
    a.call("map_delete_elem")


def count_loss(a: Assembler, which: int, at: int) -> None:
    """Count one in :data:`LOSSES`; four bytes at ``at`` are used."""
    out = a.unique("counted")
    a.store(R10, at, which, 4)
    lookup(a, LOSSES.name, at)
    a.jump_if(R0, "==", 0, out)
    a.load(R1, R0, 0)
    a.add(R1, 1)
    a.store(R0, 0, R1)
    a.label(out)


def entry(
    a: Assembler, map_name: str, key_at: int, value_at: int, size: int, full: str, loss_at: int
) -> None:
    """Set r0 to the address of an entry's value, made of zeros at ``value_at`` if it was not there.

    Goes to ``full`` when there is no room, which is counted; four bytes at ``loss_at`` are used for that.
    """
    there, made = a.unique("there"), a.unique("made")
    lookup(a, map_name, key_at)
    a.jump_if(R0, "!=", 0, there)
    a.zero(value_at, size)
    # Another CPU may have made it meanwhile, which is as well.
    update(a, map_name, key_at, value_at, _BPF_NOEXIST)
    lookup(a, map_name, key_at)
    a.jump_if(R0, "!=", 0, made)
    count_loss(a, NO_ROOM_IN_MAP, loss_at)
    a.jump(full)
    a.label(made)
    a.label(there)


def add(a: Assembler, base: Reg, offset: int, amount: Operand) -> None:
    """Add to a u64 of a per-CPU value, which nobody else writes; r1 is used."""
    a.load(R1, base, offset)
    a.add(R1, amount)
    a.store(base, offset, R1)


def slot_of(a: Assembler, value: Reg, slot: Reg, scratch: Reg) -> None:
    """Set ``slot`` to the bit length of a value: 0 for 0, n for 2**(n-1) to 2**n - 1.

    ``value`` is used up.
    """
    done = a.unique("slotted")
    a.mov(slot, 0)
    a.jump_if(value, "==", 0, done)
    a.mov(slot, 1)
    for bits in (32, 16, 8, 4, 2, 1):
        small = a.unique("small")
        a.mov(scratch, value)
        a.alu("rsh", scratch, bits)
        a.jump_if(scratch, "==", 0, small)
        a.mov(value, scratch)
        a.add(slot, bits)
        a.label(small)
    a.label(done)


def submit(a: Assembler, at: int, size: int, loss_at: int) -> None:
    """Send ``size`` bytes of the stack at ``at`` as an event; one that does not fit is counted."""
    a.mov(R2, R10)
    a.add(R2, at)
    submit_from(a, R2, size, loss_at)


def submit_from(a: Assembler, data: Reg, size: int, loss_at: int) -> None:
    """Send ``size`` bytes that a register points to as an event; one that does not fit is counted."""
    sent = a.unique("sent")
    a.mov(R2, data)
    a.map(R1, EVENTS.name)
    a.mov(R3, size)
    a.mov(R4, 0)
    a.call("ringbuf_output")
    a.jump_if(R0, "==", 0, sent)
    count_loss(a, LOST_EVENTS, loss_at)
    a.label(sent)


def following_programs(btf: Btf) -> Sequence[ProgramSpec]:
    """Return the programs that follow what a followed thread makes, and forget what ends.

    Read from typed pointers: ``sched_process_fork`` gives parent and child. A thread that executes a program
    takes over its leader's id, so ids of leaders are not forgotten at their end (``de_thread`` in
    ``fs/exec.c``), but when somebody who is not followed gets a child of that id.
    """
    pid_at = btf.offset("task_struct", "pid")
    fork = Assembler()
    begin(fork)
    fork.call("get_current_pid_tgid")
    fork.store(R10, -4, R0, 4)
    lookup(fork, FOLLOWED.name, -4)
    fork.load(R1, R6, 8)
    fork.load(R1, R1, pid_at, 4)
    fork.store(R10, -4, R1, 4)
    fork.jump_if(R0, "==", 0, "stranger")
    fork.store(R10, -8, 1, 4)
    update(fork, FOLLOWED.name, -4, -8)
    fork.jump_if(R0, "==", 0, "out")
    count_loss(fork, NO_ROOM_IN_MAP, -4)
    fork.jump("out")
    fork.label("stranger")
    delete(fork, FOLLOWED.name, -4)
    end(fork)
    gone = Assembler()
    begin(gone)
    gone.call("get_current_pid_tgid")
    gone.mov(R1, R0)
    gone.alu("rsh", R1, 32)
    gone.mov32(R2, R0)
    gone.jump_if(R1, "==", R2, "out")
    gone.store(R10, -4, R0, 4)
    delete(gone, FOLLOWED.name, -4)
    end(gone)
    return (
        ProgramSpec(
            "follow_fork",
            "tp_btf",
            "sched_process_fork",
            fork.code(),
            "a thread made by a followed one is followed, too",
        ),
        ProgramSpec(
            "follow_exit",
            "tp_btf",
            "sched_process_exit",
            gone.code(),
            "a thread that ended is followed no more",
        ),
    )
