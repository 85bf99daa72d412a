"""``/proc/version``: the kernel's release, and by whom, with what and when it was built.

Documented in proc(5), made by fs/proc/version.c from the kernel's banner: ``Linux version RELEASE (USER@HOST)
(COMPILER) BUILD``, where BUILD is what ``uname -v`` prints. Sandboxes that imitate the file may leave the
parentheses out. Behind its numbers the release is free text, and as distributions backport, the numbers say
little of what works.
"""

import re
from typing import List, Optional, Tuple

from kdiag.procfs.one_line import one_line
from kdiag.procfs.text import Problem, decode, problem
from kdiag.records import NamedTuple

__all__ = ["KernelVersion", "parse_version"]


class KernelVersion(NamedTuple):
    """The banner's parts; one that it does not hold is ``None``."""

    system: Optional[str]
    release: Optional[str]
    builder: Optional[str]
    compiler: Optional[str]
    build: Optional[str]
    problems: Tuple[Problem, ...] = ()

    @property
    def numbers(self) -> Tuple[int, ...]:
        """The numbers that the release begins with, for people and for sorting; empty if there are none.

        >>> KernelVersion("Linux", "6.18.44-custom", None, None, None).numbers
        (6, 18, 44)
        """
        match = re.match(_NUMBERS, self.release or "")
        return tuple(map(int, match.group().split("."))) if match else ()


_WANTED = "Linux version RELEASE ..."
_NUMBERS = r"[0-9]{1,9}(?:\.[0-9]{1,9})*"
_BANNER = re.compile(
    rb"(?P<system>\S+) version (?P<release>\S+)"
    rb"(?: \((?P<builder>[^()]*)\))?"
    rb"(?: \((?P<compiler>.*)\))?"
    rb"(?: (?P<build>#.*))?"
)


def parse_version(data: bytes, path: str = "/proc/version") -> KernelVersion:
    r"""Parse ``/proc/version``.

    >>> parsed = parse_version(
    ...     b"Linux version 6.18.44 (root@host) (gcc (GCC) 15.3.0, GNU ld 2.46) #1 SMP PREEMPT_DYNAMIC @0\n")
    >>> parsed.release, parsed.builder, parsed.compiler, parsed.build
    ('6.18.44', 'root@host', 'gcc (GCC) 15.3.0, GNU ld 2.46', '#1 SMP PREEMPT_DYNAMIC @0')
    """
    problems: List[Problem] = []
    line = one_line(data, path, _WANTED, problems)
    match = None if line is None else _BANNER.fullmatch(line)
    if match is None:
        if line is not None:
            problems.append(problem(path, 1, line, _WANTED))
        return KernelVersion(None, None, None, None, None, tuple(problems))
    parts = [None if part is None else decode(part) for part in match.groups()]
    return KernelVersion._make([*parts, tuple(problems)])
