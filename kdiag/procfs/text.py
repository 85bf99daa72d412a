"""What all parsers of kernel text share: complete lines, strict numbers, names as the kernel escapes them.

Two traps are dealt with here once. A file whose last byte is not a newline was cut off, and its last
number may be silently short: that line is never used. And Python's ``int()`` takes ``1_000`` and
``+5``, which no kernel file holds.
"""

import re
from typing import Iterator, List, Optional, Tuple

from kdiag.records import NamedTuple

__all__ = [
    "Problem",
    "complete_lines",
    "decimal",
    "decode",
    "hexadecimal",
    "problem",
    "signed",
    "unescape_octal",
    "unsigned",
]

_SHOWN_BYTES = 120
_MAX_DIGITS = 40
# Left to re's own cache: compiling at import would cost every start, and few names need it.
_OCTAL = rb"\\([0-7]{3})"


class Problem(NamedTuple):
    """A line that could not be parsed. ``line`` counts from 1; ``text`` is what stood there, cut short."""

    path: str
    line: int
    text: str
    wanted: str


def decode(name: bytes) -> str:
    """Decode a name that any process or administrator may have chosen, losing no byte of it.

    >>> decode(b"sda1")
    'sda1'
    """
    return name.decode("utf-8", "surrogateescape")


def problem(path: str, line: int, text: bytes, wanted: str) -> Problem:
    """Describe a bad line; only the first bytes of it are kept."""
    return Problem(path, line, text[:_SHOWN_BYTES].decode("utf-8", "backslashreplace"), wanted)


def complete_lines(data: bytes, path: str, problems: List[Problem]) -> Iterator[Tuple[int, bytes]]:
    """Yield ``(line number from 1, line)``; a last line without its newline becomes a problem instead.

    >>> found = []
    >>> list(complete_lines(b"a 1\\nb 2", "/proc/x", found))
    [(1, b'a 1')]
    >>> found[0].line, found[0].wanted
    (2, 'a newline at the end (file cut off)')
    """
    *lines, tail = data.split(b"\n")
    yield from enumerate(lines, 1)
    if tail:
        problems.append(problem(path, len(lines) + 1, tail, "a newline at the end (file cut off)"))


def unsigned(token: bytes) -> Optional[int]:
    """Return the decimal number that ``token`` is, or ``None``.

    Longer than any counter is no number either: ``int()`` raises on thousands of digits.

    >>> unsigned(b"18446744073709551615"), unsigned(b"-1"), unsigned(b"1_0"), unsigned(b"")
    (18446744073709551615, None, None, None)
    """
    return int(token) if token.isdigit() and len(token) <= _MAX_DIGITS else None


def signed(token: bytes) -> Optional[int]:
    """Return the decimal number, which may be negative, that ``token`` is, or ``None``.

    >>> signed(b"-1"), signed(b"7"), signed(b"--1")
    (-1, 7, None)
    """
    if token[:1] == b"-":
        value = unsigned(token[1:])
        return None if value is None else -value
    return unsigned(token)


def decimal(token: bytes) -> Optional[float]:
    """Return the number that digits, a point and digits make, or ``None``; ``float()`` would take ``nan``.

    >>> decimal(b"12.30"), decimal(b"nan"), decimal(b"1e9"), decimal(b"5")
    (12.3, None, None, None)
    """
    whole, _, fraction = token.partition(b".")
    return float(token) if whole.isdigit() and fraction.isdigit() and len(token) <= _MAX_DIGITS else None


def hexadecimal(token: bytes) -> Optional[int]:
    """Return the number that bare hexadecimal digits make, or ``None``.

    >>> hexadecimal(b"0000ff"), hexadecimal(b"0x1"), hexadecimal(b"")
    (255, None, None)
    """
    if not 0 < len(token) <= _MAX_DIGITS or token.strip(b"0123456789abcdefABCDEF"):
        return None
    return int(token, 16)


def unescape_octal(name: bytes) -> bytes:
    r"""Undo the kernel's mangling of blanks in paths (``\040`` and its kin, fs/seq_file.c mangle_path).

    >>> unescape_octal(rb"/mnt/my\040disk")
    b'/mnt/my disk'
    """
    if b"\\" not in name:
        return name
    return re.sub(_OCTAL, lambda match: bytes([int(match.group(1), 8) & 0xFF]), name)
