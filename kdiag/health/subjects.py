"""A check that looks at many disks, mounts or tasks tells of the worst, and counts the rest."""

from typing import Iterator, List

from kdiag.health.check import Case
from kdiag.health.finding import Finding, rank

__all__ = ["MOST_SUBJECTS", "shell_word", "worst_subjects"]

#: More findings of one check than this are summed up in one.
MOST_SUBJECTS = 20


def worst_subjects(case: Case, found: List[Finding]) -> Iterator[Finding]:
    """Yield the worst findings of a check, in the order given among equals, and one for all others."""
    ordered = sorted(found, key=lambda finding: -rank(finding.status))
    yield from ordered[:MOST_SUBJECTS]
    rest = ordered[MOST_SUBJECTS:]
    if rest:
        names = ", ".join(finding.subject for finding in rest[:3])
        yield case.finding(
            rest[0].status,
            len(rest),
            f"{len(rest)} more, such as {names}",
            subject="others",
            basis=rest[0].basis,
            because=rest[0].because,
        )


def shell_word(name: str) -> str:
    """Quote a name for a command that a user may paste: whoever named the thing must not run one.

    >>> shell_word("eth0"), shell_word("x;reboot")
    ('eth0', "'x;reboot'")
    """
    from shlex import quote  # not at import: few hosts need it

    return quote(name)
