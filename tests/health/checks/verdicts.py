"""What the checks say of a window: the findings of one of them, or why it does not apply."""

from typing import List, Optional

from kdiag.health.check import Thresholds, Verdict, judge
from kdiag.health.checks import CHECKS
from kdiag.health.finding import Finding, NotApplicable
from kdiag.health.window import Window


def verdicts(window: Window, check_id: str, thresholds: Optional[Thresholds] = None) -> List[Verdict]:
    return [each for each in judge(window, CHECKS, thresholds, strict=True) if each.id == check_id]


def findings(window: Window, check_id: str, thresholds: Optional[Thresholds] = None) -> List[Finding]:
    return [each for each in verdicts(window, check_id, thresholds) if isinstance(each, Finding)]


def only(window: Window, check_id: str, thresholds: Optional[Thresholds] = None) -> Finding:
    """Return the one finding of a check."""
    (finding,) = findings(window, check_id, thresholds)
    return finding


def not_applicable(window: Window, check_id: str) -> str:
    """Return why a check does not apply, and nothing else is said by it."""
    (verdict,) = verdicts(window, check_id)
    assert isinstance(verdict, NotApplicable)
    return verdict.reason
