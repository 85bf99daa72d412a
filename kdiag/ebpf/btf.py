"""Types of the running kernel from its BTF: where a field stands, and the ids of functions and events.

Read from ``/sys/kernel/btf/vmlinux`` (5 MB; since 5.5 with CONFIG_DEBUG_INFO_BTF), which every user can read
in every lockdown mode. Format: ``Documentation/bpf/btf.rst``. A type is looked up by walking the records once
and comparing numbers (10 ms), and not by an index of all of them (70 ms).

Traps. Offsets differ between builds of one version: never keep them. A field may stand in an unnamed struct
or union inside (``file.f_path``). Fields come, go and change width (``task_struct.state`` became ``__state``
in 5.14): ask for alternatives. A kind of record that is not known here makes the rest unreadable.
"""

import struct
from typing import Dict, Iterator, List, Mapping, Optional, Tuple

from kdiag.host.base import Host, ReadError
from kdiag.records import NamedTuple

__all__ = ["Btf", "Field", "NoBtf", "read_btf"]

_PATH = "/sys/kernel/btf/vmlinux"
_MAGIC = 0xEB9F
_INT, _PTR, _ARRAY, _STRUCT, _UNION, _ENUM, _FWD, _TYPEDEF = 1, 2, 3, 4, 5, 6, 7, 8
_QUALIFIERS = (9, 10, 11, 18)  # volatile, const, restrict, type_tag
_FUNC, _FUNC_PROTO = 12, 13
_ENUM64 = 19
#: Kind -> bytes after the record of 12: (fixed, for each of vlen).
_TAILS: Mapping[int, Tuple[int, int]] = {
    _INT: (4, 0),
    _PTR: (0, 0),
    _ARRAY: (12, 0),
    _STRUCT: (0, 12),
    _UNION: (0, 12),
    _ENUM: (0, 8),
    _FWD: (0, 0),
    _TYPEDEF: (0, 0),
    9: (0, 0),
    10: (0, 0),
    11: (0, 0),
    _FUNC: (0, 0),
    _FUNC_PROTO: (0, 8),
    14: (4, 0),  # var
    15: (0, 12),  # datasec
    16: (0, 0),  # float
    17: (4, 0),  # decl_tag
    18: (0, 0),
    _ENUM64: (0, 12),
}


class NoBtf(Exception):
    """The kernel shows no BTF, it cannot be read, or it does not have what is looked for."""


class Field(NamedTuple):
    """Where a field stands in its struct, and how wide it is; ``bits`` is not 0 for a bit field.

    ``offset_bytes`` of a bit field is that of its first byte, ``shift`` the bits below it there.
    """

    offset_bytes: int
    size_bytes: int
    bits: int = 0
    shift: int = 0


class Btf:
    """The types of one kernel. Raises :exc:`NoBtf` for bytes that are none."""

    def __init__(self, data: bytes) -> None:
        if len(data) < 24 or struct.unpack_from("=H", data)[0] != _MAGIC:
            raise NoBtf(f"{_PATH}: not BTF of this machine's byte order")
        header, types_at, types_bytes, strings_at, strings_bytes = struct.unpack_from("=IIIII", data, 4)
        self._types = data[header + types_at : header + types_at + types_bytes]
        # Every name begins after a NUL, the first one included.
        self._strings = data[header + strings_at : header + strings_at + strings_bytes]
        self._offsets: List[int] = []
        self._found: Dict[Tuple[str, int], int] = {}

    def func_id(self, name: str) -> int:
        """Return the id of a function, for fentry and fexit."""
        return self._id(name, _FUNC)

    def has_func(self, name: str) -> bool:
        """Tell whether there is a function of this name that programs can be attached to."""
        try:
            self._id(name, _FUNC)
        except NoBtf:
            return False
        return True

    def tracepoint_id(self, event: str) -> int:
        """Return the id that a tp_btf program of this event is attached by."""
        return self._id(f"btf_trace_{event}", _TYPEDEF)

    def tracepoint_arguments(self, event: str) -> Tuple[str, ...]:
        """Return the types that a tracepoint's arguments have, or point to, in their order.

        They vary by kernel: ``block_rq_issue`` had a ``request_queue`` before its ``request`` until 5.11.
        """
        pointer = self._target(self._at(self.tracepoint_id(event)))
        at = self._at(self._target(self._at(pointer)))
        _, info, _ = struct.unpack_from("=III", self._types, at)
        if info >> 24 & 0x1F != _FUNC_PROTO:
            raise NoBtf(f"this kernel's BTF has no prototype of the event {event}")
        places = range(at + 12, at + 12 + 8 * (info & 0xFFFF), 8)
        types = [struct.unpack_from("=II", self._types, place)[1] for place in places]
        # The first one is what the event was registered with: programs do not see it.
        return tuple(self._type_name(each) for each in types[1:])

    def field(self, struct_name: str, *names: str) -> Field:
        """Return the first field of these names that the struct has (``a.b`` goes into struct members)."""
        for kind in (_STRUCT, _UNION):
            try:
                found = self._id(struct_name, kind)
                break
            except NoBtf:
                continue
        else:
            raise NoBtf(f"this kernel has no struct {struct_name}")
        for name in names:
            field = self._path(found, name.split("."))
            if field is not None:
                return field
        raise NoBtf(f"this kernel's struct {struct_name} has no {' or '.join(names)}")

    def offset(self, struct_name: str, *names: str) -> int:
        """Return the offset in bytes of the first of these fields that there is."""
        return self.field(struct_name, *names).offset_bytes

    def enum_value(self, name: str) -> Optional[int]:
        """Return the value of an enumerator, ``None`` where there is none of this name."""
        name_off = self._name_offset(name)
        if name_off is None:
            return None
        for at, kind, vlen in self._walk():
            if kind in (_ENUM, _ENUM64):
                step = _TAILS[kind][1]
                for member in range(at + 12, at + 12 + step * vlen, step):
                    if struct.unpack_from("=I", self._types, member)[0] == name_off:
                        value: int = struct.unpack_from("=i", self._types, member + 4)[0]
                        return value
        return None

    def _path(self, type_id: int, names: List[str]) -> Optional[Field]:
        found = self._member(type_id, names[0])
        if found is None:
            return None
        field, member_type = found
        if len(names) == 1:
            return field
        inner = self._path(self._plain(member_type), names[1:])
        if inner is None:
            return None
        return inner._replace(offset_bytes=inner.offset_bytes + field.offset_bytes)

    def _member(self, type_id: int, name: str) -> Optional[Tuple[Field, int]]:
        """Return a member, looked for in unnamed structs and unions inside, too."""
        name_off = self._name_offset(name)
        if name_off is None:
            return None
        at = self._at(type_id)
        _, info, _ = struct.unpack_from("=III", self._types, at)
        kind, vlen, flagged = info >> 24 & 0x1F, info & 0xFFFF, info >> 31
        if kind not in (_STRUCT, _UNION):
            return None
        unnamed: List[Tuple[int, int]] = []
        for member in range(at + 12, at + 12 + 12 * vlen, 12):
            each, member_type, where = struct.unpack_from("=III", self._types, member)
            bit, width = (where & 0xFFFFFF, where >> 24) if flagged else (where, 0)
            if each == name_off:
                return Field(bit // 8, self._size(member_type), width, bit % 8 if width else 0), member_type
            if each == 0:
                unnamed.append((bit // 8, member_type))
        for offset, member_type in unnamed:
            found = self._member(self._plain(member_type), name)
            if found is not None:
                field, inner = found
                return field._replace(offset_bytes=field.offset_bytes + offset), inner
        return None

    def _plain(self, type_id: int) -> int:
        """Return the type behind typedefs and qualifiers."""
        while True:
            _, info, target = struct.unpack_from("=III", self._types, self._at(type_id))
            if info >> 24 & 0x1F not in (_TYPEDEF, *_QUALIFIERS):
                return type_id
            type_id = target

    def _type_name(self, type_id: int) -> str:
        """Return the name of a type behind qualifiers and pointers; empty for one that has none."""
        while type_id:
            at = self._at(type_id)
            name_off, info, target = struct.unpack_from("=III", self._types, at)
            if info >> 24 & 0x1F not in (_PTR, *_QUALIFIERS):
                return self._strings[name_off : self._strings.index(b"\0", name_off)].decode("ascii")
            type_id = target
        return "void"

    def _target(self, at: int) -> int:
        """Return the type that a record names as its own."""
        return int(struct.unpack_from("=I", self._types, at + 8)[0])

    def _size(self, type_id: int) -> int:
        at = self._at(self._plain(type_id))
        _, info, size = struct.unpack_from("=III", self._types, at)
        kind = info >> 24 & 0x1F
        if kind == _PTR:
            return struct.calcsize("P")
        if kind == _ARRAY:
            element, _, count = struct.unpack_from("=III", self._types, at + 12)
            return self._size(element) * int(count)
        return int(size) if kind in (_INT, _STRUCT, _UNION, _ENUM, _ENUM64) else 0

    def _id(self, name: str, wanted: int) -> int:
        known = self._found.get((name, wanted))
        if known is not None:
            return known
        name_off = self._name_offset(name)
        if name_off is not None:
            for number, (at, kind, vlen) in enumerate(self._walk(), 1):
                if kind == wanted and struct.unpack_from("=I", self._types, at)[0] == name_off:
                    # A declaration without members is no definition.
                    if kind in (_STRUCT, _UNION) and not vlen:
                        continue
                    self._found[name, wanted] = number
                    return number
        what = {_FUNC: "function", _TYPEDEF: "type"}.get(wanted, "struct")
        raise NoBtf(f"this kernel's BTF has no {what} {name}")

    def _name_offset(self, name: str) -> Optional[int]:
        at = self._strings.find(b"\0" + name.encode("ascii") + b"\0")
        return None if at < 0 else at + 1

    def _at(self, type_id: int) -> int:
        """Return where a type's record begins; all offsets are kept from the first time on."""
        if not self._offsets:
            self._offsets = [-1, *(at for at, _, _ in self._walk())]
        return self._offsets[type_id]

    def _walk(self) -> Iterator[Tuple[int, int, int]]:
        """Yield (offset, kind, vlen) of each record, in the order of the ids."""
        types, at, end = self._types, 0, len(self._types)
        info_of = struct.Struct("=I").unpack_from
        while at < end:
            info = info_of(types, at + 4)[0]
            kind, vlen = info >> 24 & 0x1F, info & 0xFFFF
            tail = _TAILS.get(kind)
            if tail is None:
                raise NoBtf(f"{_PATH}: records of kind {kind} are not known to this version of kdiag")
            yield at, kind, vlen
            at += 12 + tail[0] + tail[1] * vlen


_read: Dict[str, Btf] = {}


def read_btf(host: Host) -> Btf:
    """Return the BTF of the running kernel, read once; raises :exc:`NoBtf`."""
    if host.kind == "recorded":
        raise NoBtf("a recording has no BTF")
    if _PATH not in _read:
        try:
            _read[_PATH] = Btf(host.read(_PATH))
        except ReadError as error:
            raise NoBtf(f"{error}; a kernel built with CONFIG_DEBUG_INFO_BTF has it") from None
    return _read[_PATH]
