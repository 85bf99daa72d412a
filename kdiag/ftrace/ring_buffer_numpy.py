"""Pages of ``trace_pipe_raw`` with numpy: as :mod:`kdiag.ftrace.ring_buffer`, many pages at a time.

Where a record lies is known only from those before it on its page, but pages do not depend on each other: one
vector step takes every page of a batch from one record to the next. The steps note nothing but positions;
times, sizes and ids are then worked out for the whole batch at once.
"""

from typing import Any, List, Tuple

import numpy as np

from kdiag.ftrace import ring_buffer
from kdiag.ftrace.event_format import PageLayout
from kdiag.ftrace.ring_buffer import (
    DOES_NOT_ADD_UP,
    LONG_DATA,
    MISSED_EVENTS,
    PADDING,
    TIME_BITS,
    TIME_STAMP,
    TOP_BITS,
    Columns,
    Gap,
    page_header,
)

__all__ = ["decode"]

Array = Any  # numpy is optional, and so are its types
#: A step costs some microseconds however few pages take it, and all positions of a batch are kept.
_PAGES = 1024
#: So many records fit on most pages.
_STEPS = 160
_TOP_BITS = np.uint64(TOP_BITS)


def _keep_freed_memory() -> None:
    """Let the C library keep what numpy frees, for its next array.

    By default glibc hands large blocks back to the kernel at once, and each page of the next one must be
    faulted in again: that costs more than the decoding (measured: 31 ns an event without, 80 with). Other C
    libraries do not know mallopt(3).
    """
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the most that it takes
        mallopt(_M_TRIM_THRESHOLD, 64 << 20)


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_keep_freed_memory()


def decode(data: bytes, layout: PageLayout) -> Columns:
    """Walk all pages in ``data``, one after the other; never raises: what cannot be read becomes a gap."""
    whole = len(data) // layout.page_bytes
    parts: List[Columns] = []
    steps: Array = np.empty((_STEPS, min(_PAGES, whole)), np.int32)
    for first in range(0, whole, _PAGES):
        count = min(_PAGES, whole - first)
        parts.append(_Batch(data, first, count, layout).columns(steps[:, :count]))
    if whole * layout.page_bytes < len(data):
        tail = ring_buffer.decode(data[whole * layout.page_bytes :], layout)
        parts.append(_moved(tail, whole, whole * layout.page_bytes))
    return _joined(parts)


def _moved(columns: Columns, pages: int, offset_bytes: int) -> Columns:
    """Return columns as arrays, for pages that lie so much further on."""
    offsets: Array = np.array(columns.offsets_bytes, np.int64) + offset_bytes
    sizes: Array = np.array(columns.sizes_bytes, np.uint32)
    types: Array = np.array(columns.types, np.uint16)
    times: Array = np.array(columns.times_ns, np.uint64)
    gaps = tuple(gap._replace(page=gap.page + pages) for gap in columns.gaps)
    return Columns(times, offsets, sizes, types, gaps)


def _joined(parts: List[Columns]) -> Columns:
    if len(parts) == 1:
        return parts[0]
    parts = parts or [_moved(Columns([], [], [], []), 0, 0)]
    gaps: List[Gap] = []
    before = 0
    for part in parts:
        gaps.extend(gap._replace(before=gap.before + before) for gap in part.gaps)
        before += len(part.times_ns)
    columns: List[Array] = [np.concatenate(each) for each in list(zip(*parts))[:4]]
    return Columns(columns[0], columns[1], columns[2], columns[3], tuple(gaps))


class _Batch:
    """So many whole pages, walked side by side. Positions are indices of words in the batch."""

    def __init__(self, data: bytes, first: int, count: int, layout: PageLayout) -> None:
        self.data, self.first, self.count, self.layout = data, first, count, layout
        page_words = layout.page_bytes // 4
        order = ">" if layout.big_endian else "<"
        start = first * layout.page_bytes
        self.words, self.parked = self._words(np.frombuffer(data, order + "u4", count * page_words, start))
        headers = np.frombuffer(data, np.uint8, count * layout.page_bytes, start).reshape(count, -1)
        self.page_ns: Array = headers[:, :8].copy().view(order + "u8")[:, 0].astype(np.uint64)
        commit = headers[:, 8 : 8 + layout.long_bytes].copy().view(f"{order}u{layout.long_bytes}")[:, 0]
        self.length: Array = (commit & 0x3FFFFFFF).astype(np.int64)
        self.wrong: Array = (self.length > layout.data_bytes) | (self.length % 4 != 0)
        self.length[self.wrong] = 0
        self.missed: Array = (commit & MISSED_EVENTS) != 0
        begin = np.arange(count, dtype=np.int64) * page_words + layout.data_offset_bytes // 4
        self.end: Array = np.where(self.length > 0, begin + self.length // 4, 0)
        self.begin: Array = np.where(self.length > 0, begin, self.parked)

    def _words(self, words: Array) -> Tuple[Array, int]:
        """Return the words, and the place of one that is no header but looks like a plain record.

        Pages that are done stay there. The words of page headers are as good as any: no copy is made.
        """
        if words.dtype.isnative:
            page_words = self.layout.page_bytes // 4
            headers = words.reshape(self.count, page_words)[:, : self.layout.data_offset_bytes // 4]
            found = np.argwhere(self._is_plain(self._type_len(headers)))
            if found.size:
                page, word = found[0].tolist()
                return words, page * page_words + word
        copy = np.empty(words.size + 2, np.uint32)
        copy[:-2] = words
        copy[-2:] = 1 << TIME_BITS if self.layout.big_endian else 1
        return copy, words.size

    @staticmethod
    def _is_plain(type_len: Array) -> Array:
        # Unsigned: that of 0 becomes the largest of all.
        return (type_len - np.uint32(1)) <= 27

    def _type_len(self, head: Array) -> Array:
        return head >> 27 if self.layout.big_endian else head & 31

    def _delta(self, head: Array) -> Array:
        return head & 0x7FFFFFF if self.layout.big_endian else head >> 5

    def _walk(self, steps: Array) -> Array:
        """Return the positions of all headers, a row a page, filled up with ``parked``, in ``steps``."""
        words, end, parked = self.words, self.end.copy(), self.parked
        at, taken = self.begin, 0
        while True:
            if taken == len(steps):
                steps = np.concatenate([steps, np.empty_like(steps)])
            steps[taken] = at
            taken += 1
            type_len = self._type_len(words.take(at))
            plain = self._is_plain(type_len)
            after = at + type_len
            after += 1
            if not plain.all():
                self._special(np.flatnonzero(~plain), at, after)
            alive = after < end
            end *= alive  # so that a page that is done stays so
            at = np.where(alive, after, parked)
            if taken % 8 == 0 and (at == parked).all():
                return steps[:taken].T

    def _special(self, pages: Array, at: Array, after: Array) -> None:
        """Put right where those pages go on whose header is that of no plain record."""
        here = at[pages]
        head = self.words[here]
        type_len, delta = self._type_len(head), self._delta(head)
        to_end = (type_len == PADDING) & (delta == 0)
        cut = ~to_end & (here + 1 >= self.end[pages])
        word = self._word(here + 1).astype(np.int64)
        length = (word + 3) // 4
        sized = (type_len == PADDING) | (type_len == LONG_DATA)
        least = np.where(type_len == LONG_DATA, 2, 1)
        following = here + np.where(sized, 1 + length, 2)
        following[to_end] = self.end[pages][to_end]
        lost = cut | (sized & ~to_end & (length < least)) | (following > self.end[pages])
        following[lost] = self.end[pages][lost]
        self.wrong[pages[lost]] = True
        after[pages] = following

    def _word(self, at: Array) -> Array:
        """Return words, those of broken records being anything."""
        return self.words.take(at, mode="clip")

    def columns(self, steps: Array) -> Columns:
        """Return the records of the batch; memory for positions is used again for the next one."""
        found = self._walk(steps)
        valid = found != self.parked
        counts = valid.sum(axis=1)
        at = found[valid]
        head = self.words.take(at)
        type_len = self._type_len(head)
        self._check_ends(at, type_len, counts)
        plain = self._is_plain(type_len)
        if plain.all():
            times = self._times(self._delta(head).astype(np.uint64), counts, None, None)
            at += 1
        else:
            times, doubtful = self._special_times(at, head, type_len, counts)
            if doubtful:
                return self._by_the_other()
            is_record = plain | (type_len == LONG_DATA)
            at, type_len, times = at[is_record], type_len[is_record], times[is_record]
            page_of = np.repeat(np.arange(self.count), counts)[is_record]
            counts = np.bincount(page_of, minlength=self.count)
            at += np.where(type_len == LONG_DATA, 2, 1).astype(at.dtype)
        sizes = type_len << 2
        long_ones = np.flatnonzero(type_len == LONG_DATA)
        if long_ones.size:
            lengths = self._word(at[long_ones] - 1).astype(np.int64)
            sizes[long_ones] = (lengths + 3) // 4 * 4 - 4
        ids = self._word(at)
        types = (ids >> 16 if self.layout.big_endian else ids & 0xFFFF).astype(np.uint16)
        offsets = np.multiply(at, 4, dtype=np.int64)
        offsets += self.first * self.layout.page_bytes
        if self.wrong.any():
            kept = ~np.repeat(self.wrong, counts)
            times, offsets, sizes, types = times[kept], offsets[kept], sizes[kept], types[kept]
            counts = np.where(self.wrong, 0, counts)
        return Columns(times, offsets, sizes, types, self._gaps(counts))

    def _by_the_other(self) -> Columns:
        start, size = self.first * self.layout.page_bytes, self.count * self.layout.page_bytes
        columns = ring_buffer.decode(self.data[start : start + size], self.layout)
        return _moved(columns, self.first, start)

    def _check_ends(self, at: Array, type_len: Array, counts: Array) -> None:
        """Mark pages whose last record goes on after the end."""
        pages = np.flatnonzero(counts)
        last = np.cumsum(counts)[pages] - 1
        after = at[last] + type_len[last] + 1
        plain = self._is_plain(type_len[last])
        self.wrong[pages[plain & (after != self.end[pages])]] = True

    def _special_times(self, at: Array, head: Array, type_len: Array, counts: Array) -> Tuple[Array, bool]:
        """Return the time at each header, and whether the top bits of an absolute time are in doubt."""
        delta = self._delta(head).astype(np.uint64)
        longer = np.flatnonzero(type_len > PADDING)
        delta[longer] += self._word(at[longer] + 1).astype(np.uint64) << np.uint64(TIME_BITS)
        delta[(type_len == PADDING) & (delta == 1)] = 0
        stamps = np.flatnonzero(type_len == TIME_STAMP)
        page_of = np.repeat(np.arange(self.count), counts)
        page_ns = self.page_ns[page_of[stamps]]
        top = page_ns & _TOP_BITS
        absolute = delta[stamps] | top
        delta[stamps] = 0
        times = self._times(delta, counts, stamps, absolute)
        first = (stamps == 0) | (page_of[stamps - 1] != page_of[stamps])
        before = np.where(first, page_ns, times[stamps - 1])
        doubtful = (before & _TOP_BITS != top) | ((top != 0) & (absolute < before))
        return times, bool(doubtful.any())

    def _times(self, delta: Array, counts: Array, stamps: Any, absolute: Any) -> Array:
        """Add up the times (in place) since the page's beginning, or since the last absolute time."""
        pages = np.flatnonzero(counts)
        if not pages.size:
            return delta
        starts = (np.cumsum(counts) - counts)[pages]
        bases = self.page_ns[pages]
        if stamps is not None and stamps.size:
            # A page that begins with an absolute time begins anew there; the later of two bases counts.
            places = np.concatenate([starts, stamps])
            order = np.argsort(places, kind="stable")
            places, bases = places[order], np.concatenate([bases, absolute])[order]
            last = np.append(places[1:] != places[:-1], True)
            starts, bases = places[last], bases[last]
        # One sum runs over all pages: at the start of each, what it lacks of the page's own time is added.
        ends = bases + np.add.reduceat(delta, starts)
        bases[1:] -= ends[:-1]
        delta[starts] += bases
        return np.cumsum(delta, out=delta)

    def _gaps(self, counts: Array) -> Tuple[Gap, ...]:
        gaps: List[Gap] = []
        before = np.cumsum(counts) - counts
        for page in np.flatnonzero(self.missed | self.wrong).tolist():
            header = page_header(self.data, (self.first + page) * self.layout.page_bytes, self.layout)
            index, number = int(before[page]), self.first + page
            if header.missed:
                gaps.append(Gap(index, number, header.ts_ns, header.missed_events))
            if self.wrong[page]:
                gaps.append(Gap(index, number, header.ts_ns, None, header.wrong or DOES_NOT_ADD_UP))
        return tuple(gaps)
