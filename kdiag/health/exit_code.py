"""The exit code of `snapshot` and `check`: 0 ok or info, 1 warning, 2 critical, 3 could not judge."""

from typing import Container, Iterable

from kdiag.health.check import Verdict
from kdiag.health.finding import Finding

__all__ = ["CRITICAL", "NOT_JUDGED", "OK", "WARNING", "exit_code"]

OK, WARNING, CRITICAL, NOT_JUDGED = 0, 1, 2, 3


def exit_code(verdicts: Iterable[Verdict], essential: Container[str], fail_on: str = "warning") -> int:
    """Return the exit code for some verdicts.

    3 if an ``essential`` check (one whose files every kernel shows to everyone) could not be judged and
    nothing is worse, or if more checks could not be judged than could. ``fail_on`` moves the line: ``info``
    lets an info exit with 1, ``critical`` lets a warning exit with 0, ``unknown`` lets any unknown exit with
    3, ``never`` is always 0 unless nothing could be judged.
    """
    findings = [verdict for verdict in verdicts if isinstance(verdict, Finding)]
    statuses = {finding.status for finding in findings}
    if not statuses - {"unknown"}:
        return NOT_JUDGED
    if fail_on == "never":
        return OK
    if "critical" in statuses:
        return CRITICAL
    if "warning" in statuses and fail_on != "critical":
        return WARNING
    unknown = {finding.id for finding in findings if finding.status == "unknown"}
    if unknown and (fail_on == "unknown" or any(check_id in essential for check_id in unknown)):
        return NOT_JUDGED
    judged = {finding.id for finding in findings if finding.status != "unknown"}
    if len(unknown - judged) > len(judged):
        return NOT_JUDGED
    return WARNING if fail_on == "info" and "info" in statuses else OK
