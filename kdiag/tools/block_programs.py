"""Programs of kdiag's own that follow block requests from where they are made to where they complete.

A request is known by its address, which is its own from its making to its end. It is put into
:data:`REQUESTS` at the earliest event that is seen of it: ``block_io_start`` (6.5 and later), else
``block_rq_insert``, else ``block_rq_issue``. Traps:

- The task at ``block_rq_issue`` may run the queue for others, and completions come in interrupts of anybody:
  a request is whose task made it, as far as that was seen. kdiag's own are counted as well.
- Requests that are merged into others end without a completion (``block_rq_merge``, since 5.11). Before, such
  an entry stays until the address is used again: it is older than ``start_time_ns`` of the request then.
  (Where there is ``block_io_start``, that time is taken after the event, but it makes each entry anew.)
- ``block_rq_complete`` comes for each part that is done (``blk_update_request`` in ``block/blk-mq.c``), with
  what is left of the request in ``__data_len``. It comes again, with 0 bytes, when a write ends that took a
  flush; and a request that only asks for a flush ends so, though another, of the kernel's, was issued.
- A driver that is full hands a request back (``block_rq_requeue``), and it is issued again: its time counts
  from the last issue.
- Some kernels run no programs in interrupts of some threads. A request that was issued, and whose address is
  then that of another, must have ended unseen: it is counted as lost.
"""

import struct
from typing import Callable, List, Tuple

from kdiag.ebpf import pieces
from kdiag.ebpf.assembler import R0, R1, R2, R6, R7, R8, R9, R10, Assembler, Code, Reg
from kdiag.ebpf.btf import Btf, NoBtf
from kdiag.ebpf.maps import Map, MapSpec
from kdiag.ebpf.pieces import Watch
from kdiag.ebpf.program import ProgramSpec
from kdiag.records import NamedTuple
from kdiag.tools.block_operations import OperationBits, operation_bits

__all__ = [
    "DISK_BYTES",
    "ENTRY",
    "KEY",
    "LOSS",
    "MADE",
    "MERGED",
    "NO_SECTOR",
    "REQUESTS",
    "TAIL",
    "RequestLayout",
    "completion",
    "issued_and_pending",
    "copy_disk_name",
    "request_layout",
    "request_programs",
]

DISK_BYTES = 32
#: Events that not every kernel has.
MADE, MERGED = "block_io_start", "block_rq_merge"
#: What flushes and commands have.
NO_SECTOR = (1 << 64) - 1
#: Requests by address. As u64: when queued and when issued (ns), bytes done, whether watched, thread (lower
#: half) and its group; then its name.
REQUESTS = MapSpec("requests", "hash", 8, 56, 65536)
_QUEUED, _ISSUED, _DONE, _WATCHED, _TGID_TID, _COMM = 0, 8, 16, 24, 32, 40
#: Places on the stack of each program; what a tool adds at a completion lies below the last.
KEY, LOSS, ENTRY = -8, -16, -16 - REQUESTS.value_bytes
TAIL = ENTRY


class RequestLayout(NamedTuple):
    """Where a kernel has the fields of a request. ``events`` are those that it has of the ones used here.

    ``disk_path`` are offsets to be followed from the request to its ``gendisk``. ``error_is_errno`` tells of
    ``block_rq_complete``: it had an errno until 5.15, a ``blk_status_t`` since.
    """

    data_len: int
    sector: int
    cmd_flags: int
    start_time_ns: int
    disk_path: Tuple[int, ...]
    disk_name: int
    events: Tuple[str, ...]
    error_is_errno: bool
    operations: OperationBits


def request_layout(btf: Btf) -> RequestLayout:
    """Look the fields up; raises :exc:`~kdiag.ebpf.btf.NoBtf` where one is missing."""
    try:
        disk_path: Tuple[int, ...] = (btf.offset("request", "rq_disk"),)
    except NoBtf:
        disk_path = (btf.offset("request", "q"), btf.offset("request_queue", "disk"))
    return RequestLayout(
        btf.offset("request", "__data_len"),
        btf.offset("request", "__sector"),
        btf.offset("request", "cmd_flags"),
        btf.offset("request", "start_time_ns"),
        disk_path,
        btf.offset("gendisk", "disk_name"),
        tuple(each for each in (MADE, MERGED) if _has_event(btf, each)),
        "blk_status_t" not in btf.tracepoint_arguments("block_rq_complete"),
        operation_bits(btf),
    )


def request_programs(btf: Btf, layout: RequestLayout, watch: Watch, *, from_queue: bool) -> List[ProgramSpec]:
    """Return the programs up to the issue of a request.

    ``from_queue`` asks for the time at which it was queued, and for who queued it.
    """
    programs = []
    if from_queue or watch.follow:
        if MADE in layout.events:
            programs.append(_program(btf, MADE, _made(btf, watch), "notes who makes a request, and when"))
        else:
            programs.append(
                _program(
                    btf, "block_rq_insert", _inserted(btf, watch), "notes who queues a request, and when"
                )
            )
        if MERGED in layout.events:
            programs.append(
                _program(btf, MERGED, _merged(btf), "forgets a request that became part of another")
            )
    programs.append(
        _program(
            btf, "block_rq_issue", _issued(btf, layout, watch), "notes when a request goes to the driver"
        )
    )
    return programs


def completion(
    btf: Btf, layout: RequestLayout, *, from_queue: bool, tail: Callable[[Assembler], None]
) -> ProgramSpec:
    """Return the program at the end of a request; ``tail`` writes what becomes of it.

    The tail finds the request in r7, its time in ns in r8, the error in r9, its bytes at :data:`ENTRY` + 16
    with all else that was noted of it, and jumps to ``out`` where it has nothing to do.
    """
    a = Assembler()
    arguments = btf.tracepoint_arguments("block_rq_complete")
    at = arguments.index("request")
    _request(a, at)
    a.load(R9, R6, 8 * (at + 1))
    a.load(R8, R6, 8 * (at + 2))  # how many bytes are done now
    a.mov32(R8, R8)
    pieces.lookup(a, REQUESTS.name, KEY)
    a.jump_if(R0, "==", 0, "out")  # it was issued before this began
    a.load(R1, R0, _DONE)
    a.add(R1, R8)
    a.store(R0, _DONE, R1)
    a.load(R1, R7, layout.data_len, 4)
    a.jump_if(R8, "<", R1, "out")  # more is to come
    for word in range(0, REQUESTS.value_bytes, 8):
        a.load(R1, R0, word)
        a.store(R10, ENTRY + word, R1)
    pieces.delete(a, REQUESTS.name, KEY)
    a.load(R1, R10, ENTRY + _ISSUED)
    a.jump_if(R1, "==", 0, "out")  # it only asked for a flush
    a.load(R1, R10, ENTRY + _WATCHED)
    a.jump_if(R1, "==", 0, "out")
    a.call("ktime_get_ns")
    a.mov(R8, R0)
    a.load(R1, R10, ENTRY + (_QUEUED if from_queue else _ISSUED))
    a.alu("sub", R8, R1)
    tail(a)
    pieces.end(a)
    return ProgramSpec(
        "rq_complete", "tp_btf", "block_rq_complete", a.code(), "takes the time when a request is done"
    )


def issued_and_pending(requests: Map) -> List[int]:
    """Return when those watched requests were issued (ns since boot) that have not completed."""
    entries = [struct.unpack_from("=4Q", values[0]) for _, values in requests.items()]
    return [issued_ns for _, issued_ns, _, watched in entries if watched and issued_ns]


def copy_disk_name(a: Assembler, layout: RequestLayout, request: Reg, at: int) -> None:
    """Copy the name of a request's disk to the stack; zeros where it has none (a command to a controller)."""
    none, done = a.unique("none"), a.unique("named")
    a.mov(R2, request)
    for offset in layout.disk_path:
        a.load(R2, R2, offset)
    a.jump_if(R2, "==", 0, none)
    for word in range(0, DISK_BYTES, 8):
        a.load(R1, R2, layout.disk_name + word)
        a.store(R10, at + word, R1)
    a.jump(done)
    a.label(none)
    a.zero(at, DISK_BYTES)
    a.label(done)


def _has_event(btf: Btf, event: str) -> bool:
    try:
        btf.tracepoint_id(event)
    except NoBtf:
        return False
    return True


def _program(btf: Btf, event: str, code: Code, says: str) -> ProgramSpec:
    return ProgramSpec(event.replace("block_", ""), "tp_btf", event, code, says)


def _request(a: Assembler, at: int) -> None:
    """Set r7 to the request, and put its address on the stack as the key."""
    pieces.begin(a)
    a.load(R7, R6, 8 * at)
    a.store(R10, KEY, R7)


def _new_entry(a: Assembler, watch: Watch) -> None:
    """Put a new entry on the stack: queued now, by the current task."""
    a.zero(ENTRY, REQUESTS.value_bytes)
    a.call("ktime_get_ns")
    a.store(R10, ENTRY + _QUEUED, R0)
    a.call("get_current_pid_tgid")
    a.store(R10, ENTRY + _TGID_TID, R0)
    a.mov(R1, R10)
    a.add(R1, ENTRY + _COMM)
    a.mov(R2, 16)
    a.call("get_current_comm")
    unwatched = a.unique("unwatched")
    if watch.follow:
        pieces.unless_watched(a, watch, unwatched, LOSS)
    a.store(R10, ENTRY + _WATCHED, 1)
    a.label(unwatched)


def _keep_entry(a: Assembler) -> None:
    """Keep the entry that is on the stack; one for which there is no room is counted."""
    kept = a.unique("kept")
    pieces.update(a, REQUESTS.name, KEY, ENTRY)
    a.jump_if(R0, "==", 0, kept)
    pieces.count_loss(a, pieces.NO_ROOM_IN_MAP, LOSS)
    a.label(kept)


def _made(btf: Btf, watch: Watch) -> Code:
    """Every request begins here, so what is known of its address is of one before."""
    a = Assembler()
    _request(a, btf.tracepoint_arguments(MADE).index("request"))
    pieces.lookup(a, REQUESTS.name, KEY)
    a.jump_if(R0, "==", 0, "new")
    a.load(R1, R0, _ISSUED)
    a.jump_if(R1, "==", 0, "new")
    _count_unseen_end(a)
    a.label("new")
    _new_entry(a, watch)
    _keep_entry(a)
    pieces.end(a)
    return a.code()


def _inserted(btf: Btf, watch: Watch) -> Code:
    a = Assembler()
    _request(a, btf.tracepoint_arguments("block_rq_insert").index("request"))
    pieces.lookup(a, REQUESTS.name, KEY)
    a.jump_if(R0, "==", 0, "new")
    a.load(R1, R0, _ISSUED)
    a.jump_if(R1, "!=", 0, "out")  # it comes back from the driver
    a.label("new")
    _new_entry(a, watch)
    _keep_entry(a)
    pieces.end(a)
    return a.code()


def _merged(btf: Btf) -> Code:
    a = Assembler()
    _request(a, btf.tracepoint_arguments(MERGED).index("request"))
    pieces.delete(a, REQUESTS.name, KEY)
    pieces.end(a)
    return a.code()


def _count_unseen_end(a: Assembler) -> None:
    """Count a watched request, whose entry is in r0, as lost: it was issued, its address is used again."""
    unwatched = a.unique("unwatched")
    a.load(R1, R0, _WATCHED)
    a.jump_if(R1, "==", 0, unwatched)
    pieces.count_loss(a, pieces.LOST_EVENTS, LOSS)
    a.label(unwatched)


def _issued(btf: Btf, layout: RequestLayout, watch: Watch) -> Code:
    a = Assembler()
    _request(a, btf.tracepoint_arguments("block_rq_issue").index("request"))
    pieces.lookup(a, REQUESTS.name, KEY)
    a.jump_if(R0, "==", 0, "new")
    a.load(R1, R7, layout.start_time_ns)
    a.load(R2, R0, _ISSUED)
    a.jump_if(R2, "==", 0, "queued")
    a.jump_if(R1, "<=", R2, "known")  # the driver had handed it back
    _count_unseen_end(a)
    a.jump("new")
    a.label("queued")
    if MADE not in layout.events:
        # An entry that is older than the request is of one before it at the same address.
        a.load(R2, R0, _QUEUED)
        a.jump_if(R1, ">", R2, "new")
    a.label("known")
    a.mov(R8, R0)
    a.call("ktime_get_ns")
    a.store(R8, _ISSUED, R0)
    a.jump("out")
    a.label("new")
    _new_entry(a, watch)
    a.load(R1, R10, ENTRY + _QUEUED)
    a.store(R10, ENTRY + _ISSUED, R1)
    _keep_entry(a)
    pieces.end(a)
    return a.code()
