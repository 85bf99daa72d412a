"""Records of the ring buffer as events: fields by name, with the stack that the kernel recorded after them.

A record's own data begin with the fields that all have (id of the format, context flags, preempt count, pid),
the rest is as :mod:`kdiag.ftrace.event_format` says. With ``options/stacktrace`` (or the trigger) the kernel
writes a ``kernel_stack`` record right after each event, in the same context; an interrupt may get its own
events, with their stacks, in between.

What cannot be read is ``None``: a string that the kernel found no memory for (``(fault)`` in the text), or
one that would lie outside of its record.
"""

import struct
from collections.abc import Mapping
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

from kdiag.ftrace.event_format import EventFormat, Field, is_text
from kdiag.records import NamedTuple

__all__ = ["Event", "Fields", "Lost", "RecordReader", "Value"]

#: Text, numbers, bytes of what is neither, or ``None`` where it cannot be read.
Value = Union[int, str, bytes, Tuple[int, ...], None]

_CODES = {(1, False): "B", (2, False): "H", (4, False): "I", (8, False): "Q"}
_CODES.update({(size, True): code.lower() for (size, _), code in list(_CODES.items())})


class RecordReader:
    """Reads the fields of one event's records."""

    def __init__(self, event: EventFormat, big_endian: bool) -> None:
        self.event = event
        self.least_bytes = event.least_bytes
        self._order = ">" if big_endian else "<"
        self._names: List[str] = []
        self._parts: List[Tuple[str, int, int]] = []
        self._texts: List[Tuple[str, int]] = []
        self._others: List[Tuple[str, Callable[[bytes], Value]]] = []
        self._unpack = self._plan().unpack_from
        self.names = tuple(each.name for each in event.fields)

    def _plan(self) -> struct.Struct:
        """Put all that has a fixed place of its own into one struct; the others get a function each."""
        at, code = 0, self._order
        places: List[Tuple[Field, int, int]] = []
        count = 0
        for field in sorted(self.event.fields, key=lambda each: each.offset_bytes):
            one = self._code(field) if field.offset_bytes >= at else None
            if one is None:
                self._others.append((field.name, self._other(field)))
                continue
            code += "x" * (field.offset_bytes - at) + one
            size = (field.length or 1) if field.kind == "array" else 1
            places.append((field, count, count + size))
            count += size
            at = field.offset_bytes + field.size_bytes
        for field, start, stop in places:
            # One name a value; what is put together of several, or decoded, is set right afterwards.
            self._names += [field.name] * (stop - start)
            if field.kind == "array":
                self._parts.append((field.name, start, stop))
            elif field.kind == "string":
                self._texts.append((field.name, start))
        return struct.Struct(code)

    @staticmethod
    def _code(field: Field) -> Optional[str]:
        """Return what struct calls a field; ``None`` where it has no word for it."""
        if field.kind == "integer":
            return _CODES[field.size_bytes, field.signed]
        if field.kind == "array" and field.element_bytes > 1:
            return f"{field.length}{_CODES[field.element_bytes, field.signed]}"
        return f"{field.size_bytes}s" if field.kind == "string" else None

    def read(self, record: bytes) -> Dict[str, Value]:
        """Return all fields of a record that is at least :attr:`least_bytes` long."""
        values = self._unpack(record)
        found: Dict[str, Value] = dict(zip(self._names, values))
        for name, start, stop in self._parts:
            found[name] = values[start:stop]
        for name, start in self._texts:
            found[name] = _text(values[start])
        for name, read in self._others:
            found[name] = read(record)
        return found

    def _other(self, field: Field) -> Callable[[bytes], Value]:
        at, size = field.offset_bytes, field.size_bytes
        if field.kind in ("dynamic", "relative"):
            location = struct.Struct(self._order + "I")
            base = at + size if field.kind == "relative" else 0
            content = self._content(field)

            def located(record: bytes) -> Value:
                (where,) = location.unpack_from(record, at)
                begin, length = base + (where & 0xFFFF), where >> 16
                return content(record[begin : begin + length]) if 0 < length <= len(record) - begin else None

            return located
        content = self._content(field)
        if field.kind == "rest":
            return lambda record: content(record[at:])
        return lambda record: content(record[at : at + size])

    def _content(self, field: Field) -> Callable[[bytes], Value]:
        if field.kind == "string" or (field.kind != "opaque" and is_text(field.type)):
            return _text
        width = field.element_bytes
        if field.kind == "integer":
            number = struct.Struct(self._order + _CODES[field.size_bytes, field.signed])
            return lambda data: number.unpack(data)[0]
        if field.kind == "opaque" or width == 1:
            return bytes
        code, order = _CODES[width, field.signed], self._order

        def numbers(data: bytes) -> Value:
            count = len(data) // width
            return struct.unpack_from(f"{order}{count}{code}", data)

        return numbers


def _text(data: bytes) -> str:
    return data.partition(b"\0")[0].decode("utf-8", "surrogateescape")


class Fields(Mapping):  # type: ignore[type-arg]
    """The fields of one event by name, in the kernel's order; they are decoded when one is first asked
    for."""

    __slots__ = ("_reader", "_values", "record")

    def __init__(self, reader: RecordReader, record: bytes) -> None:
        self._reader = reader
        self.record = record
        self._values: Optional[Dict[str, Value]] = None

    def _all(self) -> Dict[str, Value]:
        if self._values is None:
            self._values = self._reader.read(self.record)
        return self._values

    def __getitem__(self, name: str) -> Any:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._reader.names)

    def __len__(self) -> int:
        return len(self._reader.names)

    def __repr__(self) -> str:
        return repr(dict(self))


class Event(NamedTuple):
    """One event. ``name`` is ``system:event``, ``pid`` the thread that was running (a TID, to user space).

    ``stack`` holds the addresses of the kernel functions that were active, innermost first, ``user_stack``
    those of the program; ``None`` where none was recorded. ``flags`` and ``preempt_count`` are as in the
    record (TRACE_FLAG_* of include/linux/trace_events.h).
    """

    ts_ns: int
    cpu: int
    pid: int
    name: str
    fields: Mapping  # type: ignore[type-arg]
    stack: Optional[Tuple[int, ...]] = None
    user_stack: Optional[Tuple[int, ...]] = None
    flags: int = 0
    preempt_count: int = 0


class Lost(NamedTuple):
    """Events of a CPU are missing before ``ts_ns``: ``events`` of them, ``None`` where that is not known.

    ``why`` is empty where the kernel dropped them (the buffer was full), else what could not be read.
    """

    ts_ns: int
    cpu: int
    events: Optional[int]
    why: str = ""
