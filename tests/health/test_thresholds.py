import pytest

from kdiag.health.checks import CHECKS
from kdiag.health.thresholds import BadThreshold, parse_thresholds


def test_overrides_are_read_by_check() -> None:
    text = "# ours\n[cpu.psi]\navg60_warning_pct = 30 # a batch host\n\n; end\n"
    assert parse_thresholds(text, "t.ini", CHECKS) == {"cpu.psi": {"avg60_warning_pct": 30.0}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("avg60 = 1\n", "t.ini:1: 'avg60 = 1' stands before the first [check]"),
        ("\n[cpu.nope]\n", "t.ini:2: there is no check 'cpu.nope'"),
        ("[cpu.psi\n", "t.ini:1: '[cpu.psi' lacks its closing bracket"),
        ("[cpu.psi]\navg60_warning_pct\n", "t.ini:2: 'avg60_warning_pct' is not of the form: name = number"),
        ("[cpu.psi]\navg61 = 1\n", "t.ini:2: cpu.psi has no threshold 'avg61' (it has: avg10_critical_pct,"),
        (
            "[cpu.psi]\navg60_warning_pct = lots\n",
            "t.ini:2: avg60_warning_pct wants a number from 0 up, not 'lots'",
        ),
        ("[cpu.psi]\navg60_warning_pct = nan\n", "wants a number from 0 up, not 'nan'"),
        ("[cpu.psi]\navg60_warning_pct = -1\n", "wants a number from 0 up, not '-1'"),
        ("[cpu.psi]\navg60_warning_pct = inf\n", "wants a number from 0 up, not 'inf'"),
        (
            "[cpu.psi]\navg60_warning_pct = 1\navg60_warning_pct = 2\n",
            "t.ini:3: avg60_warning_pct of cpu.psi is given twice",
        ),
    ],
)
def test_a_bad_override_names_its_line(text: str, told: str) -> None:
    with pytest.raises(BadThreshold) as caught:
        parse_thresholds(text, "t.ini", CHECKS)
    assert told in str(caught.value)
