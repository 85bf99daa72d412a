import re
from typing import Dict, Optional

import pytest
from hypothesis import given, settings

from kdiag.health.finding import SINCE_BOOT, Finding
from kdiag.report.nagios import gauges, status_line
from kdiag.report.terminal import Style
from tests.report.samples import SICK, WELL, finding, unknown
from tests.report.test_escape import ANY_TEXT

UTF_8 = Style()
#: 'label'=value[UOM];[warn];[crit], as the Monitoring Plugins guidelines have it.
PERFDATA = re.compile(r"'(?:[^'=|]|'')+'=-?[0-9]+(?:\.[0-9]+)?(?:%|s|B|c)?(?:;[0-9.]*:?;[0-9.]*:?)?")


def perfdata(*findings: Finding) -> str:
    return status_line(WELL._replace(findings=findings), UTF_8).partition(" | ")[2]


def percent(
    value: Optional[float], thresholds: Optional[Dict[str, float]] = None, unit: str = "%"
) -> Finding:
    return finding("a.b", "ok", "so so", value=value, unit=unit, thresholds=thresholds)


def test_the_worst_finding_is_told_and_the_others_are_named() -> None:
    text, _, values = status_line(SICK, UTF_8).partition(" | ")
    assert text == (
        "KDIAG CRITICAL - mem.psi: full avg10 is 43.1% (critical from 40%); "
        r"+1 critical: fs.space /mnt/\x1b[2J\x0aCRI...is well\x7c\u202e`rm`; "
        "+8 warnings: io.psi, fs.space (7); 3 not judged: cpu.psi, cpu.irq_psi, proc.fd_limit"
    )
    assert values.startswith(r"'mem.psi'=43.1%;5;40 'fs.space_/mnt/\x1b[2J\x0aCRITICAL all is well\x7c")
    assert "'fs.space_/data/0'=3%;10:;3: " in values


def test_a_host_that_is_well_says_so_and_counts_what_is_not_known() -> None:
    assert status_line(WELL, UTF_8) == (
        "KDIAG OK - nothing wrong found, 3 not judged: cpu.psi, cpu.irq_psi, proc.fd_limit; "
        "2 checks passed, 1 does not apply | 'cpu.util'=12% 'task.zombie'=0"
    )


def test_a_host_that_could_not_be_judged_is_unknown() -> None:
    blind = WELL._replace(findings=(unknown("mem.available", "/proc/meminfo", "gone"),), exit_code=3)
    assert status_line(blind, UTF_8) == (
        "KDIAG UNKNOWN - cannot tell whether anything is wrong, 1 not judged: mem.available; "
        "0 checks passed, 1 does not apply"
    )


def test_an_info_that_is_to_fail_is_named() -> None:
    informed = WELL._replace(findings=(finding("sys.taint", "info", "P"),), exit_code=1)
    assert status_line(informed, UTF_8) == (
        "KDIAG WARNING - nothing wrong found; 0 checks passed, 1 does not apply; 1 info: sys.taint"
    )


@pytest.mark.parametrize(
    ("thresholds", "ranges"),
    [
        ({"warning_pct": 10, "critical_pct": 25}, ";10;25"),  # bad when high
        ({"warning_pct": 10, "critical_pct": 3.5}, ";10:;3.5:"),  # bad when low
        ({"warning_pct": 10}, ""),  # nobody can tell
        ({"warning_pct": 10, "critical_pct": 10}, ""),
        ({"avg60_warning_pct": 10, "avg10_critical_pct": 40}, ""),  # not thresholds of this value
        ({"warning_per_s": 1, "critical_per_s": 5}, ""),
    ],
)
def test_thresholds_are_ranges_on_the_side_that_is_bad(thresholds: Dict[str, float], ranges: str) -> None:
    assert perfdata(percent(7.25, thresholds)) == f"'a.b'=7.25%{ranges}"


@pytest.mark.parametrize(
    ("unit", "value", "shown"),
    [
        ("%", 1e-9, "'a.b'=0%"),
        ("s", 0.25, "'a.b'=0.25s"),
        ("B", 2**64, "'a.b'=18446744073709551616B"),
        ("c", 3, "'a.b'=3c"),
        ("", -1.5, "'a.b'=-1.5"),
        ("KiB", 12, ""),
        ("%", None, ""),
        ("%", float("nan"), ""),
    ],
)
def test_values_are_plain_numbers_in_units_that_perfdata_know(
    unit: str, value: Optional[float], shown: str
) -> None:
    assert perfdata(percent(value, unit=unit)) == shown


def test_what_is_not_judged_or_kept_since_boot_has_no_place_in_a_graph() -> None:
    kept = percent(5)._replace(status="info", basis=SINCE_BOOT)
    assert gauges(WELL._replace(findings=(kept, percent(5)._replace(status="unknown")))) == []


def test_a_label_is_given_once() -> None:
    assert perfdata(percent(5), percent(6)) == "'a.b'=5%"


def test_a_quote_in_a_label_is_doubled_and_an_equals_sign_written_out() -> None:
    odd = percent(5)._replace(subject="it's a=b")
    assert perfdata(odd) == r"'a.b_it''s a\x3db'=5%"


def test_a_line_that_would_be_too_long_says_how_much_it_leaves_out() -> None:
    mounts = tuple(percent(5)._replace(id="fs.space", subject=f"/data/{number:06}") for number in range(5000))
    line = status_line(WELL._replace(findings=mounts), UTF_8)
    assert 8100 < len(line.encode()) <= 8192
    text, _, values = line.partition(" | ")
    left_out = re.search(r"; ([0-9]+) values left out$", text)
    assert left_out is not None
    assert len(values.split()) + int(left_out.group(1)) == 5000


def test_a_line_is_ascii_where_the_encoding_is() -> None:
    odd = finding("a.b", "critical", "größe", subject="木", value=1.0)
    assert status_line(WELL._replace(findings=(odd,), exit_code=2), Style(encoding="ascii")) == (
        r"KDIAG CRITICAL - a.b \u6728: gr\xf6\xdfe | 'a.b_\u6728'=1%"
    )


@settings(max_examples=80, deadline=None)
@given(ANY_TEXT)
def test_no_name_breaks_the_line_or_the_perfdata(name: str) -> None:
    hostile = finding("a.b", "warning", name, subject=name, value=5.0)
    line = status_line(WELL._replace(findings=(hostile,), exit_code=1), UTF_8)
    assert line.isprintable()
    assert line.count("|") == 1
    assert PERFDATA.fullmatch(line.partition(" | ")[2])
