"""A mount of tracefs that nobody else can see: for hosts where it is not mounted, and shall stay so.

Since 5.2, fsopen(2) and fsmount(2) make a mount that is attached nowhere; it lives as long as its descriptor,
and no mount table shows it. Before, a child does the mount in a mount namespace of its own, this process
opens it through ``/proc/CHILD/root``, and the child ends: the descriptor keeps what it leads to. Either way
the descriptor is closed on exec, so no command that kdiag starts gets it, and nothing is left after SIGKILL.

Both need CAP_SYS_ADMIN in the initial user namespace, for tracefs cannot be mounted by anyone else.
"""

import ctypes
import errno
import os
import signal
from typing import Any

__all__ = ["mount_privately"]

#: Numbers that are the same on every architecture (those from 424 on are).
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432
_FSOPEN_CLOEXEC = _FSMOUNT_CLOEXEC = 1
_FSCONFIG_CMD_CREATE = 6
_MOUNT_ATTR = 0x2 | 0x4 | 0x8  # no set-uid, no devices, no programs
_MS = 2 | 4 | 8  # the same, for mount(2)
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_CLONE_NEWNS = 0x20000
#: What a kernel without fsopen(2) answers.
_NOT_THERE = (errno.ENOSYS,)
#: Where a child mounts it, in its own namespace: the first folder that exists. Where the same file system is
#: mounted already, the kernel refuses to mount it again.
_PLACES = ("/mnt", "/tmp", "/sys/kernel/tracing")  # noqa: S108 - covered by the child's own mount


def mount_privately(fs_type: str = "tracefs") -> int:
    """Mount a file system and return a descriptor of its root; :exc:`OSError` says why it cannot be done."""
    try:
        return _mount_detached(fs_type)
    except OSError as error:
        if error.errno not in _NOT_THERE:
            raise
    return _mount_in_namespace(fs_type)


def _mount_detached(fs_type: str) -> int:
    opened = _syscall(_FSOPEN, ctypes.c_char_p(fs_type.encode()), ctypes.c_uint(_FSOPEN_CLOEXEC))
    try:
        _syscall(
            _FSCONFIG, ctypes.c_int(opened), ctypes.c_uint(_FSCONFIG_CMD_CREATE), None, None, ctypes.c_int(0)
        )
        return _syscall(
            _FSMOUNT, ctypes.c_int(opened), ctypes.c_uint(_FSMOUNT_CLOEXEC), ctypes.c_uint(_MOUNT_ATTR)
        )
    finally:
        os.close(opened)


def _mount_in_namespace(fs_type: str) -> int:
    """Let a child mount it and open what the child sees."""
    place = next((each for each in _PLACES if os.path.isdir(each)), _PLACES[-1])
    told_read, told_write = os.pipe()
    held_read, held_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told_read)
        os.close(held_write)
        _be_the_mounter(fs_type, place, told_write, held_read)
    os.close(told_write)
    os.close(held_read)
    try:
        told = os.read(told_read, 64)
        failed = int(told or str(errno.ECHILD))
        if failed:
            raise OSError(failed, os.strerror(failed))
        return os.open(f"/proc/{child}/root{place}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    finally:
        os.close(told_read)
        os.close(held_write)  # the child's read ends
        os.waitpid(child, 0)


def _be_the_mounter(fs_type: str, place: str, told: int, held: int) -> None:
    """Mount, tell the errno (0: none), wait until the parent has it open; never returns."""
    failed = errno.ECHILD
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        libc = ctypes.CDLL(None, use_errno=True)
        nothing = ctypes.c_char_p(b"none")
        here, kind = ctypes.c_char_p(place.encode()), ctypes.c_char_p(fs_type.encode())
        failed = 0
        for call, arguments in (
            (libc.unshare, (_CLONE_NEWNS,)),
            (libc.mount, (nothing, ctypes.c_char_p(b"/"), None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None)),
            (libc.mount, (nothing, here, kind, ctypes.c_ulong(_MS), None)),
        ):
            if call(*arguments) != 0:
                failed = ctypes.get_errno()
                break
        os.write(told, str(failed).encode())
        os.read(held, 1)
    finally:
        os._exit(0)


def _syscall(number: int, *arguments: Any) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    result: int = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        failed = ctypes.get_errno()
        raise OSError(failed, os.strerror(failed))
    return result
