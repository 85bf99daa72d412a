"""The files of a recording in a tar, plain or packed with gzip or xz: read into memory once, never extracted.

A tar may come from anybody. Its names must be relative, without ``..`` and control bytes, and each may occur
once; its members must be regular files without holes (74 bytes can declare a file of a terabyte), folders,
or symbolic links, of which only the text is kept. Numbers and sizes are bounded, and so is what headers
alone may take; how well it is packed is not, since an honest recording reaches 40:1.

A tar that was cut off gives what came before the cut, and :attr:`Archive.damage` says so.
"""

import itertools
from typing import Any, Callable, Dict, Iterator, List, Optional, Set

from kdiag.host.base import Failure, ReadError
from kdiag.host.guard import Guard
from kdiag.host.recording import MAX_FILE_BYTES, MAX_FILES, MAX_TOTAL_BYTES, BadRecording, components

__all__ = ["Archive"]

_CHUNK_BYTES = 64 << 10
#: Unpacked at a time: as much as damage can take with it of what came before.
_PIECE_BYTES = 8 << 10
_BLOCK_BYTES = 10 << 10
_MAX_HEADERS_BYTES = 1 << 20
_XZ_MEMORY_BYTES = 128 << 20
#: What tarfile stumbles with, beside its own errors, on bytes that are no tar.
_STUMBLES = (ArithmeticError, EOFError, LookupError, RecursionError, ValueError)
_REGULAR = (b"0", b"\0")
_REMEDY = "give a tar of a recording, plain or packed with gzip or xz"


class Archive:
    """A tar; ``name`` is a path inside it, ``path`` what the failure speaks of."""

    def __init__(self, guard: Guard, path: str, where: str) -> None:
        self._path = path
        self._files: Dict[str, bytes] = {}
        self._links: Dict[str, str] = {}
        self._folders: Dict[str, Set[str]] = {"": set()}
        #: Why it ends early, if it does.
        self.damage: Optional[str] = None
        self._load(_Unpacked(guard, path, where))
        names = self._folders[""]
        #: The one folder that everything lies in, with a slash at its end, or nothing.
        self.top = f"{next(iter(names))}/" if len(names) == 1 and names <= self._folders.keys() else ""

    def read(self, name: str, path: str) -> bytes:
        """Return the bytes of a regular file."""
        if name in self._links:
            raise ReadError(Failure(path, "error", None, "a symbolic link in the recording, not followed"))
        if name not in self._files:
            raise ReadError(Failure(path, "not_recorded"))
        return self._files[name]

    def list(self, name: str, path: str) -> List[str]:
        """Return the names in a folder, sorted; ``name`` may be empty."""
        if name not in self._folders:
            raise ReadError(Failure(path, "not_recorded"))
        return sorted(self._folders[name])

    def readlink(self, name: str, path: str) -> str:
        """Return the text of a symbolic link, which is not followed."""
        if name not in self._links:
            raise ReadError(Failure(path, "not_recorded"))
        return self._links[name]

    def _load(self, unpacked: Any) -> None:
        import tarfile

        tar: Any
        members = 0
        unpacked.allow(_MAX_HEADERS_BYTES)
        try:
            with tarfile.open(
                fileobj=unpacked,
                mode="r|",
                bufsize=_BLOCK_BYTES,
                encoding="utf-8",
                errors="surrogateescape",
            ) as tar:
                for member in iter(tar.next, None):
                    tar.members = []  # it would keep them all
                    members += 1
                    if members > MAX_FILES:
                        self._refuse(f"more than {MAX_FILES} members")
                    self._take(tar, member, unpacked)
                    unpacked.allow(_MAX_HEADERS_BYTES)
            while unpacked.read(_BLOCK_BYTES):  # the check sum comes last
                pass
        except BadRecording:
            raise
        except (tarfile.TarError, *_STUMBLES) as error:
            self.damage = f"damaged or cut off after {members} members: {error}"

    def _take(self, tar: Any, member: Any, unpacked: Any) -> None:
        name = member.name[2:] if member.name.startswith("./") else member.name
        if member.isdir() and name in ("", "."):
            return
        if components(name) is None:
            self._refuse(f"{member.name[:80]!r} is not a name that a recording holds")
        if name in self._files or name in self._links or (name in self._folders and not member.isdir()):
            self._refuse(f"{name!r} occurs twice")
        if member.isdir():
            self._folders.setdefault(name, set())
        elif member.issym():
            self._links[name] = member.linkname
        elif member.type not in _REGULAR or member.issparse() or not 0 <= member.size <= MAX_FILE_BYTES:
            self._refuse(f"{name!r} is no regular file, has holes, or is too long")
        else:
            unpacked.allow(member.size)
            self._files[name] = tar.extractfile(member).read()
        while name:
            folder, _, child = name.rpartition("/")
            if folder in self._files or folder in self._links:
                self._refuse(f"{folder!r} is a file and a folder")
            self._folders.setdefault(folder, set()).add(child)
            name = folder

    def _refuse(self, what: str) -> None:
        raise BadRecording(self._path, what, _REMEDY)


class _Unpacked:
    """The unpacked bytes of the tar as the file object that tarfile reads, with a bound on how many."""

    def __init__(self, guard: Guard, path: str, where: str) -> None:
        self._guard = guard
        self._path = path
        self._where = where
        self._pieces = self._unpack()
        self._ready = bytearray()
        self._given = 0
        self._allowed = 0
        self._broken: Optional[EOFError] = None

    def allow(self, length: int) -> None:
        """Let so many more bytes be read, and what is read ahead."""
        self._allowed = min(self._given + length + 2 * _BLOCK_BYTES, MAX_TOTAL_BYTES)

    def read(self, size: int) -> bytes:
        """Return so many bytes; fewer only before the end, where damage is an EOFError."""
        if self._given + size > self._allowed:
            raise BadRecording(self._path, "its files or headers are too long", _REMEDY)
        while len(self._ready) < size and self._broken is None:
            try:
                piece = next(self._pieces, None)
            except EOFError as error:
                self._broken = error
                break
            if piece is None:
                break
            self._ready += piece
        if self._broken is not None and not self._ready:
            raise self._broken
        data = bytes(self._ready[:size])
        del self._ready[:size]
        self._given += len(data)
        return data

    def _unpack(self) -> Iterator[bytes]:
        chunks = self._chunks()
        first = next(chunks, b"")
        unpack = next((how for magic, how in _PACKED.items() if first.startswith(magic)), None)
        packed = itertools.chain((first,), chunks)
        return packed if unpack is None else unpack(packed)

    def _chunks(self) -> Iterator[bytes]:
        offset = 0
        while True:
            try:
                chunk: bytes = self._guard.call(self._path, "chunk", self._where, offset, _CHUNK_BYTES)
            except ReadError as error:
                raise BadRecording.from_failure(error.failure, _REMEDY) from error
            if not chunk:
                return
            offset += len(chunk)
            yield chunk


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    import zlib

    unpacker, begun = zlib.decompressobj(31), False
    for chunk in chunks:
        rest = chunk
        while rest:
            if not begun:
                rest = rest.lstrip(b"\0")  # padding between or after members
                begun = bool(rest)
                continue
            try:
                yield unpacker.decompress(rest, _PIECE_BYTES)
            except zlib.error as error:
                raise EOFError(str(error)) from error
            rest = unpacker.unconsumed_tail
            if unpacker.eof:
                rest = unpacker.unused_data
                unpacker, begun = zlib.decompressobj(31), False
    if begun:
        raise EOFError("the packed data ends early")


def _unxz(chunks: Iterator[bytes]) -> Iterator[bytes]:
    import lzma

    def fresh() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)

    unpacker, begun = fresh(), False
    for chunk in chunks:
        rest = chunk
        while begun or rest:
            if not begun:
                rest = rest.lstrip(b"\0")
                begun = bool(rest)
                continue
            try:
                yield unpacker.decompress(rest, _PIECE_BYTES)
            except lzma.LZMAError as error:
                raise EOFError(str(error)) from error
            rest = b""
            if unpacker.eof:
                rest = unpacker.unused_data
                unpacker, begun = fresh(), False
            elif unpacker.needs_input:
                break
    if begun:
        raise EOFError("the packed data ends early")


_PACKED: Dict[bytes, Callable[[Iterator[bytes]], Iterator[bytes]]] = {
    b"\x1f\x8b": _gunzip,
    b"\xfd7zXZ\x00": _unxz,
}
