"""Files below ``/proc/sys``, and their like below ``/sys``, that hold one line of whole numbers.

Documented in Documentation/admin-guide/sysctl/, made by kernel/sysctl.c. The kernel ends every such line
with a newline, so one without it was cut off, and its number may be short: it is not used. Some values are
signed (-1 for "no limit").

``fs/file-nr``: allocated, unused, max; the middle one is a constant 0 since 2.6, and what is counted is open
file descriptions, not descriptors. ``fs/inode-state``: nr_inodes, nr_free, preshrink and four dummies;
``fs/inode-nr`` is the first two of them. ``fs/dentry-state``: nr_dentry, nr_unused, age_limit, want_pages,
nr_negative, dummy; the fifth is nr_negative since 5.0 and was a dummy 0 before (some vendors brought it to
older kernels), so a 0 there may mean "not counted", and it counts only negative dentries on the LRU lists.
``net/ipv4/tcp_mem``: the three thresholds, in pages, that ``mem`` of TCP in /proc/net/sockstat is held to.
"""

from typing import List, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, problem, signed
from kdiag.records import NamedTuple

__all__ = [
    "DentryState",
    "FileNr",
    "InodeState",
    "Integer",
    "Integers",
    "TcpMem",
    "parse_dentry_state",
    "parse_file_nr",
    "parse_inode_state",
    "parse_integer",
    "parse_integers",
    "parse_tcp_mem",
]


class Integer(NamedTuple):
    """The one number of a file."""

    value: Optional[int]
    problems: Tuple[Problem, ...] = ()


class Integers(NamedTuple):
    """The numbers of a file of several columns; none at all if one of them cannot be read."""

    values: Tuple[int, ...]
    problems: Tuple[Problem, ...] = ()


class FileNr(NamedTuple):
    """Open file descriptions of the whole kernel, and how many there may be."""

    allocated: Optional[int]
    unused: Optional[int]
    max: Optional[int]
    extra: Tuple[int, ...]
    problems: Tuple[Problem, ...] = ()


class InodeState(NamedTuple):
    """Inodes in memory; ``extra`` holds the dummies."""

    nr_inodes: Optional[int]
    nr_free: Optional[int]
    preshrink: Optional[int]
    extra: Tuple[int, ...]
    problems: Tuple[Problem, ...] = ()


class DentryState(NamedTuple):
    """Dentries in memory."""

    nr_dentry: Optional[int]
    nr_unused: Optional[int]
    age_limit_s: Optional[int]
    want_pages: Optional[int]
    nr_negative_or_dummy: Optional[int]
    dummy: Optional[int]
    extra: Tuple[int, ...]
    problems: Tuple[Problem, ...] = ()


class TcpMem(NamedTuple):
    """TCP takes what it wants below ``low``, saves from ``pressure`` on, and may not exceed ``high``."""

    low_pages: Optional[int]
    pressure_pages: Optional[int]
    high_pages: Optional[int]
    extra: Tuple[int, ...]
    problems: Tuple[Problem, ...] = ()


def parse_integer(data: bytes, path: str) -> Integer:
    r"""Parse a file that holds one number.

    >>> parse_integer(b"60\n", "/proc/sys/vm/swappiness").value
    60
    >>> cut_off = parse_integer(b"6", "/proc/sys/vm/swappiness")
    >>> cut_off.value, cut_off.problems[0].wanted
    (None, 'a newline at the end (file cut off)')
    """
    problems: List[Problem] = []
    values = _columns(data, path, "one whole number", 1, 1, problems)
    return Integer(values[0] if values else None, tuple(problems))


def parse_integers(data: bytes, path: str) -> Integers:
    r"""Parse a file that holds several numbers in one line.

    >>> parse_integers(b"32768\t60999\n", "/proc/sys/net/ipv4/ip_local_port_range").values
    (32768, 60999)
    """
    problems: List[Problem] = []
    return Integers(tuple(_columns(data, path, "whole numbers", 1, None, problems)), tuple(problems))


def parse_file_nr(data: bytes, path: str = "/proc/sys/fs/file-nr") -> FileNr:
    r"""Parse ``file-nr``.

    >>> parse_file_nr(b"413\t0\t2466177\n").max
    2466177
    """
    problems: List[Problem] = []
    return FileNr._make(_record(data, path, 3, 3, problems))


def parse_inode_state(data: bytes, path: str = "/proc/sys/fs/inode-state") -> InodeState:
    r"""Parse ``inode-state``, or ``inode-nr``, which is its first two columns.

    >>> parse_inode_state(b"14082\t7\t0\t0\t0\t0\t0\n").nr_free
    7
    """
    problems: List[Problem] = []
    return InodeState._make(_record(data, path, 2, 3, problems))


def parse_dentry_state(data: bytes, path: str = "/proc/sys/fs/dentry-state") -> DentryState:
    r"""Parse ``dentry-state``.

    >>> parse_dentry_state(b"17069\t15708\t45\t0\t2827\t0\n").nr_negative_or_dummy
    2827
    """
    problems: List[Problem] = []
    return DentryState._make(_record(data, path, 6, 6, problems))


def parse_tcp_mem(data: bytes, path: str = "/proc/sys/net/ipv4/tcp_mem") -> TcpMem:
    r"""Parse ``tcp_mem``, or ``udp_mem``, which has the same columns.

    >>> parse_tcp_mem(b"287901\t383868\t575802\n").pressure_pages
    383868
    """
    problems: List[Problem] = []
    return TcpMem._make(_record(data, path, 3, 3, problems))


def _record(data: bytes, path: str, least: int, known: int, problems: List[Problem]) -> Tuple[object, ...]:
    """Return ``known`` numbers or Nones, the tuple of numbers that came after them, and the problems."""
    values = _columns(data, path, f"{least} or more whole numbers", least, None, problems)
    missing = [None] * (known - len(values))
    return (*values[:known], *missing, tuple(values[known:]), tuple(problems))


def _columns(
    data: bytes, path: str, wanted: str, least: int, most: Optional[int], problems: List[Problem]
) -> List[int]:
    """Return the numbers of the first line, and nothing if the line is not what is wanted."""
    first: List[int] = []
    if not data:
        problems.append(problem(path, 1, data, wanted))
    for number, line in complete_lines(data, path, problems):
        values = [signed(token) for token in line.split()]
        numbers = [value for value in values if value is not None]
        bad = len(numbers) < max(least, len(values)) or (most is not None and len(numbers) > most)
        if bad or number > 1:
            problems.append(problem(path, number, line, wanted if number == 1 else "no second line"))
        else:
            first = numbers
    return first
