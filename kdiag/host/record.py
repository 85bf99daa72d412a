"""Recording a host while it is looked at: whatever is asked of it, and what it answered, is kept.

So a recording holds exactly what a check needed, and the same check on the recording comes to the same
verdict. Failures are answers too. Where a question is asked twice in one sample the first answer stands.

The folder is created here, exclusively, and so is every file in it, with ``dir_fd`` and ``O_NOFOLLOW``: in a
shared folder such as /tmp nobody can have put a link in the way. The files are for their owner only.
"""

import contextlib
import os
from typing import Callable, Dict, List, Optional, Protocol, Set, Tuple, TypeVar

from kdiag.host.base import Facts, FileSystemSize, Host, ReadError, Reading
from kdiag.host.manifest import Entry, Header, Manifest, dump_header, dump_manifest
from kdiag.host.recording import BUNDLE, MANIFEST, components, place

__all__ = ["CannotRecord", "FolderWriter", "RecordingHost", "Writer"]

_FOLDER_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW

_Answer = TypeVar("_Answer")


class CannotRecord(Exception):
    """The recording cannot be written: where, why, and what would do."""

    def __init__(self, path: str, what: str, remedy: str = "") -> None:
        super().__init__(f"{path}: {what}" + (f"; {remedy}" if remedy else ""))
        self.path = path
        self.what = what
        self.remedy = remedy


class Writer(Protocol):
    """What a recording is written to."""

    def write(self, name: str, data: bytes) -> None:
        """Add a file; ``name`` is a path inside the recording, and new."""

    def close(self) -> None:
        """Nothing more comes."""


class FolderWriter:
    """Writes a recording into a folder, which must not exist."""

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            os.mkdir(path, 0o700)
            self._root = os.open(path, _FOLDER_FLAGS)
        except FileExistsError:
            raise CannotRecord(path, "exists already", "name a folder that does not exist") from None
        except OSError as error:
            raise CannotRecord(path, error.strerror or str(error)) from error
        self._made: Set[Tuple[bytes, ...]] = set()
        self._parent: Tuple[Tuple[bytes, ...], int] = ((), os.dup(self._root))

    def write(self, name: str, data: bytes) -> None:
        names = components(name)
        if names is None:
            raise CannotRecord(self._path, f"{name!r} is not a name that a recording can hold")
        try:
            descriptor = os.open(names[-1], _FILE_FLAGS, 0o600, dir_fd=self._folder(names[:-1]))
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            finally:
                os.close(descriptor)
        except OSError as error:
            raise CannotRecord(
                f"{self._path}/{name}",
                error.strerror or str(error),
                f"what is there so far has no {MANIFEST} and counts as cut off",
            ) from error

    def close(self) -> None:
        os.close(self._parent[1])
        os.close(self._root)

    def _folder(self, names: Tuple[bytes, ...]) -> int:
        """Return a descriptor of the folder, made if need be; the last one is kept, for its neighbours."""
        if self._parent[0] == names:
            return self._parent[1]
        descriptor = os.dup(self._root)
        for depth, name in enumerate(names, 1):
            if names[:depth] not in self._made:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=descriptor)
                self._made.add(names[:depth])
            try:
                deeper = os.open(name, _FOLDER_FLAGS, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            descriptor = deeper
        os.close(self._parent[1])
        self._parent = (names, descriptor)
        return descriptor


class RecordingHost(Host):
    """Passes every question on to a host, and the answers to a writer as well.

    :meth:`finish` makes the recording whole. Without it, it stays without manifest, and counts as cut off.
    """

    def __init__(self, host: Host, writer: Writer) -> None:
        from kdiag import __version__

        self.kind = host.kind
        self.root = host.root
        self._host = host
        self._writer = writer
        self._entries: Dict[Tuple[str, str, int], Entry] = {}
        self._facts: List[Facts] = [host.facts]
        self._users: Dict[int, Optional[str]] = {}
        #: By path: the sample in which its bytes were stored last, and their digest.
        self._stored: Dict[str, Tuple[int, bytes]] = {}
        self._writer.write(BUNDLE, dump_header(Header(__version__, host.facts)))

    @property
    def facts(self) -> Facts:
        return self._host.facts

    @property
    def notes(self) -> Tuple[str, ...]:
        return self._host.notes

    def reading(self, path: str, may_block: bool = False) -> Reading:
        return self._ask("read", path, lambda: self._host.reading(path, may_block))

    def list(self, path: str) -> List[str]:
        return self._ask("list", path.rstrip("/") or "/", lambda: self._host.list(path))

    def readlink(self, path: str) -> str:
        return self._ask("link", path, lambda: self._host.readlink(path))

    def size_bytes(self, path: str) -> int:
        return self._ask("size", path, lambda: self._host.size_bytes(path))

    def statvfs(self, path: str, may_block: bool = True) -> FileSystemSize:
        return self._ask("statvfs", path, lambda: self._host.statvfs(path, may_block))

    def user_name(self, uid: int) -> Optional[str]:
        name = self._host.user_name(uid)
        self._users.setdefault(uid, name)
        return name

    def advance(self, seconds: float) -> bool:
        if not self._host.advance(seconds):
            return False
        self._facts.append(self._host.facts)
        return True

    def finish(self, end_reason: str = "done") -> None:
        """Write the manifest; an ``end_reason`` other than ``done`` says why the recording ended early."""
        entries = tuple(self._entries.values())
        self._writer.write(
            MANIFEST, dump_manifest(Manifest(end_reason, tuple(self._facts), self._users, entries))
        )

    def close(self) -> None:
        self._host.close()
        self._writer.close()

    def _ask(self, op: str, path: str, call: Callable[[], _Answer]) -> _Answer:
        sample = len(self._facts) - 1
        key = (op, path, sample)
        try:
            answer = call()
        except ReadError as error:
            failure = error.failure
            self._entries.setdefault(
                key, Entry(op, path, sample, failure.kind, failure.errno, failure.detail)
            )
            raise
        if key not in self._entries:
            self._entries[key] = (
                self._store(answer, path, sample)
                if isinstance(answer, Reading)
                else Entry(op, path, sample, value=answer)
            )
        return answer

    def _store(self, reading: Reading, path: str, sample: int) -> Entry:
        """Write the bytes of a file, unless an earlier sample has the same."""
        from hashlib import sha256

        name = place(path, sample)
        if not path.startswith("/") or components(name) is None:
            return Entry("read", path, sample, "not_recorded", None, "its name cannot be stored")
        digest = sha256(reading.data).digest()
        stored_in, stored = self._stored.get(path, (sample, b""))
        if stored != digest:
            self._writer.write(name, reading.data)
            stored_in = sample
            self._stored[path] = (sample, digest)
        return Entry(
            "read",
            path,
            sample,
            size_bytes=len(reading.data),
            stored_in=None if stored_in == sample else stored_in,
            started_ns=reading.started_ns,
            ended_ns=reading.ended_ns,
        )
