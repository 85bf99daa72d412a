from typing import Tuple

import pytest

from kdiag.health.exit_code import exit_code
from kdiag.health.finding import INSTANT, Finding


def found(*statuses: str) -> Tuple[Finding, ...]:
    return tuple(
        Finding(f"c.{number}", status, "", None, "", "", "", {}, (), INSTANT, "", "", "")
        for number, status in enumerate(statuses)
    )


@pytest.mark.parametrize(
    ("statuses", "fail_on", "code"),
    [
        (("ok", "info"), "warning", 0),
        (("ok", "warning"), "warning", 1),
        (("critical", "warning", "unknown"), "warning", 2),
        (("ok", "unknown"), "warning", 0),
        (("ok", "unknown"), "unknown", 3),
        (("warning", "unknown"), "unknown", 1),
        (("ok", "warning"), "critical", 0),
        (("ok", "info"), "info", 1),
        (("critical",), "never", 0),
        (("unknown", "unknown"), "never", 3),
        ((), "warning", 3),
        (("ok", "unknown", "unknown"), "warning", 3),
        (("warning", "unknown", "unknown"), "warning", 1),
    ],
)
def test_the_exit_code_follows_the_worst(statuses: Tuple[str, ...], fail_on: str, code: int) -> None:
    assert exit_code(found(*statuses), (), fail_on) == code


def test_an_essential_check_that_could_not_be_judged_is_3_unless_something_is_worse() -> None:
    assert exit_code(found("ok", "unknown"), {"c.1"}) == 3
    assert exit_code(found("warning", "unknown"), {"c.1"}) == 1
