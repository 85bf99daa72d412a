"""Functions of a program or library, and where in its file they begin: what a uprobe needs.

ELF as in elf(5), 32 and 64 bits, both byte orders; read without any library, for kdiag needs little of it:
the symbols (``.symtab``, ``.dynsym``) and the segments that tell where an address lies in the file. A
program that was stripped has only the symbols that others may link to.
"""

import struct
from typing import BinaryIO, Dict, List, Sequence, Tuple

from kdiag.records import NamedTuple

__all__ = ["BadElf", "Function", "functions_of"]

_SYMTAB, _DYNSYM, _VERSYM = 2, 11, 0x6FFFFFFF
#: Set in the version of a symbol that is not the default: only programs linked long ago call it.
_OLD = 0x8000
_LOAD = 1
_FUNCTION, _INDIRECT = 2, 10
#: More would not be a table of symbols but a broken or hostile file.
_MOST_BYTES = 512 << 20
_MOST_HEADERS = 65535
_MOST_OFFSET = 1 << 62  # where no file can be read, whatever the file system


class BadElf(ValueError):
    """Not a file in which symbols can be looked up; the message says why."""


class Function(NamedTuple):
    """A function: ``offset`` is where it begins in the file. ``indirect``: it chooses another (IFUNC)."""

    name: str
    offset: int
    size: int
    indirect: bool = False


class _Class(NamedTuple):
    """Where fields lie, for 32 and for 64 bits: struct codes without the byte order."""

    header: str
    section: str
    segment: str
    symbol: str


_OF_BITS = {
    1: _Class("HHIIIIIHHHHHH", "IIIIIIIIII", "IIIIIIII", "IIIBBH"),
    2: _Class("HHIQQQIHHHHHH", "IIQQQQIIQQ", "IIQQQQQQ", "IBBHQQ"),
}


def functions_of(path: str) -> Dict[str, Function]:
    """Return all functions of a file by name; raises :exc:`BadElf`, :exc:`OSError`."""
    with open(path, "rb") as file:
        return _functions(file, path)


def _functions(file: BinaryIO, path: str) -> Dict[str, Function]:
    ident = file.read(16)
    if ident[:4] != b"\x7fELF":
        what = "a script" if ident[:2] == b"#!" else "no program or library"
        raise BadElf(f"{path}: {what} (not an ELF file)")
    layout, order = _OF_BITS.get(ident[4]), {1: "<", 2: ">"}.get(ident[5], "")
    if layout is None or not order:
        raise BadElf(f"{path}: an ELF file of an unknown class or byte order")
    bits64 = ident[4] == 2
    try:
        header = _unpack(file, 16, order + layout.header)
        segments = _table(file, header[4], header[8], header[9], order + layout.segment)
        sections = _table(file, header[5], header[10], header[11], order + layout.section)
        return _collect(file, order + layout.symbol, sections, _loads(segments, bits64), bits64)
    except (struct.error, IndexError, MemoryError):
        raise BadElf(f"{path}: a damaged ELF file") from None


def _collect(
    file: BinaryIO,
    code: str,
    sections: List[Tuple[int, ...]],
    loads: List[Tuple[int, int, int]],
    bits64: bool,
) -> Dict[str, Function]:
    found: Dict[str, Function] = {}
    for index, section in enumerate(sections):
        kind, offset, size, link, width = section[1], section[4], section[5], section[6], section[9]
        if kind not in (_SYMTAB, _DYNSYM) or width != struct.calcsize(code):
            continue
        names = _bytes(file, sections[link][4], sections[link][5])
        versions = _versions(file, sections, index, code[0], size // width)
        for version, fields in zip(
            versions, struct.iter_unpack(code, _bytes(file, offset, size // width * width))
        ):
            if bits64:
                name_at, info, _, section_index, value, length = fields
            else:
                name_at, value, length, info, _, section_index = fields
            if info & 15 not in (_FUNCTION, _INDIRECT) or not section_index or not value:
                continue
            place = _offset_of(value, loads)
            end = names.find(b"\0", name_at)
            name = names[name_at:end].decode("utf-8", "surrogateescape")
            if place is not None and name:
                made = Function(name, place, length, info & 15 == _INDIRECT)
                if not version & _OLD and "@" not in name.replace("@@", ""):
                    found.setdefault(name.partition("@@")[0], made)
    return found


def _versions(
    file: BinaryIO, sections: List[Tuple[int, ...]], index: int, order: str, count: int
) -> Sequence[int]:
    """Return the version of each symbol of a table: a name may stand there once for each version of it."""
    for section in sections:
        if section[1] == _VERSYM and section[6] == index and section[5] == 2 * count:
            return struct.unpack(f"{order}{count}H", _bytes(file, section[4], section[5]))
    return (0,) * count


def _loads(segments: List[Tuple[int, ...]], bits64: bool) -> List[Tuple[int, int, int]]:
    """Return (address, offset in the file, size in the file) of all that is loaded."""
    if bits64:
        return [(each[3], each[2], each[5]) for each in segments if each[0] == _LOAD]
    return [(each[2], each[1], each[4]) for each in segments if each[0] == _LOAD]


def _offset_of(address: int, loads: List[Tuple[int, int, int]]) -> "int | None":
    for start, offset, size in loads:
        if start <= address < start + size:
            return address - start + offset
    return None


def _table(file: BinaryIO, offset: int, width: int, count: int, code: str) -> List[Tuple[int, ...]]:
    if not offset or not count or count > _MOST_HEADERS or width < struct.calcsize(code):
        return []
    return [_unpack(file, offset + index * width, code) for index in range(count)]


def _unpack(file: BinaryIO, offset: int, code: str) -> Tuple[int, ...]:
    return struct.unpack(code, _bytes(file, offset, struct.calcsize(code)))


def _bytes(file: BinaryIO, offset: int, size: int) -> bytes:
    if size > _MOST_BYTES or offset > _MOST_OFFSET:
        raise IndexError(offset)
    file.seek(offset)
    data = file.read(size)
    if len(data) != size:
        raise IndexError(offset)
    return data
