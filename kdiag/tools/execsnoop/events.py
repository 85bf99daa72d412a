"""What the programs of execsnoop send, whoever loaded them, and the rows that it makes."""

import struct
from typing import Iterator, Optional

from kdiag.ebpf.collector import Collector
from kdiag.host.base import Host, ReadError
from kdiag.procfs.pid_stat import parse_pid_stat
from kdiag.tools.event_rounds import events_of
from kdiag.tools.execsnoop.pairs import Begin, Pairs
from kdiag.tools.run import Run
from kdiag.tools.tool import Item, LostHere

__all__ = [
    "ARGUMENTS",
    "BEGIN_BYTES",
    "BEGUN",
    "DONE",
    "END",
    "FAILED",
    "MORE",
    "PATH_AT",
    "PATH_BYTES",
    "SIZES_AT",
    "TEXTS_AT",
    "TEXT_BYTES",
    "rows_of",
]

#: How many arguments are read, and how much of each with its NUL.
ARGUMENTS, TEXT_BYTES = 20, 128
PATH_BYTES = 256
#: Begin: kind, process, user, how many arguments were read, time in ns; then sizes of the path and of each
#: argument as u64, and the texts themselves.
_BEGIN = struct.Struct("=IIIIQ")
SIZES_AT = _BEGIN.size
PATH_AT = SIZES_AT + 8 * (ARGUMENTS + 1)
TEXTS_AT = PATH_AT + PATH_BYTES
BEGIN_BYTES = TEXTS_AT + ARGUMENTS * TEXT_BYTES
#: End: kind, process, parent, nothing, result, name.
END = struct.Struct("=IIIIq16s")
BEGUN, DONE, FAILED = range(3)
#: Added to the number of arguments where there are more than are read.
MORE = 1 << 16


def rows_of(run: Run, collector: Collector) -> Iterator[Item]:
    """Yield the rows of executions until it ends."""
    pairs = Pairs(run.options, lambda pid: _parent(run.host, pid))
    for data in events_of(run, collector):
        if isinstance(data, LostHere):
            pairs.forget()
            yield data
        elif data[0] == BEGUN:
            pairs.begin(_begin(data))
        else:
            kind, pid, parent, _, result, comm = END.unpack_from(data)
            name = comm.partition(b"\0")[0].decode("utf-8", "surrogateescape")
            yield from pairs.done(pid, parent, name) if kind == DONE else pairs.failed(pid, result, name)


def _begin(data: bytes) -> Begin:
    _, pid, uid, number, time_ns = _BEGIN.unpack_from(data)
    sizes = struct.unpack_from(f"={ARGUMENTS + 1}Q", data, SIZES_AT)
    path = _text(data, PATH_AT, sizes[0], PATH_BYTES)
    texts = [
        _text(data, TEXTS_AT + at * TEXT_BYTES, sizes[1 + at], TEXT_BYTES)
        for at in range(min(number & (MORE - 1), ARGUMENTS))
    ]
    told = ["?" if text is None else text for text in texts]
    return Begin(time_ns, pid, uid, path, (*told, *(("...",) if number & MORE else ())))


def _text(data: bytes, at: int, size: int, most_bytes: int) -> Optional[str]:
    """Return a text, with dots where it was cut; ``None`` where it could not be read."""
    if not size:
        return None
    text = data[at : at + size].partition(b"\0")[0].decode("utf-8", "surrogateescape")
    return text + ("..." if size >= most_bytes else "")


def _parent(host: Host, pid: int) -> Optional[int]:
    """Return the parent of a process that could not execute a program, and so goes on."""
    try:
        return parse_pid_stat(host.read(f"/proc/{pid}/stat")).ppid
    except ReadError:
        return None
