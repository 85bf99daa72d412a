r"""``events/SYSTEM/EVENT/format`` and ``events/header_page``: where the fields of a binary record lie.

Documented in Documentation/trace/events.rst, made by f_show() in kernel/trace/trace_events.c and
ring_buffer_print_page_header() in ring_buffer.c. A line is ``field:TYPE
NAME;\toffset:N;\tsize:N;\tsigned:N;``; a blank line parts the fields that all events have from the event's
own. Offsets count from the record's begin.

What a field holds is its ``kind``:

=========  ==============================================================================================
integer    1, 2, 4 or 8 bytes: numbers, pointers, enums, bool
string     ``char x[16]``: text that ends at the first NUL
array      ``T x[4]``: numbers; bytes where an element is one byte
dynamic    ``__data_loc T[] x``: a u32 that holds offset (low half) and length (high half) of the data
relative   ``__rel_loc T[] x`` (since 5.17): the same, but the offset counts from the end of the field
rest       ``T x[]``, size 0, and ``caller`` of stacks: from the offset to the end of the record
opaque     anything else (a struct): its bytes
=========  ==============================================================================================

Traps. The dimension may be an expression (``comm[TASK_COMM_LEN]`` before 5.x), so the length comes from the
size. ``kernel_stack`` says ``caller[8]``, size 64, and means as many as there are. A system call's argument
is a register of 8 bytes whatever its type says, and never marked as signed: see :func:`argument`. ``print
fmt`` is C and is not evaluated. An instance's sub-buffers can be larger than a page (since 6.8,
``buffer_subbuf_size_kb``); its own ``events/header_page`` tells.
"""

import re
import sys
from typing import Dict, List, Optional, Tuple

from kdiag.procfs.text import Problem, decode, problem, unsigned
from kdiag.records import NamedTuple

__all__ = [
    "BadFormat",
    "EventFormat",
    "Field",
    "PageLayout",
    "argument",
    "is_text",
    "parse_format",
    "parse_header_page",
]

_FIELD = re.compile(rb"\s*field:([^;]*);\s*offset:(\d{1,9});\s*size:(\d{1,9});(?:\s*signed:([01]);)?").match
_NAME = re.compile(r"(.*?)\s*(\w+)((?:\[[^\]]*\])*)$", re.DOTALL).match
_LOCATED = {"__data_loc": "dynamic", "__rel_loc": "relative"}
#: Sizes of C types that stand in arrays; ``long`` and pointers are as wide as the kernel has them.
_ELEMENT_BYTES: Dict[str, int] = {
    **dict.fromkeys("char bool u8 s8 __u8 __s8 uint8_t int8_t u_char uchar".split(), 1),
    **dict.fromkeys("short u16 s16 __u16 __s16 __le16 __be16 uint16_t int16_t ushort umode_t".split(), 2),
    **dict.fromkeys("int unsigned u32 s32 __u32 __s32 __le32 __be32 uint32_t int32_t uint pid_t".split(), 4),
    **dict.fromkeys("u64 s64 __u64 __s64 __le64 __be64 uint64_t int64_t sector_t".split(), 8),
}
_SCALAR_BYTES = (1, 2, 4, 8)
#: Fields that go on to the end of the record although their format gives them a size.
_OPEN_ENDED = {("kernel_stack", "caller")}
#: Arguments of system calls with these types are negative where bit 31 of the register is set.
_SIGNED_ARGUMENTS = frozenset("int pid_t key_t mqd_t timer_t clockid_t __s32 rwf_t".split())
_WIDE_SIGNED_ARGUMENTS = frozenset("long loff_t off_t".split())


class BadFormat(ValueError):
    """A description that cannot be used; the message says which, where, and what was expected."""


class Field(NamedTuple):
    """One field; ``length`` is the number of elements where that is fixed, ``element_bytes`` the size of
    each."""

    name: str
    type: str
    offset_bytes: int
    size_bytes: int
    signed: bool
    kind: str
    length: Optional[int]
    element_bytes: int


class EventFormat(NamedTuple):
    """An event: ``system:name``, the id that its records begin with, and its fields in the kernel's order."""

    system: str
    name: str
    id: int
    common: Tuple[Field, ...]
    fields: Tuple[Field, ...]
    problems: Tuple[Problem, ...] = ()

    @property
    def full_name(self) -> str:
        """``system:name``, as users write it."""
        return f"{self.system}:{self.name}"

    @property
    def least_bytes(self) -> int:
        """The size that a record has at least: to the end of the last field of fixed size."""
        return max((each.offset_bytes + each.size_bytes for each in _fixed(self)), default=0)

    def field(self, name: str) -> Field:
        """Return a field by its name; :exc:`BadFormat` names the event where there is none."""
        for each in (*self.fields, *self.common):
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.fields)
        raise BadFormat(f"event {self.full_name} has no field {name!r} on this kernel; it has: {known}")


class PageLayout(NamedTuple):
    """How a page (sub-buffer) of the ring buffer is laid out."""

    long_bytes: int = 8
    data_offset_bytes: int = 16
    data_bytes: int = 4080
    big_endian: bool = sys.byteorder == "big"

    @property
    def page_bytes(self) -> int:
        """What one read(2) of ``trace_pipe_raw`` returns, and must be given room for."""
        return self.data_offset_bytes + self.data_bytes


def parse_format(text: bytes, path: str, long_bytes: int = 8) -> EventFormat:
    r"""Parse an event's ``format``; its system is the folder above it in ``path``.

    ``long_bytes`` is the width of the kernel's ``long`` (:attr:`PageLayout.long_bytes`).

    >>> event = parse_format(
    ...     b"name: mark\nID: 7\nformat:\n"
    ...     b"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n"
    ...     b"\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
    ...     b"\tfield:__data_loc char[] path;\toffset:24;\tsize:4;\tsigned:0;\n\nprint fmt: \"\"\n",
    ...     "events/mine/mark/format")
    >>> event.full_name, event.id, [(each.name, each.kind, each.length) for each in event.fields]
    ('mine:mark', 7, [('comm', 'string', 16), ('path', 'dynamic', None)])
    """
    problems: List[Problem] = []
    parts: List[List[Field]] = [[], []]
    name, in_fields = "", False
    number: Optional[int] = None
    lines = text.split(b"\n")
    for count, line in enumerate(lines, 1):
        if line.startswith(b"name:") and not in_fields:
            name = decode(line[5:].strip())
        elif line.startswith(b"ID:") and not in_fields:
            number = unsigned(line[3:].strip())
        elif line.startswith(b"print fmt:"):
            break  # the rest is C, of any number of lines
        elif b"field:" in line:
            in_fields = True
            found = _parse_field(line, name, long_bytes)
            if found is None:
                problems.append(problem(path, count, line, "field:TYPE NAME; offset:N; size:N; signed:N;"))
            else:
                parts[0 if found.name.startswith("common_") else 1].append(found)
        elif line.strip() and line.strip() != b"format:" and in_fields:
            problems.append(problem(path, count, line, "a field or print fmt"))
    if not name or number is None:
        raise BadFormat(f"{path}: no name and ID of an event in it ({len(text)} bytes)")
    folders = path.split("/")
    system = folders[-3] if len(folders) >= 3 else ""
    return EventFormat(system, name, number, tuple(parts[0]), tuple(parts[1]), tuple(problems))


def parse_header_page(
    text: bytes, path: str = "events/header_page", big_endian: bool = sys.byteorder == "big"
) -> PageLayout:
    r"""Parse the layout of pages; the byte order is that of the kernel that wrote them.

    >>> parse_header_page(
    ...     b"\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
    ...     b"\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
    ...     b"\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
    ...     b"\tfield: char data;\toffset:16;\tsize:16368;\tsigned:0;\n", big_endian=False).page_bytes
    16384
    """
    found = {}
    for line in text.split(b"\n"):
        match = _FIELD(line)
        if match is not None:
            found[match[1].split()[-1:][0] if match[1].split() else b""] = (int(match[2]), int(match[3]))
    commit, data = found.get(b"commit"), found.get(b"data")
    wanted = f"{path}: a page header with timestamp, commit and data was expected"
    if commit is None or data is None or found.get(b"timestamp") != (0, 8):
        raise BadFormat(f"{wanted}; got {text[:80]!r}")
    if commit[0] != 8 or commit[1] not in (4, 8) or data[0] != 8 + commit[1] or data[1] < 16 or data[1] % 4:
        raise BadFormat(f"{wanted}; got commit {commit}, data {data} (offset, size)")
    return PageLayout(commit[1], data[0], data[1], big_endian)


def argument(field: Field, value: int) -> int:
    """Return a system call's argument as its C type has it: the record holds a whole register, unsigned.

    >>> dfd = Field("dfd", "int", 16, 8, False, "integer", None, 8)
    >>> argument(dfd, 0xffffff9c), argument(dfd, 0xffffffffffffff9c), argument(dfd._replace(type="size_t"), 5)
    (-100, -100, 5)
    """
    base = field.type.replace("const ", "").strip()
    if base in _SIGNED_ARGUMENTS:
        return ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000
    bits = 8 * field.size_bytes
    if base in _WIDE_SIGNED_ARGUMENTS and bits:
        return ((value & ((1 << bits) - 1)) ^ (1 << (bits - 1))) - (1 << (bits - 1))
    if base in ("unsigned int", "unsigned", "u32", "__u32", "uid_t", "gid_t", "umode_t", "qid_t"):
        return value & 0xFFFFFFFF
    return value


def _fixed(event: EventFormat) -> List[Field]:
    return [each for each in (*event.common, *event.fields) if each.kind != "rest"]


def _parse_field(line: bytes, event: str, long_bytes: int) -> Optional[Field]:
    match = _FIELD(line)
    declared = None if match is None else _NAME(decode(match[1].strip()))
    if match is None or declared is None:
        return None
    base, name, dimensions = declared[1], declared[2], declared[3]
    offset, size, signed = int(match[2]), int(match[3]), match[4] == b"1"
    words = base.split()
    shown = base + dimensions
    if words and words[0] in _LOCATED:
        width = _element_bytes(" ".join(words[1:]).replace("[]", ""), long_bytes)
        return Field(name, shown, offset, size, signed, _LOCATED[words[0]], None, width)
    if not size or (event, name) in _OPEN_ENDED:
        return Field(name, shown, offset, size, signed, "rest", None, _element_bytes(base, long_bytes))
    if dimensions:
        width = _width_of(dimensions, base, size, long_bytes)
        if not width:
            return Field(name, shown, offset, size, signed, "opaque", None, 1)
        kind = "string" if is_text(shown) else "array"
        return Field(name, shown, offset, size, signed, kind, size // width, width)
    kind = "integer" if size in _SCALAR_BYTES else "opaque"
    return Field(name, base, offset, size, signed, kind, None, size)


def is_text(c_type: str) -> bool:
    """Tell whether an array of this type is text: of ``char``, not of ``unsigned char`` or ``u8``.

    >>> is_text("__data_loc char[]"), is_text("char[16]"), is_text("unsigned char[6]"), is_text("u8[4]")
    (True, True, False, False)
    """
    words = c_type.partition("[")[0].split()
    return words[-1:] == ["char"] and "unsigned" not in words


def _width_of(dimensions: str, base: str, size: int, long_bytes: int) -> int:
    """Return the size of one element: from the dimension where it is a number, else from the type."""
    count = dimensions[1:-1]
    if count.isdigit() and int(count) and size % int(count) == 0 and size // int(count) in _SCALAR_BYTES:
        return size // int(count)
    width = _element_bytes(base, long_bytes)
    return width if size % width == 0 else 0


def _element_bytes(base: str, long_bytes: int) -> int:
    """Return the size of a C type; 1 where it is not known, so that its bytes are shown as they are."""
    if base.rstrip().endswith("*"):
        return long_bytes
    words = [word for word in base.split() if word not in ("const", "volatile", "signed")]
    if "long" in words:
        return 8 if words.count("long") == 2 else long_bytes
    if words == ["unsigned", "char"]:
        return 1
    return _ELEMENT_BYTES.get(words[-1], 1) if words else 1
