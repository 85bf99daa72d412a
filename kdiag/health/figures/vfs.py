"""What the files of ``/proc/sys/fs`` and statvfs(2) really tell, once their traps are dealt with."""

from typing import TYPE_CHECKING, Optional

from kdiag.health.sample import MountedFileSystem, Sample
from kdiag.host.base import FileSystemSize
from kdiag.records import NamedTuple

if TYPE_CHECKING:
    from kdiag.procfs.mountinfo import Mount

__all__ = [
    "FORCED_READ_ONLY",
    "Room",
    "cannot_be_written",
    "inode_room",
    "negative_dentries",
    "no_limit",
    "space_room",
]

_DENTRY_NEGATIVE = "/proc/sys/fs/dentry-negative"
#: A file-max above this means that nobody wants a limit (some set it to 2^63 - 1).
_NO_LIMIT = 1 << 60
#: The kernel that first counts negative dentries.
_COUNTS_NEGATIVE = (5, 0)
#: Options that ext4 shows when it was stopped by an error: with errors=remount-ro on 6.18, both kinds of
#: mount options still say rw, and ``emergency_ro`` is all that tells.
FORCED_READ_ONLY = ("emergency_ro", "shutdown")


class Room(NamedTuple):
    """What there is and what is left of a file system, for users other than root, in blocks or inodes."""

    available: int
    total: int

    @property
    def available_pct(self) -> float:
        """The share that is left."""
        return 100 * self.available / self.total


def space_room(size: FileSystemSize) -> Optional[Room]:
    """Return the room in blocks, as df counts it: what only root may take is no part of it.

    >>> space_room(FileSystemSize(4096, 1000, 150, 100, 0, 0, 0))
    Room(available=100, total=950)
    """
    total = size.blocks - size.free_blocks + size.available_blocks
    return Room(size.available_blocks, total) if total > 0 else None


def inode_room(size: FileSystemSize) -> Optional[Room]:
    """Return the room in inodes, ``None`` for a file system that makes them as needed (btrfs, vfat)."""
    total = size.files - size.free_files + size.available_files
    return Room(size.available_files, total) if size.files > 0 and total > 0 else None


def cannot_be_written(mount: "Mount") -> bool:
    """Return whether a mount is read-only, by anybody's wish."""
    return mount.read_only or any(option in FORCED_READ_ONLY for option in mount.super_options)


def was_asked(each: MountedFileSystem) -> bool:
    """Return whether a file system was asked at all: others that hang may have used up the time for it."""
    return each.failure is None or not each.failure.detail.startswith("not asked")


def no_limit(file_max: int) -> bool:
    """Return whether ``file-max`` is so high that a share of it says nothing."""
    return file_max > _NO_LIMIT


def negative_dentries(sample: Sample) -> Optional[int]:
    """Return the number of negative dentries, ``None`` where the kernel may print a dummy 0 instead.

    The column is a count since 5.0, and some vendors brought it to older kernels; a kernel that has the
    sysctl ``dentry-negative`` knows of them too. So a 0 alone leaves a doubt, which the release settles.
    """
    state = sample.dentry_state
    if state is None or state.nr_negative_or_dummy is None:
        return None
    numbers = sample.version.numbers if sample.version is not None else ()
    if state.nr_negative_or_dummy or _DENTRY_NEGATIVE in sample.integers or numbers >= _COUNTS_NEGATIVE:
        return state.nr_negative_or_dummy
    return None
