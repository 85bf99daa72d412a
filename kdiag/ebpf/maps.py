"""BPF maps: made, read, written and closed through their descriptors, whoever made them.

A per-CPU map has a value for each *possible* CPU, rounded up to 8 bytes each; a buffer for the online ones
would be overrun by the kernel. Walking a hash while it changes may miss or repeat entries: stop first, or
take each entry out (:meth:`Map.take`), so that none is counted twice.
"""

import ctypes
import errno
import os
import struct
from typing import Iterator, List, Mapping, Optional, Tuple

from kdiag.ebpf.syscall import BpfError, bpf
from kdiag.records import NamedTuple

__all__ = ["KINDS", "Map", "MapSpec", "create_map"]

#: ``enum bpf_map_type`` by the names that bpftool uses.
KINDS: Mapping[str, int] = {
    "hash": 1,
    "array": 2,
    "perf_event_array": 4,
    "percpu_hash": 5,
    "percpu_array": 6,
    "stack_trace": 7,
    "lru_hash": 9,
    "lru_percpu_hash": 10,
    "ringbuf": 27,
}
_PER_CPU = ("percpu_hash", "percpu_array", "lru_percpu_hash")
_ARRAYS = ("array", "percpu_array")
_MAP_CREATE, _LOOKUP, _UPDATE, _DELETE, _NEXT_KEY = 0, 1, 2, 3, 4
_NAME_BYTES = 15


class MapSpec(NamedTuple):
    """What a map is to be: a key of :data:`KINDS`, sizes, and how many entries.

    For ``ringbuf``, ``max_entries`` is its size in bytes: a power of two, whole pages; no key, no value.
    """

    name: str
    kind: str
    key_bytes: int
    value_bytes: int
    max_entries: int


class Map:
    """A map by its descriptor, which :meth:`close` closes. Raises :exc:`~kdiag.ebpf.syscall.BpfError`."""

    def __init__(self, spec: MapSpec, descriptor: int, possible_cpus: int) -> None:
        self.spec = spec
        self.descriptor = descriptor
        self._slot_bytes = spec.value_bytes
        self._slots = 1
        if spec.kind in _PER_CPU:
            self._slot_bytes = -(-spec.value_bytes // 8) * 8
            self._slots = possible_cpus
        self._key = ctypes.create_string_buffer(max(spec.key_bytes, 1))
        self._next = ctypes.create_string_buffer(max(spec.key_bytes, 1))
        self._value = ctypes.create_string_buffer(max(self._slot_bytes * self._slots, 1))
        self._element = struct.pack(
            "=IIQQQ", descriptor, 0, ctypes.addressof(self._key), ctypes.addressof(self._value), 0
        )

    def lookup(self, key: bytes) -> Optional[List[bytes]]:
        """Return the value (of a per-CPU map: one for each possible CPU), ``None`` where there is none."""
        self._set_key(key)
        try:
            bpf(_LOOKUP, self._element, f"reading the map {self.spec.name}")
        except BpfError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return self._values()

    def update(self, key: bytes, value: bytes) -> None:
        """Set a value, in each CPU's slot of a per-CPU map."""
        self._set_key(key)
        self._value.raw = value.ljust(self._slot_bytes, b"\0") * self._slots
        bpf(_UPDATE, self._element, f"writing to the map {self.spec.name}")

    def delete(self, key: bytes) -> bool:
        """Remove an entry; ``False`` if there was none."""
        self._set_key(key)
        try:
            bpf(_DELETE, self._element, f"removing from the map {self.spec.name}")
        except BpfError as error:
            if error.errno == errno.ENOENT:
                return False
            raise
        return True

    def keys(self) -> Iterator[bytes]:
        """Yield the keys; a key that is removed while this runs makes the walk begin anew."""
        if self.spec.kind in _ARRAYS:  # all are there: the kernel need not be asked
            yield from (struct.pack("=I", index) for index in range(self.spec.max_entries))
            return
        key_at, next_at = ctypes.addressof(self._key), ctypes.addressof(self._next)
        key: Optional[bytes] = None
        while True:
            if key is not None:
                self._set_key(key)
            attr = struct.pack("=IIQQ", self.descriptor, 0, key_at if key is not None else 0, next_at)
            try:
                bpf(_NEXT_KEY, attr, f"walking the map {self.spec.name}")
            except BpfError as error:
                if error.errno == errno.ENOENT:
                    return
                raise
            key = self._next.raw[: self.spec.key_bytes]
            yield key

    def items(self) -> Iterator[Tuple[bytes, List[bytes]]]:
        """Yield (key, values) of all entries; what vanishes meanwhile is left out."""
        for key in list(self.keys()):
            values = self.lookup(key)
            if values is not None:
                yield key, values

    def take(self) -> List[Tuple[bytes, List[bytes]]]:
        """Return all entries and remove them (of an array: set them to 0).

        What a program adds between the reading and the removing of one entry is lost; that is a microsecond.
        """
        taken = []
        for key, values in list(self.items()):
            if self.spec.kind in _ARRAYS:
                self.update(key, bytes(self.spec.value_bytes))
            else:
                self.delete(key)
            taken.append((key, values))
        return taken

    def sums(self) -> List[int]:
        """Return, for an array of u64, each entry's sum over the CPUs, by index."""
        return [sum(struct.unpack("=Q", each)[0] for each in values) for _, values in self.items()]

    def close(self) -> None:
        """Close the descriptor; the kernel frees the map when no program uses it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _set_key(self, key: bytes) -> None:
        if len(key) != self.spec.key_bytes:
            raise ValueError(f"a key of {self.spec.name} has {self.spec.key_bytes} bytes, not {len(key)}")
        self._key.raw = key.ljust(len(self._key), b"\0")

    def _values(self) -> List[bytes]:
        raw, size = self._value.raw, self._slot_bytes
        return [raw[at * size : at * size + self.spec.value_bytes] for at in range(self._slots)]


def create_map(spec: MapSpec, possible_cpus: int) -> Map:
    """Make a map; raises :exc:`~kdiag.ebpf.syscall.BpfError`."""
    attr = struct.pack(
        "=IIIIIIi16s",
        KINDS[spec.kind],
        spec.key_bytes,
        spec.value_bytes,
        spec.max_entries,
        0,
        0,
        0,
        spec.name.encode("ascii")[:_NAME_BYTES],
    )
    attr = attr.ljust(72, b"\0")
    descriptor = bpf(_MAP_CREATE, attr, f"making the map {spec.name} ({spec.kind})")
    return Map(spec, descriptor, possible_cpus)
