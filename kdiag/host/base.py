"""The host being looked at: one interface, whatever the bytes come from, and how reading can fail.

Paths are absolute as on that host (``/proc/stat``), wherever its files really lie. A read that fails raises
:class:`ReadError` with a kind; it never answers with an empty or zero value.
"""

import errno
from typing import Dict, List, Optional, Tuple

from kdiag.records import NamedTuple

__all__ = ["KINDS", "Facts", "Failure", "FileSystemSize", "Host", "ReadError", "Reading", "kind_of_errno"]

#: How a read can fail, and what it says to the user.
KINDS: Dict[str, str] = {
    "absent": "not on this kernel",
    "vanished": "gone while it was read",
    "denied": "not permitted",
    "unsupported": "switched off in this kernel",
    "timed_out": "no answer in time",
    "not_recorded": "not in this recording",
    "error": "could not be read",
}

_KIND_OF_ERRNO = {
    errno.ENOENT: "absent",
    errno.ENOTDIR: "absent",
    errno.ESRCH: "vanished",
    errno.EACCES: "denied",
    errno.EPERM: "denied",
    errno.EOPNOTSUPP: "unsupported",  # PSI files of a kernel booted with psi=0
    errno.ETIMEDOUT: "timed_out",
}


def kind_of_errno(number: Optional[int]) -> str:
    """Return the kind of failure that an errno stands for.

    >>> kind_of_errno(errno.ENOENT), kind_of_errno(errno.EIO)
    ('absent', 'error')
    """
    return _KIND_OF_ERRNO.get(number or 0, "error")


def _name_of_errno(number: int) -> str:
    # Linux has one number for both names, and kernel people know this one.
    return "EOPNOTSUPP" if number == errno.EOPNOTSUPP else errno.errorcode.get(number, str(number))


class Failure(NamedTuple):
    """Why a path could not be read: a key of :data:`KINDS`, the errno if there was one, and any detail."""

    path: str
    kind: str
    errno: Optional[int] = None
    detail: str = ""

    def __str__(self) -> str:
        """Say it in one line.

        >>> str(Failure("/proc/pressure/cpu", "unsupported", errno.EOPNOTSUPP))
        '/proc/pressure/cpu: switched off in this kernel (EOPNOTSUPP)'
        """
        name = "" if self.errno is None else _name_of_errno(self.errno)
        told = "; ".join(part for part in (name, self.detail) if part)
        return f"{self.path}: {KINDS[self.kind]}" + (f" ({told})" if told else "")


class ReadError(Exception):
    """Reading failed; ``failure`` says how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure

    @classmethod
    def from_errno(cls, path: str, number: Optional[int], detail: str = "") -> "ReadError":
        """Build the error for an errno that the kernel gave."""
        return cls(Failure(path, kind_of_errno(number), number, detail))


class Reading(NamedTuple):
    """The bytes of one file, and CLOCK_MONOTONIC of the host before and after they were read.

    A recording without clocks has ``None`` for both: such a file has no rate.
    """

    path: str
    data: bytes
    started_ns: Optional[int]
    ended_ns: Optional[int]


class FileSystemSize(NamedTuple):
    """What statvfs(2) says of a file system. ``available`` leaves out the root reserve; ``free`` does not.

    ``files`` is 0 where the file system has no fixed number of inodes (btrfs).
    """

    block_size_bytes: int
    blocks: int
    free_blocks: int
    available_blocks: int
    files: int
    free_files: int
    available_files: int


class Facts(NamedTuple):
    """What is true of the host but stands in none of its files; a bare copy of /proc leaves it ``None``."""

    clock_ticks_per_s: Optional[int] = None
    page_size_bytes: Optional[int] = None
    byte_order: Optional[str] = None
    """``little`` or ``big``."""
    wall_clock_ns: Optional[int] = None
    """Nanoseconds since the epoch at the time of this sample."""
    reader_pid: Optional[int] = None
    """The process that read the files: it counts itself among the running."""
    reader_euid: Optional[int] = None
    """Effective user: 0 sees what others may not."""


class Host:
    """The machine being looked at, at one moment; :meth:`advance` moves on to the next moment."""

    #: ``live``, ``recorded`` or ``memory``.
    kind = ""
    #: Where its files lie, for the user: ``/``, ``/host``, ``support.tar.gz``.
    root = ""

    @property
    def facts(self) -> Facts:
        """Facts of the host at this moment."""
        raise NotImplementedError

    @property
    def notes(self) -> Tuple[str, ...]:
        """What a reader of any report must know of how this host is seen; usually nothing."""
        return ()

    def reading(self, path: str, may_block: bool = False) -> Reading:
        """Read a whole file, with its time stamps; a killable child reads one that ``may_block``."""
        raise NotImplementedError

    def read(self, path: str) -> bytes:
        """Read a whole file."""
        return self.reading(path).data

    def list(self, path: str) -> List[str]:
        """Return the names in a folder, sorted."""
        raise NotImplementedError

    def readlink(self, path: str) -> str:
        """Return where a symbolic link points."""
        raise NotImplementedError

    def size_bytes(self, path: str) -> int:
        """Return ``st_size``, the number of open descriptors for ``/proc/PID/fd`` on newer kernels."""
        raise NotImplementedError

    def statvfs(self, path: str, may_block: bool = True) -> FileSystemSize:
        """Return the sizes of the file system mounted there; a killable child asks one that ``may_block``."""
        raise NotImplementedError

    def user_name(self, uid: int) -> Optional[str]:
        """Return the name of a user, or ``None`` where it is not known."""
        raise NotImplementedError

    def advance(self, seconds: float) -> bool:
        """Go on to the next moment: a live host sleeps, a recording turns to its next sample.

        ``False`` if there is none; the host then stays at its last moment.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End children and close files; the host is not used any more."""
