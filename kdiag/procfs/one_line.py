"""Kernel files that are one line: neither cut off, nor empty, nor more than that line."""

from typing import List, Optional

from kdiag.procfs.text import Problem, complete_lines, problem

__all__ = ["one_line"]


def one_line(data: bytes, path: str, wanted: str, problems: List[Problem]) -> Optional[bytes]:
    r"""Return the file's one line; ``None``, with a problem, if there is no complete one.

    Lines beyond the first are problems too.

    >>> found = []
    >>> one_line(b"100000\n", "/proc/x", "a number", found), found
    (b'100000', [])
    >>> one_line(b"", "/proc/x", "a number", found), found
    (None, [Problem(path='/proc/x', line=1, text='', wanted='a number')])
    """
    line, newline, rest = data.partition(b"\n")
    if newline and not rest:
        return line
    if not data:
        problems.append(problem(path, 1, data, wanted))
        return None
    lines = list(complete_lines(data, path, problems))
    problems.extend(problem(path, number, more, "nothing after the first line") for number, more in lines[1:])
    return lines[0][1] if lines else None
