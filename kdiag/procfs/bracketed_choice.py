"""Files that list their choices with the one in force in brackets: ``always [madvise] never``.

Among them are ``/sys/kernel/mm/transparent_hugepage/{enabled,defrag,shmem_enabled}`` (transhuge.rst in
Documentation/admin-guide/mm), ``/sys/block/*/queue/scheduler`` (Documentation/block/switching-sched.rst) and
``/sys/kernel/security/lockdown`` (kernel_lockdown(7)).

Trap: a disk whose scheduler cannot be switched has the bare word ``none`` (elv_iosched_show in
block/elevator.c), so a word that stands alone is the one in force.
"""

from typing import List, Optional, Tuple

from kdiag.procfs.one_line import one_line
from kdiag.procfs.text import Problem, decode, problem
from kdiag.records import NamedTuple

__all__ = ["BracketedChoice", "parse_bracketed_choice"]


class BracketedChoice(NamedTuple):
    """The choices in the kernel's order, and the one in force."""

    chosen: Optional[str]
    choices: Tuple[str, ...]
    problems: Tuple[Problem, ...] = ()


_WANTED = "words with one of them in brackets"


def parse_bracketed_choice(
    data: bytes, path: str = "/sys/kernel/mm/transparent_hugepage/enabled"
) -> BracketedChoice:
    r"""Parse a list of choices.

    >>> parse_bracketed_choice(b"always [madvise] never\n")[:2]
    ('madvise', ('always', 'madvise', 'never'))
    >>> parse_bracketed_choice(b"none\n").chosen
    'none'
    """
    problems: List[Problem] = []
    line = one_line(data, path, _WANTED, problems)
    if line is None:
        return BracketedChoice(None, (), tuple(problems))
    words = line.split()
    choices = [word[1:-1] if _bracketed(word) else word for word in words]
    chosen = [word[1:-1] for word in words if _bracketed(word)] or words
    if len(chosen) != 1:
        problems.append(problem(path, 1, line, _WANTED))
        return BracketedChoice(None, (), tuple(problems))
    return BracketedChoice(decode(chosen[0]), tuple(map(decode, choices)), tuple(problems))


def _bracketed(word: bytes) -> bool:
    return len(word) > 2 and word[:1] == b"[" and word[-1:] == b"]"
