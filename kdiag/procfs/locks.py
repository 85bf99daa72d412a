"""``/proc/locks``: the file locks that are held, and the requests that wait for them.

Documented in proc(5), made by lock_get_status() in fs/locks.c. A waiting request has the number of the lock
that blocks it and an arrow: ``1: -> POSIX  ADVISORY  WRITE 4711 fe:00:1312 0 EOF``. Several requests can wait
for one lock, each with a line of its own, and recent kernels indent those that wait for a waiting one.

Traps: the device is hexadecimal, the rest is decimal; a lock whose file is unknown has ``<none>:0`` in its
place. The PID is that of the reader's PID namespace: 0 where the owner is not in it, and -1 for locks of an
open file description (OFDLCK), which no process owns. Locks of processes outside the namespace may be
left out. Older kernels print an inode number above 2^63, as overlay file systems make them, as negative.
"""

from typing import List, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, hexadecimal, problem, signed, unsigned
from kdiag.records import NamedTuple

__all__ = ["Lock", "Locks", "parse_locks"]

_WANTED = "N: [->] KIND MODE ACCESS PID MAJOR:MINOR:INODE START END|EOF"
_TOKENS = 7


class Lock(NamedTuple):
    """A lock, or a request that waits for the lock of the same number; ``end`` is ``None`` for EOF."""

    number: int
    waiting: bool
    kind: str
    mode: str
    access: str
    pid: int
    major: Optional[int]
    minor: Optional[int]
    inode: Optional[int]
    start: int
    end: Optional[int]
    extra: Tuple[str, ...]


class Locks(NamedTuple):
    """All locks and requests, in the kernel's order."""

    locks: Tuple[Lock, ...]
    problems: Tuple[Problem, ...] = ()


def parse_locks(data: bytes, path: str = "/proc/locks") -> Locks:
    r"""Parse the locks.

    >>> parsed = parse_locks(
    ...     b"1: POSIX  ADVISORY  WRITE 4711 fe:00:1312 0 EOF\n"
    ...     b"1: -> POSIX  ADVISORY  WRITE 4712 fe:00:1312 0 99\n")
    >>> [(lock.number, lock.waiting, lock.pid, lock.major, lock.inode, lock.end) for lock in parsed.locks]
    [(1, False, 4711, 254, 1312, None), (1, True, 4712, 254, 1312, 99)]
    """
    problems: List[Problem] = []
    locks: List[Lock] = []
    for number, line in complete_lines(data, path, problems):
        lock = _parse_line(line)
        if lock is None:
            problems.append(problem(path, number, line, _WANTED))
        else:
            locks.append(lock)
    return Locks(tuple(locks), tuple(problems))


def _parse_line(line: bytes) -> Optional[Lock]:
    label, *tokens = line.split() or [b""]
    waiting = tokens[:1] == [b"->"]
    if waiting:
        del tokens[0]
    if not label.endswith(b":") or len(tokens) < _TOKENS:
        return None
    kind, mode, access, pid_text, file, start_text, end_text = tokens[:_TOKENS]
    number, pid, start = unsigned(label[:-1]), signed(pid_text), signed(start_text)
    end = None if end_text == b"EOF" else signed(end_text)
    if number is None or pid is None or start is None or (end is None and end_text != b"EOF"):
        return None
    identity: Tuple[Optional[int], ...] = (None, None, None)
    if file != b"<none>:0":
        parts = file.split(b":")
        if len(parts) != len(identity):
            return None
        identity = (hexadecimal(parts[0]), hexadecimal(parts[1]), signed(parts[2]))
        if None in identity:
            return None
    words = [decode(word) for word in (kind, mode, access)]
    extra = tuple([decode(token) for token in tokens[_TOKENS:]])
    return Lock._make((number, waiting, *words, pid, *identity, start, end, extra))
