"""Which arguments of system calls are paths or names: text that the program gives to the kernel."""

from typing import Dict, Mapping, Tuple

from kdiag.kernel.syscalls import SYSCALLS

__all__ = ["paths_by_number"]

#: Arguments (0 to 5), at most two of them -> calls, by the names of their numbers.
_CALLS: Mapping[Tuple[int, ...], str] = {
    (0,): """
        open stat lstat access execve truncate chdir mkdir rmdir creat unlink readlink chmod chown lchown
        utime uselib statfs chroot acct umount2 swapon swapoff delete_module utimes mq_open mq_unlink
        memfd_create mknod fsopen listxattr llistxattr
    """,
    (1,): """
        openat mkdirat mknodat fchownat futimesat newfstatat unlinkat readlinkat fchmodat faccessat utimensat
        name_to_handle_at execveat statx openat2 faccessat2 fchmodat2 inotify_add_watch open_tree fspick
        mount_setattr quotactl fgetxattr fsetxattr fremovexattr
    """,
    (0, 1): """
        rename link symlink pivot_root mount setxattr lsetxattr getxattr lgetxattr removexattr lremovexattr
        add_key request_key
    """,
    (0, 2): "symlinkat",
    (1, 3): "renameat linkat renameat2 move_mount",
    (4,): "fanotify_mark",
}


def paths_by_number(machine: str) -> Dict[int, Tuple[int, ...]]:
    """Return which arguments of a call are text, by its number.

    >>> paths_by_number("x86_64")[257], paths_by_number("x86_64")[82], 0 in paths_by_number("x86_64")
    ((1,), (0, 1), False)
    """
    by_name = {name: places for places, names in _CALLS.items() for name in names.split()}
    numbers = SYSCALLS.get(machine, {})
    return {number: by_name[name] for number, name in numbers.items() if name in by_name}
