"""Files that list their choices with the one in force in brackets: ``always [madvise] never``.

``/sys/kernel/mm/transparent_hugepage/{enabled,defrag,shmem_enabled}`` (Documentation/admin-guide/mm/transhuge.rst),
``/sys/block/*/queue/scheduler`` (Documentation/block/switching-sched.rst), ``/sys/kernel/security/lockdown``
(kernel_lockdown(7)).

Trap: a disk whose scheduler cannot be switched has the bare word ``none`` (elv_iosched_show in block/elevator.c), so
a word that stands alone is the one in force.
"""

from typing import List, NamedTuple, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem

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
    found: Optional[BracketedChoice] = None
    for number, line in complete_lines(data, path, problems):
        parsed = _parse_words(line.split())
        if parsed is None or found is not None:
            problems.append(problem(path, number, line, _WANTED))
        else:
            found = parsed
    if not data:
        problems.append(problem(path, 1, data, _WANTED))
    return (found or BracketedChoice(None, ()))._replace(problems=tuple(problems))


def _parse_words(words: List[bytes]) -> Optional[BracketedChoice]:
    bracketed = [word[1:-1] for word in words if len(word) > 2 and word[:1] == b"[" and word[-1:] == b"]"]
    chosen = bracketed if bracketed or len(words) != 1 else words
    if len(chosen) != 1:
        return None
    choices = tuple(decode(word.strip(b"[]")) for word in words)
    return BracketedChoice(decode(chosen[0]), choices)
