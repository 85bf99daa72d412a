"""Files that hold one line of text: a host name, a boot id, the clock source in use."""

from typing import List, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode
from kdiag.records import NamedTuple

__all__ = ["Word", "parse_word"]


class Word(NamedTuple):
    """The first line of the file without blanks at its ends; an empty file has ``None``."""

    value: Optional[str]
    problems: Tuple[Problem, ...] = ()


def parse_word(data: bytes, path: str = "/proc/sys/kernel/hostname") -> Word:
    r"""Parse a file of one line.

    >>> parse_word(b"tsc\n").value
    'tsc'
    """
    problems: List[Problem] = []
    for _, line in complete_lines(data, path, problems):
        return Word(decode(line.strip()) or None, tuple(problems))
    return Word(None, tuple(problems))
