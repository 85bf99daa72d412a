"""``/proc/<pid>/io``: what a process read and wrote.

Documented in proc_pid_io(5) and Documentation/filesystems/proc.rst, made by do_io_accounting() in
fs/proc/base.c. ``rchar`` and ``wchar`` are bytes through system calls, whether a disk was needed or not.
``read_bytes`` were fetched from storage. ``write_bytes`` are counted when a page is made dirty, not when it
is written; a file removed in time gives them back as ``cancelled_write_bytes``, possibly in another
process. What a process's threads and the children it waited for did is counted in.

Mode 0400, and reading it needs the right to ptrace the process.
"""

from typing import List, Mapping, Optional, Tuple

from kdiag.procfs.flat_keyed import flat_keyed
from kdiag.procfs.text import Problem
from kdiag.records import NamedTuple

__all__ = ["PidIo", "parse_pid_io"]


class PidIo(NamedTuple):
    """Bytes and calls since the process started."""

    rchar_bytes: Optional[int]
    wchar_bytes: Optional[int]
    syscr: Optional[int]
    syscw: Optional[int]
    read_bytes: Optional[int]
    write_bytes: Optional[int]
    cancelled_write_bytes: Optional[int]
    extra: Mapping[str, int]
    problems: Tuple[Problem, ...] = ()


def parse_pid_io(data: bytes, path: str = "/proc/<pid>/io") -> PidIo:
    r"""Parse a process's io file.

    >>> io = parse_pid_io(b"rchar: 6976\nwchar: 0\nsyscr: 10\nread_bytes: 4096\n")
    >>> io.rchar_bytes, io.read_bytes, io.write_bytes
    (6976, 4096, None)
    """
    problems: List[Problem] = []
    found = flat_keyed(data, path, problems, separator=b": ")
    return PidIo(
        rchar_bytes=found.pop("rchar", None),
        wchar_bytes=found.pop("wchar", None),
        syscr=found.pop("syscr", None),
        syscw=found.pop("syscw", None),
        read_bytes=found.pop("read_bytes", None),
        write_bytes=found.pop("write_bytes", None),
        cancelled_write_bytes=found.pop("cancelled_write_bytes", None),
        extra=found,
        problems=tuple(problems),
    )
