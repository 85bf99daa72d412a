"""From raw pages to events in the order of time, all CPUs together, in bounded memory.

Each CPU has a buffer of its own, and within one the records are in order. A recording is merged as far as
each CPU is read (:func:`recorded`). Of a live buffer nobody knows whether a quiet CPU has older events still
to come, so reading goes in rounds: one round empties every CPU's buffer once. What was seen in an earlier
round was written before the present one began, so when a round ends, everything up to the newest event of the
round before is complete, and can go out (:class:`Rounds`).

A ``kernel_stack`` record comes right after its event and in the same context, but an interrupt may put its
own events and stacks in between. So an event is held until another of its context, or of one that it could
have interrupted, shows that its stack would have come.
"""

import heapq
import struct
from bisect import bisect_right
from operator import attrgetter
from typing import Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, Union

from kdiag.ftrace import ring_buffer
from kdiag.ftrace.event import Event, Fields, Lost, RecordReader
from kdiag.ftrace.event_format import EventFormat, PageLayout
from kdiag.ftrace.ring_buffer import Columns
from kdiag.records import NamedTuple

__all__ = ["EventReader", "Rounds", "live", "live_rounds", "recorded"]

Item = Union[Event, Lost]
Decode = Callable[[bytes, PageLayout], Columns]

_TIME = attrgetter("ts_ns")
#: By context flags (TRACE_FLAG_NMI, _HARDIRQ, _SOFTIRQ): each may interrupt those below.
_LEVELS = bytes(
    3 if flags & 0x40 else 2 if flags & 0x08 else 1 if flags & 0x10 else 0 for flags in range(256)
)
#: Context flags, preempt count, pid: the same for an event and its stacks.
_Key = Tuple[int, int, int]
_STACKS = {"kernel_stack": "stack", "user_stack": "user_stack"}
#: Kernels before 5.x end a stack with an address of all ones.
_END_MARKS = (0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF)


class _Held:
    """A record whose stacks may still come; ``event`` is ``None`` for one without a known format."""

    __slots__ = ("event", "key", "level", "stack", "ts_ns", "user_stack")

    def __init__(self, ts_ns: int, event: Optional[Event], key: _Key) -> None:
        self.ts_ns = ts_ns
        self.event = event
        self.key = key
        self.level = _LEVELS[key[0]]
        self.stack: Optional[Tuple[int, ...]] = None
        self.user_stack: Optional[Tuple[int, ...]] = None


class _Known(NamedTuple):
    """What is to be done with records of one type."""

    reader: RecordReader
    name: str
    least_bytes: int
    stack: Optional[str]


class EventReader:
    """Reads the pages of all CPUs of one buffer, each in the order in which the kernel gave them.

    ``unknown_types`` counts records whose format was not given, ``orphan_stacks`` stacks whose event was not
    seen.
    """

    def __init__(
        self,
        formats: Iterable[EventFormat],
        layout: PageLayout,
        decode: Decode = ring_buffer.decode,
    ) -> None:
        self.layout = layout
        self.unknown_types: Dict[int, int] = {}
        self.orphan_stacks = 0
        self._decode = decode
        readers = [RecordReader(each, layout.big_endian) for each in formats]
        # The fields that all records begin with are the same for all events of a kernel.
        common = {each.name: each for each in readers[0].event.common} if readers else {}
        pid_offset = common["common_pid"].offset_bytes if "common_pid" in common else 4
        #: Context flags, preempt count and pid, from the third byte on.
        self._head = struct.Struct(f"{'>' if layout.big_endian else '<'}BB{pid_offset - 4}xi")
        self._least_bytes = pid_offset + 4
        self._known = {
            each.event.id: _Known(
                each, each.event.full_name, max(self._least_bytes, each.least_bytes), _stack_kind(each)
            )
            for each in readers
        }
        self._held: Dict[int, List[_Held]] = {}
        self._newest: Dict[int, int] = {}

    def read(self, cpu: int, data: bytes) -> Iterator[Item]:
        """Yield what the next pages of a CPU hold, but for what may still get a stack (:meth:`finish`)."""
        columns = self._decode(data, self.layout)
        gaps = list(columns.gaps)
        held = self._held.setdefault(cpu, [])
        newest = self._newest.get(cpu, 0)
        known_types, head, make = self._known, self._head.unpack_from, tuple.__new__
        next_gap = gaps[0].before if gaps else _ALL
        rows = zip(columns.times_ns, columns.offsets_bytes, columns.sizes_bytes, columns.types)
        for index, (ts_ns, offset, size, type_id) in enumerate(rows):
            while next_gap <= index:
                yield from _release(held, _ALL)
                yield _lost(cpu, gaps.pop(0), newest)
                next_gap = gaps[0].before if gaps else _ALL
            newest = ts_ns
            known = known_types.get(type_id)
            if known is None:
                self.unknown_types[type_id] = self.unknown_types.get(type_id, 0) + 1
                key = head(data, offset + 2) if size >= self._least_bytes else (0, 0, 0)
                event = None
            else:
                reader, name, least, stack = known
                if size < least:
                    yield from _release(held, _ALL)
                    yield Lost(ts_ns, cpu, 1, _too_short(reader, size))
                    continue
                key = head(data, offset + 2)
                record = data[offset : offset + size]
                if stack is not None:
                    self._attach(held, stack, key, _addresses(reader.read(record)))
                    continue
                fields = Fields(reader, record)
                # The constructor of records costs more than all the rest.
                event = make(Event, (ts_ns, cpu, key[2], name, fields, None, None, key[0], key[1]))
            new = _Held(ts_ns, event, key)
            if len(held) == 1 and held[0].level >= new.level:
                yield from _release(held, _ALL)
            elif held:
                for each in held:
                    if each.level >= new.level:
                        each.level = _DONE
                yield from _release(held, -1)
            held.append(new)
        for gap in gaps:
            yield from _release(held, _ALL)
            yield _lost(cpu, gap, newest)
        self._newest[cpu] = newest

    def finish(self, cpu: int, until_ns: int = 1 << 64) -> Iterator[Item]:
        """Yield what is still held for a stack, up to a time at which the stacks would be there already."""
        yield from _release(self._held.get(cpu, []), until_ns)

    def _attach(self, held: List[_Held], name: str, key: _Key, addresses: Tuple[int, ...]) -> None:
        """Give a stack to the latest event of its context that has none."""
        for each in reversed(held):
            if each.key == key and getattr(each, name) is None:
                setattr(each, name, addresses)
                return
        self.orphan_stacks += 1


#: The level of a record that will get no stack any more, and a time after all others.
_DONE, _ALL = 9, 1 << 64


def _release(held: List[_Held], until_ns: int) -> Iterator[Item]:
    """Yield, and forget, what comes first and is done, or not younger than ``until_ns``."""
    count = 0
    while count < len(held) and (held[count].level == _DONE or held[count].ts_ns <= until_ns):
        each = held[count]
        count += 1
        if each.event is None:
            continue
        if each.stack is None and each.user_stack is None:
            yield each.event
        else:
            yield each.event._replace(stack=each.stack, user_stack=each.user_stack)
    del held[:count]


def _stack_kind(reader: RecordReader) -> Optional[str]:
    return _STACKS.get(reader.event.name) if reader.event.system == "ftrace" else None


def _addresses(fields: Mapping[str, object]) -> Tuple[int, ...]:
    caller, size = fields.get("caller"), fields.get("size")
    addresses = caller if isinstance(caller, tuple) else ()
    if isinstance(size, int):
        addresses = addresses[: max(0, size)]
    end = len(addresses)
    # The unused places of a program's stack are 0.
    while end and (addresses[end - 1] in _END_MARKS or not addresses[end - 1]):
        end -= 1
    return addresses[:end]


def _lost(cpu: int, gap: ring_buffer.Gap, newest: int) -> Lost:
    # The time of a page that is not to be trusted is not either.
    return Lost(
        newest if gap.why else gap.ts_ns, cpu, gap.events, f"page {gap.page}: {gap.why}" if gap.why else ""
    )


def _too_short(reader: RecordReader, size: int) -> str:
    return f"a record of {reader.event.full_name} has {size} bytes, its format needs {reader.least_bytes}"


def recorded(reader: EventReader, cpus: Mapping[int, Iterable[bytes]]) -> Iterator[Item]:
    """Merge recorded buffers, given by CPU as pages in their order (any number of them in one ``bytes``)."""

    def one(cpu: int, pages: Iterable[bytes]) -> Iterator[Item]:
        for data in pages:
            yield from reader.read(cpu, data)
        yield from reader.finish(cpu)

    return heapq.merge(*(one(cpu, pages) for cpu, pages in cpus.items()), key=_TIME)


class Rounds:
    """Puts what rounds of reading gave into the order of time.

    ``late`` counts what came after something younger had gone out already; that happens only if a CPU was
    stopped between taking the time of a record and finishing it, for longer than a round.
    """

    def __init__(self) -> None:
        self.late = 0
        self.next_complete_ns = -1
        """Up to this time all will be complete when the present round ends."""
        self._waiting: List[Item] = []
        self._complete_ns = -1

    def add(self, items: Iterable[Item]) -> None:
        """Take what was read of one CPU."""
        self._waiting.extend(items)

    def end(self) -> List[Item]:
        """Return, in order, what is complete now that every CPU was read once more."""
        self._waiting.sort(key=_TIME)
        times = [each.ts_ns for each in self._waiting]
        self.late += bisect_right(times, self._complete_ns - 1)
        complete = bisect_right(times, self.next_complete_ns)
        out, self._waiting = self._waiting[:complete], self._waiting[complete:]
        self._complete_ns = max(self._complete_ns, self.next_complete_ns)
        self.next_complete_ns = max(self.next_complete_ns, times[-1] if times else -1)
        return out

    def rest(self) -> List[Item]:
        """Return what is left; call it when nothing more is written."""
        out, self._waiting = sorted(self._waiting, key=_TIME), []
        return out


def live(reader: EventReader, chunks: Iterable[Optional[Tuple[int, bytes]]]) -> Iterator[Item]:
    """Merge a buffer that is being written: ``(cpu, pages)`` as they are read, ``None`` where a round
    ends."""
    for items in live_rounds(reader, chunks):
        yield from items


def live_rounds(reader: EventReader, chunks: Iterable[Optional[Tuple[int, bytes]]]) -> Iterator[List[Item]]:
    """Do as :func:`live`, and yield a list for each round, which is empty where nothing came."""
    rounds = Rounds()
    seen: Dict[int, None] = {}
    for chunk in chunks:
        if chunk is not None:
            cpu, data = chunk
            seen[cpu] = None
            rounds.add(reader.read(cpu, data))
            continue
        for cpu in seen:
            rounds.add(reader.finish(cpu, rounds.next_complete_ns))
        yield rounds.end()
    for cpu in seen:
        rounds.add(reader.finish(cpu))
    yield rounds.rest()
