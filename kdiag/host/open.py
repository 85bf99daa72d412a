"""Choosing the host that a root stands for: the machine underneath, a mount of it, or a recording."""

import os
from typing import Set, Tuple

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
        if _is_procfs(f"{where}/proc", timeout_s):
            return LiveHost(root, timeout_s=timeout_s, budget_s=budget_s)
        if _is_procfs(where, timeout_s):
            raise _bad(root, "a procfs, not a copy of one", "leave --root out, or name what it is mounted in")
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


def _is_procfs(where: str, timeout_s: float) -> bool:
    from kdiag.host.guard import Guard

    guard = Guard({"identity": _identity}, timeout_s=timeout_s)
    try:
        device, inode = guard.call(where, "identity", where)
    except ReadError:
        return False  # whatever it is, the recorded kind says what is wrong with it
    finally:
        guard.close()
    return inode == _PROC_ROOT_INODE and device in _procfs_devices()


def _identity(where: str) -> Tuple[str, int]:
    """Return which device and inode it is; runs in the guard's child, as it may be on a dead mount.

    A link is not followed: a recording could hold one to /proc, and pass the machine underneath for itself.
    """
    found = os.lstat(where)
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
