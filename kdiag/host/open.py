"""Choosing the host that a root stands for: the machine underneath, a mount of it, or a recording."""

import os
from typing import List, Set, Tuple

from kdiag.host.base import Host, ReadError
from kdiag.host.live import LiveHost

__all__ = ["open_host"]

_PROC_ROOT_INODE = 1


def open_host(root: str = "/", *, timeout_s: float = 1.0, budget_s: float = 5.0) -> Host:
    """Return the host at ``root``, or raise :class:`~kdiag.host.recording.BadRecording`.

    It is live if it is ``/``, or if a procfs is mounted at its ``proc`` (``/host`` in a container, a chroot).
    All else must be a recording or a copy of /proc. ``timeout_s`` is what one call that can block may take,
    ``budget_s`` what all slow calls of one moment may take together.
    """
    if root:
        where = _absolute(root)
        if where.strip("/") == "":
            return LiveHost(timeout_s=timeout_s, budget_s=budget_s)
        below, itself = _where_procfs_is(where, timeout_s)
        if below:
            return LiveHost(root, timeout_s=timeout_s, budget_s=budget_s)
        if itself:
            raise _bad(
                root, "the procfs of a live host", "name the folder that it is mounted in, as --root /"
            )
    from kdiag.host.recorded import RecordedHost

    return RecordedHost(root, timeout_s=timeout_s, budget_s=budget_s)


def _absolute(root: str) -> str:
    try:
        return os.path.abspath(root)
    except FileNotFoundError:
        raise _bad(root, "the current folder is gone", "name it by its whole path") from None


def _bad(root: str, what: str, remedy: str) -> Exception:
    from kdiag.host.recording import BadRecording

    return BadRecording(root, what, remedy)


def _where_procfs_is(root: str, timeout_s: float) -> Tuple[bool, bool]:
    """Tell whether a procfs is mounted at ``proc`` in the root, and whether one is the root itself."""
    from kdiag.host.guard import Guard

    guard = Guard({"identities": _identities}, timeout_s=timeout_s)
    try:
        identities = guard.call(root, "identities", root)
    except ReadError:
        return False, False  # whatever it is, the recorded kind says what is wrong with it
    finally:
        guard.close()
    below, itself = (
        inode == _PROC_ROOT_INODE and device in _procfs_devices() for device, inode in identities
    )
    return below, itself


def _identities(root: str) -> List[Tuple[str, int]]:
    """Return device and inode of ``proc`` and of the root itself.

    It runs in the guard's child, as the root may be a dead mount. A link at ``proc`` is not followed: a
    recording could hold one to /proc, and pass the machine underneath for itself.
    """
    itself = _identity(os.stat(root))
    try:
        below = _identity(os.lstat(f"{root}/proc"))
    except OSError:
        below = ("", 0)
    return [below, itself]


def _identity(found: os.stat_result) -> Tuple[str, int]:
    return f"{os.major(found.st_dev)}:{os.minor(found.st_dev)}", found.st_ino


def _procfs_devices() -> Set[str]:
    """Return the devices of the procfs instances mounted here (fs/proc_namespace.c, show_mountinfo)."""
    try:
        table = LiveHost().read("/proc/self/mountinfo")
    except ReadError:
        return set()
    lines = [line.split(b" ") for line in table.split(b"\n")]
    return {
        fields[2].decode("ascii", "replace")
        for fields in lines
        if b"-" in fields and fields[fields.index(b"-") + 1 :][:1] == [b"proc"]
    }
