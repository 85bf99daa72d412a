"""Types of the running kernel from its BTF: where a field stands, and the ids of functions and events.

Read from ``/sys/kernel/btf/vmlinux`` (5 MB; since 5.5 with CONFIG_DEBUG_INFO_BTF), which every user can read
in every lockdown mode. Format: ``Documentation/bpf/btf.rst``. A type's id is how many records stand before
it, and records have no fixed length, so they are walked; only as far as what was asked for makes necessary
(events stand in the first third, all of it takes 15 ms). A name is looked for in the bytes, and what is
found counts only where a record was seen to begin.

Traps. Offsets differ between builds of one version: never keep them. A field may stand in an unnamed struct
or union inside (``file.f_path``). Fields come, go and change width (``task_struct.state`` became ``__state``
in 5.14): ask for alternatives. A kind of record that is not known here makes the rest unreadable. Two files
may each have a struct of one name (``console``): where they disagree on a field, there is no answer.
"""

import re
import struct
from bisect import bisect_left
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from kdiag.host.base import Host, ReadError
from kdiag.records import NamedTuple

__all__ = ["Btf", "Field", "NoBtf", "read_btf"]

_PATH = "/sys/kernel/btf/vmlinux"
_MAGIC = 0xEB9F
_INT, _PTR, _ARRAY, _STRUCT, _UNION, _ENUM, _FWD, _TYPEDEF = 1, 2, 3, 4, 5, 6, 7, 8
_QUALIFIERS = (9, 10, 11, 18)  # volatile, const, restrict, type_tag
_FUNC, _FUNC_PROTO, _FLOAT = 12, 13, 16
_ENUM64 = 19
_HEADER_BYTES, _RECORD_WORDS = 24, 3
#: Kind -> words of four bytes after the record's three: (fixed, for each of vlen).
_TAILS: Mapping[int, Tuple[int, int]] = {
    _INT: (1, 0),
    _PTR: (0, 0),
    _ARRAY: (3, 0),
    _STRUCT: (0, 3),
    _UNION: (0, 3),
    _ENUM: (0, 2),
    _FWD: (0, 0),
    _TYPEDEF: (0, 0),
    9: (0, 0),
    10: (0, 0),
    11: (0, 0),
    _FUNC: (0, 0),
    _FUNC_PROTO: (0, 2),
    14: (1, 0),  # var
    15: (0, 3),  # datasec
    _FLOAT: (0, 0),
    17: (1, 0),  # decl_tag
    18: (0, 0),
    _ENUM64: (0, 3),
}
#: Kinds whose third word is their size.
_SIZED = (_INT, _STRUCT, _UNION, _ENUM, _ENUM64, _FLOAT)
#: No type of C is nested as deep as that; bytes that say so are damaged.
_DEEPEST = 64


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


class _Lengths(Dict[int, int]):
    """Second word of a record -> words to the next one; worked out once for each of some 300 values."""

    def __missing__(self, info: int) -> int:
        tail = _TAILS.get(info >> 24 & 0x1F)
        if tail is None:
            raise NoBtf(
                f"{_PATH}: records of kind {info >> 24 & 0x1F} are not known to this version of kdiag"
            )
        self[info] = length = _RECORD_WORDS + tail[0] + tail[1] * (info & 0xFFFF)
        return length


class Btf:
    """The types of one kernel. Raises :exc:`NoBtf` for bytes that are none."""

    def __init__(self, data: bytes) -> None:
        if len(data) < _HEADER_BYTES or struct.unpack_from("=H", data)[0] != _MAGIC:
            raise NoBtf(f"{_PATH}: not BTF of this machine's byte order")
        header, types_at, types_bytes, strings_at, strings_bytes = struct.unpack_from("=IIIII", data, 4)
        ends = (header + types_at + types_bytes, header + strings_at + strings_bytes)
        if header < _HEADER_BYTES or types_bytes % 4 or max(ends) > len(data):
            raise _damaged("its header does not fit it")
        self._data = data
        self._types = (header + types_at, ends[0])
        self._words = memoryview(data)[header + types_at : ends[0]].cast("I")
        # Every name begins after a NUL, the first one included.
        self._strings = (header + strings_at, ends[1])
        #: The records seen so far: where each one begins, in words. The first is the type 1.
        self._starts: List[int] = []
        self._next = 0
        self._lengths = _Lengths()
        self._found: Dict[Tuple[str, int], Sequence[int]] = {}

    def func_id(self, name: str) -> int:
        """Return the id of a function, for fentry and fexit."""
        return self._one(name, _FUNC, "function")

    def has_func(self, name: str) -> bool:
        """Tell whether there is a function of this name that programs can be attached to."""
        return bool(self._ids(name, _FUNC))

    def tracepoint_id(self, event: str) -> int:
        """Return the id that a tp_btf program of this event is attached by."""
        return self._one(f"btf_trace_{event}", _TYPEDEF, "type")

    def tracepoint_arguments(self, event: str) -> Tuple[str, ...]:
        """Return the types that a tracepoint's arguments have, or point to, in their order.

        They vary by kernel: ``block_rq_issue`` had a ``request_queue`` before its ``request`` until 5.11.
        """
        pointer = self._record(self.tracepoint_id(event))[2]
        at = self._start(self._record(pointer)[2])
        kind, vlen, _ = self._kind(at)
        if kind != _FUNC_PROTO:
            raise NoBtf(f"this kernel's BTF has no prototype of the event {event}")
        types = [self._words[at + _RECORD_WORDS + 2 * each + 1] for each in range(vlen)]
        # The first one is what the event was registered with: programs do not see it.
        return tuple(self._type_name(each) for each in types[1:])

    def field(self, struct_name: str, *names: str) -> Field:
        """Return the first field of these names that the struct has (``a.b`` goes into struct members)."""
        found = [*self._ids(struct_name, _STRUCT), *self._ids(struct_name, _UNION)]
        if not found:
            raise NoBtf(f"this kernel has no struct {struct_name}")
        for name in names:
            fields = {self._path(each, name.split(".")) for each in found} - {None}
            if len(fields) > 1:
                raise NoBtf(f"this kernel has several structs {struct_name} that differ in {name}")
            for field in fields:
                if field is not None:
                    return field
        raise NoBtf(f"this kernel's struct {struct_name} has no {' or '.join(names)}")

    def offset(self, struct_name: str, *names: str) -> int:
        """Return the offset in bytes of the first of these fields that there is."""
        return self.field(struct_name, *names).offset_bytes

    def enum_value(self, name: str) -> Optional[int]:
        """Return the value of an enumerator, ``None`` where there is none of this name.

        One of 32 bits is taken to have a sign: before 6.1 nothing tells.
        """
        name_off = self._name_offset(name)
        for word in () if name_off is None else self._places(name_off):
            type_id = self._covering(word)
            at = self._start(type_id)
            kind, vlen, _ = self._kind(at)
            if kind not in (_ENUM, _ENUM64):
                continue
            number, rest = divmod(word - at - _RECORD_WORDS, _TAILS[kind][1])
            if rest == 0 and 0 <= number < vlen:
                form = "=i" if kind == _ENUM else "=q"
                value: int = struct.unpack_from(form, self._words, 4 * (word + 1))[0]
                return value
        return None

    # Members

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

    def _member(self, type_id: int, name: str, depth: int = 0) -> Optional[Tuple[Field, int]]:
        """Return a member, looked for in unnamed structs and unions inside, too."""
        name_off = self._name_offset(name)
        at = self._start(type_id)
        kind, vlen, flagged = self._kind(at)
        if name_off is None or kind not in (_STRUCT, _UNION):
            return None
        if depth > _DEEPEST:
            raise _damaged("a struct stands in itself")
        unnamed: List[Tuple[int, int]] = []
        first = at + _RECORD_WORDS
        for member in range(first, first + 3 * vlen, 3):
            each, member_type, where = self._words[member : member + 3]
            bit, width = (where & 0xFFFFFF, where >> 24) if flagged else (where, 0)
            if each == name_off:
                return Field(bit // 8, self._size(member_type), width, bit % 8 if width else 0), member_type
            if each == 0:
                unnamed.append((bit // 8, member_type))
        for offset, member_type in unnamed:
            found = self._member(self._plain(member_type), name, depth + 1)
            if found is not None:
                field, inner = found
                return field._replace(offset_bytes=field.offset_bytes + offset), inner
        return None

    # Types

    def _plain(self, type_id: int) -> int:
        """Return the type behind typedefs and qualifiers."""
        return self._behind(type_id, (_TYPEDEF, *_QUALIFIERS))

    def _behind(self, type_id: int, kinds: Sequence[int]) -> int:
        for _ in range(_DEEPEST):
            if type_id == 0:
                return 0
            _, info, target = self._record(type_id)
            if info >> 24 & 0x1F not in kinds:
                return type_id
            type_id = target
        raise _damaged("a type is made of itself")

    def _type_name(self, type_id: int) -> str:
        """Return the name of a type behind qualifiers and pointers; empty for one that has none."""
        type_id = self._behind(type_id, (_PTR, *_QUALIFIERS))
        if type_id == 0:
            return "void"
        name_off = self._record(type_id)[0]
        first, behind = self._strings
        end = self._data.find(b"\0", first + name_off, behind)
        if end < 0:
            raise _damaged("a name has no end")
        return self._data[first + name_off : end].decode("utf-8", "replace")

    def _size(self, type_id: int) -> int:
        """Return how many bytes a member of a struct takes."""
        count = 1
        for _ in range(_DEEPEST):
            type_id = self._plain(type_id)
            if type_id == 0:
                break
            at = self._start(type_id)
            kind, _, _ = self._kind(at)
            if kind == _PTR:
                return count * struct.calcsize("P")
            if kind in _SIZED:
                return count * int(self._words[at + 2])
            if kind != _ARRAY:
                break
            type_id, count = self._words[at + 3], count * self._words[at + 5]
        raise _damaged("a member of a struct has no size")

    # Records

    def _record(self, type_id: int) -> Tuple[int, int, int]:
        """Return a record's name, info, and size or type."""
        at = self._start(type_id)
        name_off, info, last = self._words[at : at + _RECORD_WORDS]
        return name_off, info, last

    def _kind(self, at: int) -> Tuple[int, int, int]:
        """Return the kind, the number of parts and the flag of the record that begins at a word."""
        info = self._words[at + 1]
        return info >> 24 & 0x1F, info & 0xFFFF, info >> 31

    def _one(self, name: str, kind: int, what: str) -> int:
        ids = self._ids(name, kind)
        if not ids:
            raise NoBtf(f"this kernel's BTF has no {what} {name}")
        if len(ids) > 1:
            raise NoBtf(f"this kernel's BTF has several of the {what} {name}")
        return ids[0]

    def _ids(self, name: str, kind: int) -> Sequence[int]:
        """Return the ids of all types of a name and kind; a declaration without members is none."""
        if (name, kind) not in self._found:
            name_off = self._name_offset(name)
            places = () if name_off is None else self._places(name_off)
            ids = [self._beginning(word, kind) for word in places]
            self._found[name, kind] = [each for each in ids if each is not None]
        return self._found[name, kind]

    def _name_offset(self, name: str) -> Optional[int]:
        at = self._data.find(b"\0" + name.encode("utf-8", "surrogateescape") + b"\0", *self._strings)
        return None if at < 0 else at + 1 - self._strings[0]

    def _places(self, name_off: int) -> Iterator[int]:
        """Yield each word that is a name's offset, or happens to have that value."""
        # Four times as fast as bytes.find, which halts at every NUL.
        search = re.compile(re.escape(struct.pack("=I", name_off))).search
        first, end = self._types
        found = search(self._data, first, end)
        while found is not None:
            at = found.start()
            if (at - first) % 4 == 0:
                yield (at - first) // 4
            found = search(self._data, at + 1, end)

    def _beginning(self, word: int, kind: int) -> Optional[int]:
        """Return the id of the record of a kind that begins at a word, ``None`` if none does."""
        # Looked at before the walk, which is what takes long.
        if word + _RECORD_WORDS > len(self._words):
            return None
        found, vlen, _ = self._kind(word)
        if found != kind or (kind in (_STRUCT, _UNION) and not vlen):
            return None
        type_id = self._covering(word)
        return type_id if self._starts[type_id - 1] == word else None

    def _covering(self, word: int) -> int:
        """Return the id of the record that a word belongs to."""
        self._walk(word, len(self._words))
        return bisect_left(self._starts, word + 1)

    def _start(self, type_id: int) -> int:
        """Return at which word a type's record begins."""
        if len(self._starts) < type_id:
            self._walk(len(self._words), type_id)
        if not 0 < type_id <= len(self._starts):
            raise _damaged(f"there is no type {type_id}")
        return self._starts[type_id - 1]

    def _walk(self, word: int, count: int) -> None:
        """See records begin, up to the one with a word, or so many of them."""
        words, lengths, starts, at, end = (
            self._words,
            self._lengths,
            self._starts,
            self._next,
            len(self._words),
        )
        append, left = starts.append, count - len(starts)
        try:
            while at <= word and at < end and left > 0:
                length = lengths[words[at + 1]]
                if at + length > end:
                    raise IndexError
                append(at)
                at += length
                left -= 1
        except IndexError:
            raise _damaged("its last record is cut off") from None
        finally:
            self._next = at


def _damaged(how: str) -> NoBtf:
    return NoBtf(f"{_PATH}: {how}")


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
