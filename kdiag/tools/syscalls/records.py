"""What the programs of syscalls send, whoever loaded them, and how it is read."""

import struct
import time
from collections import deque
from typing import Deque, Iterator, Union

from kdiag.ebpf.collector import Collector
from kdiag.ebpf.maps import MapSpec
from kdiag.ebpf.pieces import EVENTS
from kdiag.kernel.machine import machine_of
from kdiag.tools.run import Run
from kdiag.tools.syscalls import SyscallLine
from kdiag.tools.syscalls.arguments import Arguments, text_of
from kdiag.tools.syscalls.lines import Begin, Lines, Pairing
from kdiag.tools.syscalls.paths import paths_by_number
from kdiag.tools.tool import Item, LostHere

__all__ = [
    "BEGUN",
    "BUFFER",
    "ENDED",
    "END_BYTES",
    "HEAD_BYTES",
    "PATHS",
    "PATH_BYTES",
    "READ_AT_END",
    "SCRATCH",
    "UNREAD",
    "fill_paths",
    "items",
    "lines_of",
]

#: Begin: kind, number, time in ns, thread, process, name, six arguments (and room for two that are none),
#: bytes of two texts. The texts follow; only as many bytes are sent as are used, if there is one alone.
_BEGIN = struct.Struct("=IIQII16s8QII")
#: End: kind, number, time in ns, result, begin in ns, thread.
_END = struct.Struct("=IIQqQII")
#: In the number that is kept with a begin: a text could not be read yet.
UNREAD = 1 << 15
BEGUN, READ_AT_END, ENDED = range(3)
HEAD_BYTES, END_BYTES = _BEGIN.size, _END.size
PATH_BYTES = 256
#: Where a begin is put together.
SCRATCH = MapSpec("scratch", "percpu_array", 4, HEAD_BYTES + 2 * PATH_BYTES, 1)
#: By number: which arguments are text, as two u16 (0: none, else the place and one).
PATHS = MapSpec("paths", "array", 4, 4, 1024)
#: Programs do not wake kdiag up, which costs them more than all the rest: it looks every 20 ms.
BUFFER = EVENTS._replace(max_entries=16 << 20)
_ROUND_S = 0.02
#: Records that are kept in memory until they are shown: some seconds' worth, and at most 150 MB.
_MOST_WAITING, _MOST_AT_ONCE = 200_000, 500


def fill_paths(collector: Collector, machine: str) -> None:
    """Tell the programs which arguments are text."""
    for number, places in paths_by_number(machine).items():
        first, second = (place + 1 for place in (*places, -1)[:2])
        collector.maps[PATHS.name].update(struct.pack("=I", number), struct.pack("=HH", first, second))


def lines_of(run: Run) -> Lines:
    """Return what makes lines of calls; that arguments have no names is noted."""
    machine = machine_of(run.host) or ""
    arguments = Arguments(run.host, machine)
    if arguments.why_not:
        run.notes.append(arguments.why_not)
    return Lines(run.options, arguments, machine)


def items(run: Run, collector: Collector, pairing: Pairing) -> Iterator[Item]:
    """Yield the rows of all calls until it ends."""
    reader = _Records(pairing, machine_of(run.host) or "")
    # To show a call takes longer than to make it: what has come is taken out of the buffer first.
    waiting: Deque[Union[bytes, LostHere]] = deque()
    lost, last = 0, run.dry_run
    while waiting or not last:
        if not last:
            last = run.ending()
            if last:
                collector.stop()
            if len(waiting) < _MOST_WAITING or last:
                waiting.extend(collector.events(0))
            told = collector.losses().events
            if told > lost:
                waiting.append(LostHere(told - lost))
                lost = told
            if not waiting:
                time.sleep(_ROUND_S)
        for _ in range(min(len(waiting), _MOST_AT_ONCE)):
            item = waiting.popleft()
            if isinstance(item, LostHere):
                yield item
            else:
                yield from reader.lines(item)
    yield from reader.rest()


class _Records:
    def __init__(self, lines: Pairing, machine: str) -> None:
        self._lines = lines
        self._paths = paths_by_number(machine)

    def lines(self, data: bytes) -> Iterator[SyscallLine]:
        """Yield the line that a record makes, if it makes one."""
        kind = data[0]
        if kind == ENDED:
            _, number, ended_ns, result, begun_ns, tid, _ = _END.unpack_from(data)
            yield from self._lines.end(tid, number, result, ended_ns, begun_ns)
            return
        _, number, time_ns, tid, pid, comm, *values = _BEGIN.unpack_from(data)
        texts = {}
        for place, size, at in zip(
            self._paths.get(number, ()), values[8:], (HEAD_BYTES, HEAD_BYTES + PATH_BYTES)
        ):
            if size:
                texts[place] = text_of(data[at : at + size], PATH_BYTES)
        if kind == BEGUN:
            name = comm.partition(b"\0")[0].decode("utf-8", "surrogateescape")
            yield from self._lines.begin(Begin(time_ns, name, pid, tid, number, tuple(values[:6]), texts))
        else:
            self._lines.texts(tid, texts)

    def rest(self) -> Iterator[SyscallLine]:
        """Yield what has not come back."""
        return self._lines.unfinished()
