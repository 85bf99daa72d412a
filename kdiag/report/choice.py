"""The mechanism that an answer comes from, and why better ones were passed over: the head of what traces."""

from typing import Any, Dict, Iterator

from kdiag.doctor.mechanism import Choice
from kdiag.report.layout import wrap
from kdiag.report.terminal import Style

__all__ = ["choice_document", "choice_lines"]


def choice_lines(choice: Choice, style: Style) -> Iterator[str]:
    """Yield the lines, wrapped.

    >>> from kdiag.doctor.mechanism import PassedOver
    >>> choice = Choice("stream", "every event is read", (PassedOver("hist", "no triggers", "a kernel"),))
    >>> print("\\n".join(choice_lines(choice, Style())))
    mechanism: stream: every event is read
      not hist: no triggers; for that: a kernel
    """
    gives = f": {choice.gives}" if choice.gives else ""
    yield from wrap(style.safe(f"mechanism: {choice.name}{gives}"), style.width, indent=2)
    for each in choice.passed_over:
        remedy = f"; for that: {each.remedy}" if each.remedy else ""
        yield from wrap(style.safe(f"  not {each.name}: {each.reason}{remedy}"), style.width, indent=4)


def choice_document(choice: Choice) -> Dict[str, Any]:
    """Return it for the envelope."""
    return {
        "name": choice.name,
        "gives": choice.gives,
        "passed_over": [each._asdict() for each in choice.passed_over],
    }
