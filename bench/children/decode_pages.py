"""Decode pages of raw_syscalls events in one way, and print the CPU seconds that this alone took.

``decode_pages.py WAY FILE ENTER EXIT``: FILE has pages as ``trace_pipe_raw`` gives them, ENTER and EXIT are
the ids of its two events. ``flow`` lets FILE pass by again and again, until ten million events are through.
"""

import json
import re
import struct
import sys
import time
from typing import Callable, Dict, Iterator, List, Tuple

from kdiag.ftrace import ring_buffer
from kdiag.ftrace.event import Event
from kdiag.ftrace.event_format import EventFormat, Field, PageLayout
from kdiag.ftrace.events import EventReader, recorded
from kdiag.ftrace.syscall_sums import SyscallSums, sums_for

_COMMON = (Field("common_pid", "int", 4, 4, True, "integer", None, 4),)
_ID = Field("id", "long", 8, 8, True, "integer", None, 8)
_ARGS = Field("args", "unsigned long[6]", 16, 48, False, "array", 6, 8)
_RET = Field("ret", "long", 16, 8, True, "integer", None, 8)
_LAYOUT = PageLayout(8, 16, 4080)
#: Of a buffer of 4 MiB a CPU.
_CHUNK_PAGES = 1024
_FLOW_EVENTS = 10_000_000
_LINE = re.compile(
    rb"\s*(.+)-(\d+)\s+\[(\d+)\] (\S+)\s+(\d+\.\d+): (\w+): NR (\d+) (?:\((.*)\)|= (-?\d+))"
).match


def formats(enter: int, leave: int) -> Tuple[EventFormat, EventFormat]:
    """Return the two events as an x86_64 kernel describes them."""
    return (
        EventFormat("raw_syscalls", "sys_enter", enter, _COMMON, (_ID, _ARGS)),
        EventFormat("raw_syscalls", "sys_exit", leave, _COMMON, (_ID, _RET)),
    )


def chunks(data: bytes) -> Iterator[bytes]:
    """Yield so many pages at a time as a live reader gets."""
    size = _CHUNK_PAGES * _LAYOUT.page_bytes
    for start in range(0, len(data), size):
        yield data[start : start + size]


def decoded(data: bytes, both: Tuple[EventFormat, EventFormat]) -> int:
    """Decode with pure Python, and read the fields that a summary of system calls needs."""
    sums = SyscallSums(*both, _LAYOUT)
    for chunk in chunks(data):
        sums.add(0, chunk)
        sums._rows.clear()
    return sums.events


def decoded_by_numpy(data: bytes, _both: Tuple[EventFormat, EventFormat]) -> int:
    """Decode with numpy: times, places, sizes and types of all records."""
    from kdiag.ftrace import ring_buffer_numpy

    return sum(len(ring_buffer_numpy.decode(chunk, _LAYOUT).types) for chunk in chunks(data))


def summed_up(data: bytes, both: Tuple[EventFormat, EventFormat]) -> int:
    """Do all that a summary does, begins and ends paired, with pure Python."""
    return _sum(SyscallSums(*both, _LAYOUT), chunks(data))


def summed_up_by_numpy(data: bytes, both: Tuple[EventFormat, EventFormat]) -> int:
    """Do the same with numpy."""
    from kdiag.ftrace.syscall_sums_numpy import FastSyscallSums

    return _sum(FastSyscallSums(*both, _LAYOUT), chunks(data))


def as_events(data: bytes, both: Tuple[EventFormat, EventFormat]) -> int:
    """Make an object of each event, and look at one field."""
    found = recorded(EventReader(both, _LAYOUT), {0: chunks(data)})
    return sum(isinstance(each, Event) and each.fields["id"] >= 0 for each in found)


def flow(data: bytes, both: Tuple[EventFormat, EventFormat]) -> int:
    """Let ten million events pass through a summary."""
    return _sum(sums_for(*both, _LAYOUT), _again_and_again(data))


def pure_flow(data: bytes, both: Tuple[EventFormat, EventFormat]) -> int:
    """Do the same without numpy."""
    return _sum(SyscallSums(*both, _LAYOUT), _again_and_again(data))


def _again_and_again(data: bytes) -> Iterator[bytes]:
    """Yield the pages with the time going on, as a buffer would that is read for a long time."""
    events, shift = 0, 0
    span = struct.unpack_from("=Q", data, len(data) - _LAYOUT.page_bytes)[0] + 1_000_000
    while events < _FLOW_EVENTS:
        for chunk in chunks(data):
            moved = bytearray(chunk)
            for start in range(0, len(moved), _LAYOUT.page_bytes):
                struct.pack_into("=Q", moved, start, struct.unpack_from("=Q", moved, start)[0] + shift)
            events += len(moved) // _LAYOUT.page_bytes * 84
            yield bytes(moved)
        shift += span


def _sum(sums: SyscallSums, pages: Iterator[bytes]) -> int:
    for chunk in pages:
        sums.add(0, chunk)
        sums.end_round()
    sums.finish()
    if sums.begin_unseen or sums.end_unseen > 1 or sums.dropped:
        raise SystemExit("the pages are not what the bench made")
    return sums.events


def as_text(data: bytes, both: Tuple[EventFormat, EventFormat]) -> List[bytes]:
    """Return the events as the kernel prints them."""
    columns = ring_buffer.decode(data, _LAYOUT)
    lines = []
    for time_ns, offset, type_id in zip(columns.times_ns, columns.offsets_bytes, columns.types):
        pid, number = struct.unpack_from("=iq", data, offset + 4)
        head = f"{'dd':>16}-{pid:<7} [000] ..... {time_ns // 10**9:5d}.{time_ns // 1000 % 10**6:06d}: "
        if type_id == both[0].id:
            arguments = ", ".join(f"{each:x}" for each in struct.unpack_from("=6Q", data, offset + 16))
            lines.append(f"{head}sys_enter: NR {number} ({arguments})\n".encode())
        else:
            lines.append(
                f"{head}sys_exit: NR {number} = {struct.unpack_from('=q', data, offset + 16)[0]}\n".encode()
            )
    return lines


def text_read(lines: List[bytes]) -> int:
    """Match each line with one regular expression, and take the fields that a summary needs."""
    read = 0
    for line in lines:
        found = _LINE(line)
        if found is not None:
            read += int(found[2]) > 0 and int(found[7]) >= 0 and len(found[5]) > 0
    return read


WAYS: Dict[str, Callable[[bytes, Tuple[EventFormat, EventFormat]], int]] = {
    "pure": decoded,
    "numpy": decoded_by_numpy,
    "pure sums": summed_up,
    "numpy sums": summed_up_by_numpy,
    "events": as_events,
    "flow": flow,
    "pure flow": pure_flow,
}


def main(way: str, file: str, enter: int, leave: int) -> None:
    """Go one way, and tell how long it took and how many events there were."""
    with open(file, "rb") as opened:
        data = opened.read()
    both = formats(enter, leave)
    if way == "text":
        lines = as_text(data, both)
        start = time.process_time()
        events = text_read(lines)
    else:
        if way.startswith("numpy"):
            WAYS[way](data[: 4 * _LAYOUT.page_bytes], both)  # the import is not what is measured
        start = time.process_time()
        events = WAYS[way](data, both)
    print(json.dumps({"cpu_s": time.process_time() - start, "events": events}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
