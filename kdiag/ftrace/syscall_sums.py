"""System calls summed up from the pages of raw_syscalls:sys_enter and sys_exit, without an object for each
event.

A program that does nothing but system calls makes millions of events a second. Here only columns are looked
at: time, thread, number, result. With numpy (:mod:`kdiag.ftrace.syscall_sums_numpy`) the same, faster.

A thread's begin and end of a call are next to each other in its own order. On one CPU that is the buffer's
order; the events of a thread that was on several CPUs within a round are put into order first. Buffers are
read in rounds, as :mod:`kdiag.ftrace.events` explains, and what is newer than the round before waits for the
next one: its begin may be in a buffer that was read too early to have it.

Where events were lost, no begin from before the gap is paired with an end after it; such calls are counted as
``dropped``. Times are kept in buckets of a sixteenth of a power of two, so a percentile is at most 6.25 % too
high.
"""

import sys
from bisect import bisect_right
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Set, Tuple, Type

from kdiag.ftrace import ring_buffer
from kdiag.ftrace.event_format import BadFormat, EventFormat, PageLayout
from kdiag.ftrace.ring_buffer import Columns
from kdiag.records import NamedTuple

__all__ = [
    "EVERYTHING",
    "Choice",
    "SyscallSum",
    "SyscallSums",
    "bucket_of",
    "bucket_top_ns",
    "key_of",
    "number_in",
    "sums_for",
    "thread_in",
]

#: The number of a call at its end where the kernel forgot it (rt_sigreturn): -1.
FORGOTTEN = 0xFFFF_FFFF
#: Numbers from here on are one in the keys of threads.
MOST_NUMBER, _NUMBER_BITS = 511, 9
_STEPS_BITS = 4
_STEPS = 1 << _STEPS_BITS


class Choice(NamedTuple):
    """What is summed up, and how.

    With ``by_thread``, sums are by :func:`key_of`. ``failed`` is whether only failed calls are wanted, or
    only others; ``None`` for all. ``forgotten`` is the number of the call whose end has none
    (rt_sigreturn), and no result. ``other`` is called with the records of other events: data, offset, id.
    With ``begins``, begins alone are counted, as ``calls``.
    """

    by_thread: bool = False
    failed: Optional[bool] = None
    forgotten: Optional[int] = None
    other: Optional[Callable[[bytes, int, int], None]] = None
    begins: bool = False


EVERYTHING = Choice()


def key_of(thread: Any, number: Any) -> Any:
    """Return the key of a thread's calls of one number (or an array of them)."""
    return thread << _NUMBER_BITS | number


def thread_in(key: int) -> int:
    """Return the thread of a key."""
    return key >> _NUMBER_BITS


def number_in(key: int) -> int:
    """Return the number of a key; 511 stands for all from there on."""
    return key & MOST_NUMBER


class SyscallSum:
    """All calls of one number whose end was seen; times are those whose begin was, too (``timed``)."""

    __slots__ = ("buckets", "calls", "errors", "max_ns", "min_ns", "timed", "total_ns")

    def __init__(self) -> None:
        self.calls = 0
        self.errors: Dict[int, int] = {}
        self.timed = 0
        self.total_ns = 0
        self.min_ns = 0
        self.max_ns = 0
        self.buckets: Dict[int, int] = {}

    def at_share(self, share: float) -> int:
        """Return the nanoseconds that this share of the timed calls did not exceed, rounded up to a
        bucket."""
        wanted = max(1, -(-int(share * 1_000_000) * self.timed // 1_000_000))
        seen = 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= wanted:
                return min(self.max_ns, bucket_top_ns(bucket))
        return self.max_ns

    def same_as(self, other: "SyscallSum") -> bool:
        """Tell whether both hold the same."""
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)


def bucket_of(time_ns: int) -> int:
    """Return the bucket of a time: sixteen to a power of two.

    >>> [bucket_of(ns) for ns in (0, 1, 2, 3, 31, 32, 33, 34, 1000)]
    [0, 16, 32, 40, 95, 96, 96, 97, 175]
    """
    bits = time_ns.bit_length()
    rest = time_ns >> (bits - 5) if bits > 4 else time_ns << (5 - bits)
    return bits << _STEPS_BITS | rest & (_STEPS - 1)


def bucket_top_ns(bucket: int) -> int:
    """Return the longest time in a bucket.

    >>> all(bucket_of(bucket_top_ns(bucket_of(ns))) == bucket_of(ns) for ns in range(5000))
    True
    >>> all(ns <= bucket_top_ns(bucket_of(ns)) <= ns + ns // 16 for ns in range(5000))
    True
    """
    bits, rest = bucket >> _STEPS_BITS, (bucket & (_STEPS - 1)) + _STEPS
    return ((rest + 1) << (bits - 5)) - 1 if bits > 4 else rest >> (5 - bits) if bits else 0


class Places:
    """Where in a record the thread, the number and the result lie, in words of 4 bytes."""

    def __init__(self, enter: EventFormat, leave: EventFormat, layout: PageLayout) -> None:
        self.enter, self.leave = enter.id, leave.id
        # Of 8 bytes the low half is enough for a number; it comes second on big endian.
        low = layout.big_endian
        number = [_word(event, "id", low) for event in (enter, leave)]
        if number[0] != number[1]:
            raise BadFormat(f"{enter.full_name} and {leave.full_name} have the number in different places")
        self.number = number[0]
        self.thread = next(each for each in leave.common if each.name == "common_pid").offset_bytes // 4
        self.result = _word(leave, "ret", low)
        wide = leave.field("ret").size_bytes == 8
        #: What an error has there at least.
        self.result_high, self.high_least = (
            (self.result + (-1 if low else 1), 0xFFFF_FFFF) if wide else (self.result, 0xFFFF_F001)
        )
        self.least_bytes = {enter.id: enter.least_bytes, leave.id: leave.least_bytes}


def _word(event: EventFormat, name: str, big_endian: bool) -> int:
    field = event.field(name)
    if field.size_bytes not in (4, 8) or field.offset_bytes % 4:
        raise BadFormat(f"{event.full_name}: {name} is {field.size_bytes} bytes at {field.offset_bytes}")
    return field.offset_bytes // 4 + (field.size_bytes == 8 and big_endian)


class SyscallSums:
    """Sums up rounds of reading: :meth:`add` each CPU's pages, :meth:`end_round`, and in the end
    :meth:`finish`.

    ``sums`` is by number. ``lost`` counts events that the kernel says it dropped (``lost_unknown``: and
    more), of all kinds. ``unpaired`` counts errors, by number and errno, of calls that are in no time.
    ``begin_unseen`` and ``end_unseen`` count calls of which only the other half is
    there; ``unreadable`` says which pages were broken.
    """

    decode: Callable[[bytes, PageLayout], Columns] = staticmethod(ring_buffer.decode)

    def __init__(
        self, enter: EventFormat, leave: EventFormat, layout: PageLayout, choice: Choice = EVERYTHING
    ) -> None:
        self.choice = choice
        self.sums: Dict[int, SyscallSum] = {}
        self.unpaired: Dict[Tuple[int, int], int] = {}
        self.events = 0
        self.lost = 0
        self.lost_unknown = False
        self.dropped = 0
        self.begin_unseen = 0
        self.end_unseen = 0
        self.unreadable: List[str] = []
        self.layout = layout
        self.places = Places(enter, leave, layout)
        #: The begin of a call by thread: time, number.
        self.under_way: Dict[int, Tuple[int, int]] = {}
        self._rows: Dict[int, List[Any]] = {}
        self._gaps: List[int] = []
        self._newest_ns = 0
        self._complete_ns = -1

    def add(self, cpu: int, data: bytes) -> None:
        """Take pages of a CPU, in their order."""
        columns = self.decode(data, self.layout)
        self.events += len(columns.times_ns)
        for gap in columns.gaps:
            if gap.why:
                self.unreadable.append(f"CPU {cpu}, page {gap.page}: {gap.why}")
            self.lost += gap.events or 0
            self.lost_unknown = self.lost_unknown or gap.events is None
            # The time of a page that is broken is not to be trusted.
            ts_ns = self._newest_ns + 1 if gap.why else gap.ts_ns
            self._gaps.append(_time_after(columns, gap.before, ts_ns))
        if len(columns.times_ns):
            self._newest_ns = max(self._newest_ns, int(columns.times_ns[-1]))
            self._take(cpu, data, columns)

    def end_round(self) -> None:
        """Sum up what is complete: every CPU's buffer was read once since the last round."""
        self._sum(self._complete_ns)
        self._complete_ns = self._newest_ns

    def finish(self) -> None:
        """Sum up the rest; nothing more is written."""
        self._sum(1 << 64)
        self.end_unseen += len(self.under_way)
        self.under_way.clear()

    # How this is done without numpy

    def _take(self, cpu: int, data: bytes, columns: Columns) -> None:
        """Keep the columns that count: time, thread, number, errno, whether it is the end."""
        places = self.places
        words = _words(data, self.layout)
        rows = self._rows.setdefault(cpu, [[], [], [], [], []])
        times, threads, numbers, errnos, ends = rows
        thread, number, low, high = places.thread, places.number, places.result, places.result_high
        leave, enter, high_least = places.leave, places.enter, places.high_least
        by_thread, failed, forgotten, other, begins = self.choice
        columns_of = zip(columns.times_ns, columns.offsets_bytes, columns.types)
        for time, offset, type_id in columns_of:
            at = offset >> 2
            if type_id not in (leave, enter):
                if other is not None:
                    other(data, offset, type_id)
                continue
            call, errno = words[at + number], 0
            if type_id == leave:
                result = words[at + low]
                if call == FORGOTTEN and forgotten is not None:
                    call = forgotten
                elif result > 0xFFFF_F000 and words[at + high] >= high_least:
                    errno = (1 << 32) - result
                if failed is not None and failed != (errno > 0):
                    continue
            if by_thread:
                call = key_of(words[at + thread], min(call, MOST_NUMBER))
            times.append(time)
            threads.append(words[at + thread])
            numbers.append(call)
            errnos.append(errno)
            ends.append(begins or type_id == leave)

    def _sum(self, until_ns: int) -> None:
        ready: Dict[int, List[Sequence[Any]]] = {}
        for cpu, rows in self._rows.items():
            count = bisect_right(rows[0], until_ns)
            ready[cpu] = [column[:count] for column in rows]
            for column in rows:
                del column[:count]
        wanderers = _on_several([set(rows[1]) for rows in ready.values()])
        moved: List[Tuple[Any, ...]] = []
        gaps = self._gaps_until(until_ns)
        for rows in ready.values():
            every: Iterator[Tuple[Any, ...]] = zip(*rows)
            if wanderers:
                moved += [row for row in zip(*rows) if row[1] in wanderers]
                every = iter([row for row in zip(*rows) if row[1] not in wanderers])
            self._pair(every, gaps)
        if moved:
            moved.sort()
            self._pair(iter(moved), gaps)
        self._forget_before(gaps)

    def _pair(self, rows: Any, gaps: List[int]) -> None:
        under_way, sums = self.under_way, self.sums
        for time, thread, number, errno, end in rows:
            if not end:
                if thread in under_way:
                    self.end_unseen += 1
                under_way[thread] = (time, number)
                continue
            found = sums.get(number)
            if found is None:
                found = sums[number] = SyscallSum()
            found.calls += 1
            if errno:
                found.errors[errno] = found.errors.get(errno, 0) + 1
            begun = under_way.pop(thread, None)
            if begun is None or begun[1] != number:
                self.begin_unseen += 1
                self.end_unseen += begun is not None
                self._leave_out(number, errno)
                continue
            if gaps and _crosses(gaps, begun[0], time):
                self.dropped += 1
                self._leave_out(number, errno)
                continue
            length = time - begun[0]
            if not found.timed or length < found.min_ns:
                found.min_ns = length
            if length > found.max_ns:
                found.max_ns = length
            found.timed += 1
            found.total_ns += length
            bucket = bucket_of(length)
            found.buckets[bucket] = found.buckets.get(bucket, 0) + 1

    def _leave_out(self, number: int, errno: int) -> None:
        if errno:
            self.unpaired[number, errno] = self.unpaired.get((number, errno), 0) + 1

    def _gaps_until(self, until_ns: int) -> List[int]:
        """Return the times of gaps that matter now, in order; later ones wait."""
        gaps = sorted(gap for gap in self._gaps if gap <= until_ns)
        self._gaps = [gap for gap in self._gaps if gap > until_ns]
        return gaps

    def _forget_before(self, gaps: List[int]) -> None:
        """Drop begins from before the last gap: an end that comes now may be that of another call."""
        if not gaps:
            return
        stale = [thread for thread, (begun_ns, _) in self.under_way.items() if begun_ns < gaps[-1]]
        self.dropped += len(stale)
        for thread in stale:
            del self.under_way[thread]


def sums_for(
    enter: EventFormat, leave: EventFormat, layout: PageLayout, choice: Choice = EVERYTHING
) -> SyscallSums:
    """Return the fastest that there is: with numpy where it is installed (``kdiag[fast]``)."""
    kind: Type[SyscallSums] = SyscallSums
    try:
        from kdiag.ftrace.syscall_sums_numpy import FastSyscallSums
    except ImportError:
        pass
    else:
        kind = FastSyscallSums
    return kind(enter, leave, layout, choice)


def _words(data: bytes, layout: PageLayout) -> Sequence[int]:
    whole = memoryview(data)[: len(data) // 4 * 4]
    if layout.big_endian == (sys.byteorder == "big"):
        return whole.cast("I")
    import struct

    return struct.unpack(f"{'>' if layout.big_endian else '<'}{len(whole) // 4}I", whole)


def _time_after(columns: Columns, index: int, ts_ns: int) -> int:
    """Return the time of the first record after a gap."""
    if index < len(columns.times_ns):
        return int(columns.times_ns[index])
    return int(columns.times_ns[-1]) + 1 if len(columns.times_ns) else ts_ns


def _on_several(sets: List[Set[int]]) -> Set[int]:
    """Return what is in more than one of the sets."""
    seen: Set[int] = set()
    several: Set[int] = set()
    for each in sets:
        several |= seen & each
        seen |= each
    return several


def _crosses(gaps: List[int], begin_ns: int, end_ns: int) -> bool:
    """Tell whether events are missing between two times."""
    return bisect_right(gaps, end_ns) > bisect_right(gaps, begin_ns)
