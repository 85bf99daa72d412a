"""The sums of :mod:`kdiag.ftrace.syscall_sums` with numpy: whole rounds at a time.

Rows are put into the order of their threads; then a begin and its end are neighbours, and all pairs of a
round are compared, measured and counted at once.
"""

from typing import Any, Dict, List, Tuple

import numpy as np

from kdiag.ftrace import ring_buffer_numpy
from kdiag.ftrace.event_format import PageLayout
from kdiag.ftrace.ring_buffer import Columns
from kdiag.ftrace.syscall_sums import FORGOTTEN, MOST_NUMBER, SyscallSum, SyscallSums, key_of

__all__ = ["FastSyscallSums"]

Array = Any  # numpy is optional, and so are its types
#: Time, thread, number, errno, whether it is the end.
_Rows = Tuple[Array, Array, Array, Array, Array]
#: Sorting numbers of 16 bits takes a pass or two.
_SHORT = 1 << 16


class FastSyscallSums(SyscallSums):
    """As :class:`SyscallSums`."""

    decode = staticmethod(ring_buffer_numpy.decode)

    def _take(self, cpu: int, data: bytes, columns: Columns) -> None:
        places = self.places
        words = _words(data, self.layout)
        types: Array = columns.types
        at: Array = columns.offsets_bytes
        at = at >> 2
        times: Array = columns.times_ns
        ends = types == places.leave
        ours = ends | (types == places.enter)
        if not ours.all():
            if self.choice.other is not None:
                for place in np.flatnonzero(~ours).tolist():
                    self.choice.other(data, int(columns.offsets_bytes[place]), int(types[place]))
            at, times, ends = at[ours], times[ours], ends[ours]
        low = words.take(at + places.result, mode="clip")
        wrong = (low > 0xFFFF_F000) & ends
        errnos = np.zeros(len(at), np.uint16)
        if wrong.any():
            wrong &= words.take(at + places.result_high, mode="clip") >= places.high_least
            errnos[wrong] = (-low[wrong].astype(np.int64)) & 0xFFFF
        rows = (times, words[at + places.thread], words[at + places.number], errnos, ends)
        self._rows.setdefault(cpu, []).append(self._chosen(rows))

    def _chosen(self, rows: _Rows) -> _Rows:
        """Return the rows that are wanted, with the keys that are wanted."""
        times, threads, numbers, errnos, ends = rows
        by_thread, failed, forgotten, _, begins = self.choice
        if begins:
            ends = np.ones(len(ends), bool)
        if forgotten is not None:
            nameless = ends & (numbers == FORGOTTEN)
            if nameless.any():
                numbers, errnos = np.where(nameless, np.uint32(forgotten), numbers), errnos * ~nameless
        if by_thread:
            numbers = key_of(threads.astype(np.int64), np.minimum(numbers, MOST_NUMBER))
        if failed is not None:
            kept = ~ends | ((errnos > 0) == failed)
            if not kept.all():
                return times[kept], threads[kept], numbers[kept], errnos[kept], ends[kept]
        return times, threads, numbers, errnos, ends

    def _sum(self, until_ns: int) -> None:
        ready: List[_Rows] = []
        for cpu, parts in self._rows.items():
            if not parts:
                continue
            rows = tuple(np.concatenate(column) for column in zip(*parts)) if len(parts) > 1 else parts[0]
            count = (
                len(rows[0])
                if until_ns >= 1 << 64
                else int(
                    np.searchsorted(rows[0], np.uint64(max(0, until_ns)), "right") if until_ns >= 0 else 0
                )
            )
            ready.append(tuple(column[:count] for column in rows))  # type: ignore[arg-type]
            self._rows[cpu] = [tuple(column[count:] for column in rows)]
        gaps = self._gaps_until(until_ns)
        for rows in _kept_apart(ready):
            if len(rows[0]):
                self._pair_all(rows, gaps)
        self._forget_before(gaps)

    def _pair_all(self, rows: _Rows, gaps: List[int]) -> None:
        times, threads, numbers, errnos, ends = rows
        if threads.min() != threads.max():
            short = threads.astype(np.uint16) if int(threads.max()) < _SHORT else threads
            order = np.argsort(short, kind="stable")
            times, threads, numbers, errnos, ends = (column[order] for column in rows)
        self._count(numbers[ends], errnos[ends])
        first = np.empty(len(threads), bool)
        first[0] = True
        np.not_equal(threads[1:], threads[:-1], out=first[1:])
        last = np.append(first[1:], True)
        # An end, and the row before it, of the same thread.
        after_begin = ends.copy()
        after_begin[0] = False
        after_begin[1:] &= ~first[1:] & ~ends[:-1]
        at = np.flatnonzero(after_begin)
        same = numbers[at] == numbers[at - 1]
        alone = ends & ~first & ~after_begin
        self.begin_unseen += int(np.count_nonzero(alone)) + int(np.count_nonzero(~same))
        alone[at[~same]] = True
        self._leave_out_all(numbers[alone], errnos[alone])
        self.end_unseen += int(np.count_nonzero(~same))
        # A begin that another begin follows.
        self.end_unseen += int(np.count_nonzero(~ends[:-1] & ~ends[1:] & ~first[1:]))
        at = at[same]
        begun, ended = times[at - 1], times[at]
        if gaps:
            places = np.array(gaps, np.uint64)
            whole = np.searchsorted(places, begun, "right") == np.searchsorted(places, ended, "right")
            self.dropped += int(np.count_nonzero(~whole))
            self._leave_out_all(numbers[at[~whole]], errnos[at[~whole]])
            at, begun, ended = at[whole], begun[whole], ended[whole]
        self._measure(numbers[at], (ended - begun).astype(np.int64))
        self._edges(
            (times, threads, numbers, errnos, ends), np.flatnonzero(first), np.flatnonzero(last), gaps
        )

    def _edges(
        self,
        rows: _Rows,
        firsts: Array,
        lasts: Array,
        gaps: List[int],
    ) -> None:
        """Join the rows of each thread to what is known of it from before."""
        times, threads, numbers, errnos, ends = rows
        edges: List[Tuple[int, int, int, int]] = []
        for start, stop in zip(firsts.tolist(), lasts.tolist()):
            thread = int(threads[start])
            begun = self.under_way.pop(thread, None)
            if ends[start]:
                number = int(numbers[start])
                if begun is None or begun[1] != number:
                    self.begin_unseen += 1
                    self.end_unseen += begun is not None
                    self._leave_out(number, int(errnos[start]))
                else:
                    edges.append((begun[0], int(times[start]), number, int(errnos[start])))
            elif begun is not None:
                self.end_unseen += 1
            if not ends[stop]:
                self.under_way[thread] = (int(times[stop]), int(numbers[stop]))
        if edges:
            begun_ns = np.array([each[0] for each in edges], np.uint64)
            ended_ns = np.array([each[1] for each in edges], np.uint64)
            whole = np.ones(len(edges), bool)
            if gaps:
                places = np.array(gaps, np.uint64)
                whole = np.searchsorted(places, begun_ns, "right") == np.searchsorted(
                    places, ended_ns, "right"
                )
                self.dropped += int(np.count_nonzero(~whole))
                for place in np.flatnonzero(~whole).tolist():
                    self._leave_out(*edges[place][2:])
            which = np.array([each[2] for each in edges], np.int64)
            self._measure(which[whole], (ended_ns - begun_ns)[whole].astype(np.int64))

    def _leave_out_all(self, numbers: Array, errnos: Array) -> None:
        for place in np.flatnonzero(errnos).tolist():
            self._leave_out(int(numbers[place]), int(errnos[place]))

    def _count(self, numbers: Array, errnos: Array) -> None:
        if len(numbers) and int(numbers.max()) >= _SHORT:
            found, times = np.unique(numbers, return_counts=True)
            pairs_of = zip(found.tolist(), times.tolist())
        else:
            counts = np.bincount(numbers)
            found = np.flatnonzero(counts)
            pairs_of = zip(found.tolist(), counts[found].tolist())
        for number, count in pairs_of:
            self.sums.setdefault(number, SyscallSum()).calls += count
        wrong = np.flatnonzero(errnos)
        if wrong.size:
            pairs, times = np.unique(
                numbers[wrong].astype(np.int64) << 16 | errnos[wrong], return_counts=True
            )
            for pair, count in zip(pairs.tolist(), times.tolist()):
                errors = self.sums[pair >> 16].errors
                errors[pair & 0xFFFF] = errors.get(pair & 0xFFFF, 0) + count

    def _measure(self, numbers: Array, lengths_ns: Array) -> None:
        """Add times to the sums of their numbers."""
        if not len(numbers):
            return
        short = numbers.astype(np.uint16) if int(numbers.max()) < _SHORT else numbers
        order = np.argsort(short, kind="stable")
        numbers, lengths_ns = numbers[order], lengths_ns[order]
        starts = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1]))
        totals = np.add.reduceat(lengths_ns, starts)
        least, most = np.minimum.reduceat(lengths_ns, starts), np.maximum.reduceat(lengths_ns, starts)
        buckets = _buckets(lengths_ns)
        stops = np.append(starts[1:], len(numbers))
        for place, (start, stop) in enumerate(zip(starts.tolist(), stops.tolist())):
            found = self.sums[int(numbers[start])]
            found.min_ns = int(least[place]) if not found.timed else min(found.min_ns, int(least[place]))
            found.max_ns = max(found.max_ns, int(most[place]))
            found.timed += stop - start
            found.total_ns += int(totals[place])
            _add_counts(found.buckets, np.bincount(buckets[start:stop]))


def _add_counts(buckets: Dict[int, int], counts: Array) -> None:
    for bucket in np.flatnonzero(counts).tolist():
        buckets[bucket] = buckets.get(bucket, 0) + int(counts[bucket])


def _buckets(times_ns: Array) -> Array:
    """Return what :func:`kdiag.ftrace.syscall_sums.bucket_of` does, for many (exact up to 2**53)."""
    part, bits = np.frexp(times_ns.astype(np.float64))
    # 0 has no bits, and a part of 0 where all others have a half at least.
    return (bits.astype(np.int64) << 4) + np.maximum(((part * 2 - 1) * 16), 0).astype(np.int64)


def _kept_apart(ready: List[_Rows]) -> List[_Rows]:
    """Return rows by CPU, and in one more part, in order, those of threads that were on several CPUs."""
    if len(ready) < 2:
        return ready
    seen = [np.unique(rows[1]) for rows in ready]
    threads, counts = np.unique(np.concatenate(seen), return_counts=True)
    wanderers = threads[counts > 1]
    if not wanderers.size:
        return ready
    parts: List[_Rows] = []
    moved: List[_Rows] = []
    for rows in ready:
        among = np.isin(rows[1], wanderers)
        parts.append(tuple(column[~among] for column in rows))
        moved.append(tuple(column[among] for column in rows))
    together: List[Array] = [np.concatenate(column) for column in zip(*moved)]
    order = np.argsort(together[0], kind="stable")
    times, threads, numbers, errnos, ends = (column[order] for column in together)
    parts.append((times, threads, numbers, errnos, ends))
    return parts


def _words(data: bytes, layout: PageLayout) -> Array:
    return np.frombuffer(data, ">u4" if layout.big_endian else "<u4", len(data) // 4)
