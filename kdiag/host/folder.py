"""The files of a recording in a folder, or of a tar (one file): read by a child, and nothing is trusted.

A recording may come from anybody and lie anywhere: a FIFO, a file of a FUSE daemon that never answers, a
dead NFS server, a symbolic link to ``/etc/shadow``. So each call is made by the guard's child, under its
clock. A path is walked name by name from the folder that the user gave (``dir_fd`` and ``O_NOFOLLOW``), so
no link in it is ever followed, even one that is swapped in meanwhile; only what lstat(2) calls a regular
file is opened, and what was opened is looked at again.
"""

import errno
import os
import stat
from typing import Any, Callable, Dict, List, Optional, Tuple

from kdiag.host.base import Failure, ReadError, kind_of_errno
from kdiag.host.guard import Guard
from kdiag.host.recording import MAX_FILE_BYTES, components

__all__ = ["OPERATIONS", "Folder"]

_FILE_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW
_STEP_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
_LIST_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_BUFFER_BYTES = 1 << 20

#: What is no regular file, and how reading it fails.
_REFUSED: Dict[int, Tuple[str, str]] = {
    stat.S_IFBLK: ("error", "a device in the recording"),
    stat.S_IFCHR: ("error", "a device in the recording"),
    stat.S_IFDIR: ("error", "a folder in the recording"),
    stat.S_IFIFO: ("timed_out", "a FIFO in the recording, which might never answer"),
    stat.S_IFLNK: ("error", "a symbolic link in the recording, not followed"),
    stat.S_IFSOCK: ("error", "a socket in the recording"),
}


class Folder:
    """A folder; ``name`` is a path inside it, ``path`` what the failure speaks of."""

    def __init__(self, guard: Guard, root: str) -> None:
        self._guard = guard
        self._root = root
        #: Where in it the recording lies: the user pointed at it.
        self.top = ""

    def read(self, name: str, path: str) -> bytes:
        """Read a regular file."""
        data: bytes = self._guard.call(path, "read", self._root, _trusted(name, path))
        return data

    def list(self, name: str, path: str) -> List[str]:
        """Return the names in a folder, sorted; ``name`` may be empty."""
        return sorted(self._guard.call(path, "list", self._root, _trusted(name, path) if name else ()))

    def readlink(self, name: str, path: str) -> str:
        """Return the text of a symbolic link, which is not followed."""
        text: str = self._guard.call(path, "readlink", self._root, _trusted(name, path))
        return text


def _trusted(name: str, path: str) -> Tuple[bytes, ...]:
    names = components(name)
    if names is None:
        raise ReadError(Failure(path, "error", None, "not a path that a recording can hold"))
    return names


# What follows runs in the guard's child.


def _look(root: str) -> str:
    """Return ``folder`` or ``file``; unlike all below it, the root itself may be reached by a link."""
    mode = os.stat(root).st_mode
    if stat.S_ISDIR(mode):
        return "folder"
    if stat.S_ISREG(mode):
        return "file"
    raise _refusal(mode)


def _chunk(root: str, offset: int, length: int) -> bytes:
    """Read a stretch of the one file that is the recording."""
    descriptor = os.open(root, _FILE_FLAGS & ~os.O_NOFOLLOW)
    try:
        return os.pread(descriptor, length, offset)
    finally:
        os.close(descriptor)


def _read(root: str, names: Tuple[bytes, ...]) -> bytes:
    parent = _walk(root, names)
    try:
        mode = os.stat(names[-1], dir_fd=parent, follow_symlinks=False).st_mode
        if not stat.S_ISREG(mode):  # opening a device can already do something
            raise _refusal(mode)
        descriptor = os.open(names[-1], _FILE_FLAGS, dir_fd=parent)
    except OSError as error:
        raise _failure(error) from None
    finally:
        os.close(parent)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise _refusal(mode)
        return _whole(descriptor)
    finally:
        os.close(descriptor)


def _whole(descriptor: int) -> bytes:
    chunks: List[bytes] = []
    total = 0
    while True:
        chunk = os.read(descriptor, _BUFFER_BYTES)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
        total += len(chunk)
        if total > MAX_FILE_BYTES:
            raise ReadError(
                Failure("", "error", errno.EFBIG, f"longer than {MAX_FILE_BYTES >> 20} MiB in the recording")
            )


def _list(root: str, names: Tuple[bytes, ...]) -> List[str]:
    if not names:
        descriptor = os.open(root, _LIST_FLAGS)
    else:
        parent = _walk(root, names)
        try:
            descriptor = os.open(names[-1], _LIST_FLAGS | os.O_NOFOLLOW, dir_fd=parent)
        except OSError as error:
            raise _failure(error, names[-1], parent) from None
        finally:
            os.close(parent)
    try:
        return [os.fsencode(name).decode("utf-8", "surrogateescape") for name in os.listdir(descriptor)]
    finally:
        os.close(descriptor)


def _readlink(root: str, names: Tuple[bytes, ...]) -> str:
    parent = _walk(root, names)
    try:
        return os.readlink(names[-1], dir_fd=parent).decode("utf-8", "surrogateescape")
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise ReadError(Failure("", "error", errno.EINVAL, "no link in the recording")) from None
        raise _failure(error) from None
    finally:
        os.close(parent)


def _walk(root: str, names: Tuple[bytes, ...]) -> int:
    """Return a descriptor of the folder that holds the last of ``names``."""
    descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in names[:-1]:
        try:
            deeper = os.open(name, _STEP_FLAGS, dir_fd=descriptor)
        except OSError as error:
            raise _failure(error, name, descriptor) from None
        finally:
            os.close(descriptor)
        descriptor = deeper
    return descriptor


def _refusal(mode: int) -> ReadError:
    kind, detail = _REFUSED[stat.S_IFMT(mode)]
    return ReadError(Failure("", kind, None, detail))


def _failure(error: OSError, name: Optional[bytes] = None, parent: Optional[int] = None) -> ReadError:
    """Say what a failed open means: nothing about the recorded host, only about the recording.

    With O_DIRECTORY the kernel calls a symbolic link ENOTDIR too, so what stands there is looked at.
    """
    if error.errno == errno.ENOTDIR and name is not None:
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            return _refusal(mode)
    if error.errno == errno.ELOOP:
        return _refusal(stat.S_IFLNK)
    kind = kind_of_errno(error.errno)
    if kind == "absent":
        return ReadError(Failure("", "not_recorded"))
    return ReadError(Failure("", kind, error.errno, "in the recording"))


OPERATIONS: Dict[str, Callable[..., Any]] = {
    "chunk": _chunk,
    "list": _list,
    "look": _look,
    "read": _read,
    "readlink": _readlink,
}
