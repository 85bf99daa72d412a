"""``/proc/filesystems``: the types of file system that this kernel can mount now.

Documented in Documentation/filesystems/proc.rst, made by filesystems_proc_show() in fs/filesystems.c. One
type a line behind a tab; ``nodev`` before the tab marks a type that needs no block device (proc, tmpfs,
nfs). A type whose module is not loaded yet is not in the list, so absence does not mean unsupported.
"""

from typing import List, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem
from kdiag.records import NamedTuple

__all__ = ["FilesystemType", "Filesystems", "parse_filesystems"]


class FilesystemType(NamedTuple):
    """A type, and whether it does without a block device."""

    name: str
    nodev: bool


class Filesystems(NamedTuple):
    """All types, in the order in which they were registered."""

    types: Tuple[FilesystemType, ...]
    problems: Tuple[Problem, ...] = ()


def parse_filesystems(data: bytes, path: str = "/proc/filesystems") -> Filesystems:
    r"""Parse the types of file system.

    >>> parse_filesystems(b"nodev\tproc\n\text4\n").types
    (FilesystemType(name='proc', nodev=True), FilesystemType(name='ext4', nodev=False))
    """
    problems: List[Problem] = []
    types: List[FilesystemType] = []
    for number, line in complete_lines(data, path, problems):
        flag, tab, name = line.partition(b"\t")
        if flag not in (b"", b"nodev") or not tab or not name:
            problems.append(problem(path, number, line, "[nodev] TAB NAME"))
        else:
            types.append(FilesystemType(decode(name), flag == b"nodev"))
    return Filesystems(tuple(types), tuple(problems))
