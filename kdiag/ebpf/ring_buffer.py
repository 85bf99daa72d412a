"""Events from programs: the ring buffer (5.8 and later), and the perf buffer of older kernels.

Both are read through shared memory: the kernel moves one position on, kdiag the other. A record becomes
visible by its header; on machines that reorder memory accesses the header is read again after the position
(ctypes and mmap give no barriers; taking the interpreter's lock is one in practice).

Loss. Neither tells by itself at the end: a program that finds the ring buffer full counts it in a map, and so
does one whose perf_event_output fails; the perf buffer's own records of loss come only with the next event.
"""

import errno
import fcntl
import mmap
import os
import select
import struct
from contextlib import suppress
from typing import Iterator, List, Sequence, Tuple

from kdiag.ebpf.maps import Map
from kdiag.ebpf.syscall import PERF_IOC_ENABLE, BpfError, perf_event_open

__all__ = ["PerfBuffer", "RingBuffer"]

_BUSY, _DISCARDED = 1 << 31, 1 << 30
_HEADER_BYTES = 8
_SOFTWARE, _BPF_OUTPUT, _SAMPLE_RAW = 1, 10, 0x400
_SAMPLE, _LOST = 9, 2
_HEAD_AT, _TAIL_AT = 1024, 1032


class RingBuffer:
    """Reads the records of a map of kind ``ringbuf`` in the order in which they were made."""

    def __init__(self, map: Map) -> None:
        self.lost = 0
        self._size = map.spec.max_entries
        page = mmap.PAGESIZE
        self._consumer = mmap.mmap(map.descriptor, page)
        try:
            # The data follow the producer's page twice in a row, so that no record is ever in two parts.
            self._producer = mmap.mmap(
                map.descriptor, page + 2 * self._size, prot=mmap.PROT_READ, offset=page
            )
        except OSError:
            self._consumer.close()
            raise
        self._poll = select.poll()
        self._poll.register(map.descriptor, select.POLLIN)

    def read(self, timeout_s: float) -> Iterator[bytes]:
        """Wait for records, at most so long, and yield those that are there."""
        if timeout_s > 0 and not self._waiting():
            self._poll.poll(timeout_s * 1000)
        position = struct.unpack_from("=Q", self._consumer)[0]
        mask, page = self._size - 1, mmap.PAGESIZE
        end = struct.unpack_from("=Q", self._producer)[0]
        try:
            while position < end:
                at = page + (position & mask)
                length = struct.unpack_from("=I", self._producer, at)[0]
                if length & _BUSY:
                    return
                discarded, length = length & _DISCARDED, length & ~(_BUSY | _DISCARDED)
                data = b"" if discarded else self._producer[at + _HEADER_BYTES : at + _HEADER_BYTES + length]
                position += -(-(_HEADER_BYTES + length) // 8) * 8
                struct.pack_into("=Q", self._consumer, 0, position)
                if not discarded:
                    yield data
        finally:
            struct.pack_into("=Q", self._consumer, 0, position)

    def close(self) -> None:
        """Give the memory back."""
        self._producer.close()
        self._consumer.close()

    def _waiting(self) -> bool:
        return bool(struct.unpack_from("=Q", self._consumer)[0] < struct.unpack_from("=Q", self._producer)[0])


class PerfBuffer:
    """Reads the records that programs put into a map of kind ``perf_event_array``, CPU by CPU.

    Between CPUs they are in no order: records carry their own time. ``lost`` is what the kernel told so far.
    """

    def __init__(self, map: Map, cpus: Sequence[int], pages: int = 64) -> None:
        self.lost = 0
        self._rings: List[Tuple[int, mmap.mmap]] = []
        self._size = pages * mmap.PAGESIZE
        self._poll = select.poll()
        try:
            for cpu in cpus:
                try:
                    event = perf_event_open(
                        _SOFTWARE,
                        _BPF_OUTPUT,
                        step=f"opening the perf buffer of CPU {cpu}",
                        cpu=cpu,
                        period_or_hz=1,
                        sample_type=_SAMPLE_RAW,
                        wakeup_events=1,
                    )
                except BpfError as error:
                    if error.errno == errno.ENODEV:
                        continue  # it is possible, and not there
                    raise
                try:
                    ring = mmap.mmap(event, self._size + mmap.PAGESIZE)
                except OSError as error:
                    os.close(event)
                    raise BpfError(error.errno or 0, f"mapping the perf buffer of CPU {cpu}") from None
                self._rings.append((event, ring))
                map.update(struct.pack("=I", cpu), struct.pack("=I", event))
                fcntl.ioctl(event, PERF_IOC_ENABLE, 0)
                self._poll.register(event, select.POLLIN)
        except BaseException:
            self.close()
            raise

    def read(self, timeout_s: float) -> Iterator[bytes]:
        """Wait for records, at most so long, and yield those that are there; padding may follow each."""
        if timeout_s > 0:
            self._poll.poll(timeout_s * 1000)
        for _, ring in self._rings:
            yield from self._read(ring)

    def close(self) -> None:
        """Close the events and give the memory back."""
        for event, ring in self._rings:
            with suppress(BufferError):
                ring.close()
            os.close(event)
        self._rings = []

    def _read(self, ring: mmap.mmap) -> Iterator[bytes]:
        head, tail = struct.unpack_from("=QQ", ring, _HEAD_AT)
        while tail < head:
            kind, _, size = struct.unpack("=IHH", self._copy(ring, tail, 8))
            if kind == _SAMPLE:
                raw = struct.unpack("=I", self._copy(ring, tail + 8, 4))[0]
                data = self._copy(ring, tail + 12, raw)
                tail = self._done(ring, tail + size)
                yield data
                continue
            if kind == _LOST:
                self.lost += struct.unpack("=Q", self._copy(ring, tail + 16, 8))[0]
            tail = self._done(ring, tail + size)

    def _done(self, ring: mmap.mmap, tail: int) -> int:
        struct.pack_into("=Q", ring, _TAIL_AT, tail)
        return tail

    def _copy(self, ring: mmap.mmap, position: int, size: int) -> bytes:
        """Return bytes that may go round the end."""
        at = position % self._size
        first = min(size, self._size - at)
        start = mmap.PAGESIZE + at
        return ring[start : start + first] + ring[mmap.PAGESIZE : mmap.PAGESIZE + size - first]
