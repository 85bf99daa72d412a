from typing import Iterator

import pytest

from kdiag.health.check import Case, Check, DoesNotApply, check, judge
from kdiag.health.finding import INSTANT, Finding, NotApplicable
from kdiag.health.sample import Sample
from kdiag.health.window import CannotJudge, Window
from kdiag.host.base import Facts
from kdiag.procfs.text import Problem


def declared(run: "object", check_id: str = "x.y") -> Check:
    return check(
        check_id,
        title="X",
        formula="x / y",
        unit="%",
        thresholds={"warning_pct": 10, "critical_pct": 20},
        source="kdiag's own",
        because="It matters.",
        next="cat /proc/x",
    )(run)  # type: ignore[arg-type]


def window() -> Window:
    return Window(Sample(Facts()), Sample(Facts()))


def test_thresholds_are_reached_not_passed_and_can_be_overridden() -> None:
    def run(case: Case) -> Iterator[Finding]:
        yield case.finding(case.above(10.0), 10.0, "seen", basis=INSTANT)

    (found,) = judge(window(), (declared(run),))
    assert isinstance(found, Finding) and found.status == "warning"
    (found,) = judge(window(), (declared(run),), {"x.y": {"warning_pct": 11.0}})
    assert isinstance(found, Finding) and found.status == "ok"
    assert found.thresholds == {"warning_pct": 11.0, "critical_pct": 20}


def test_low_is_bad_below_the_threshold() -> None:
    def run(case: Case) -> Iterator[Finding]:
        for value in (20.0, 19.9, 9.9):
            yield case.finding(case.below(value, "critical_pct", "warning_pct"), value, "seen", basis=INSTANT)

    assert [found.status for found in judge(window(), (declared(run),)) if isinstance(found, Finding)] == [
        "ok",
        "warning",
        "critical",
    ]


def test_what_cannot_be_judged_is_unknown_and_names_the_file_and_keeps_what_came_before() -> None:
    def run(case: Case) -> Iterator[Finding]:
        yield case.finding("warning", 1.0, "seen", basis=INSTANT)
        raise CannotJudge("/proc/x", "not permitted (EACCES)")

    first, second = judge(window(), (declared(run),))
    assert isinstance(first, Finding) and first.status == "warning"
    assert isinstance(second, Finding) and second.status == "unknown"
    assert second.because == "/proc/x: not permitted (EACCES)"
    assert second.evidence[0].path == "/proc/x"


def test_a_check_that_has_nothing_to_judge_says_why() -> None:
    def run(case: Case) -> Iterator[Finding]:
        raise DoesNotApply("no swap")
        yield

    assert judge(window(), (declared(run),)) == [NotApplicable("x.y", "no swap")]


def test_an_average_since_boot_is_never_judged() -> None:
    def run(case: Case) -> Iterator[Finding]:
        yield case.finding("critical", 99.0, "seen")
        yield case.finding("info", 98.0, "seen")

    first, second = judge(Window(None, Sample(Facts())), (declared(run),))
    assert isinstance(first, Finding) and (first.status, first.basis, first.value) == (
        "unknown",
        "since boot",
        99.0,
    )
    assert isinstance(second, Finding) and second.status == "info"


def test_a_check_can_ask_for_another_and_each_runs_once() -> None:
    runs = []

    def pressure(case: Case) -> Iterator[Finding]:
        runs.append("pressure")
        yield case.finding("warning", 1.0, "seen", basis=INSTANT)

    def usage(case: Case) -> Iterator[Finding]:
        yield case.finding(case.status_of("a.pressure"), 1.0, "seen", basis=INSTANT)

    found = judge(window(), (declared(usage, "a.usage"), declared(pressure, "a.pressure")))
    assert [each.id for each in found] == ["a.usage", "a.pressure"]
    assert isinstance(found[0], Finding) and found[0].status == "warning"
    assert runs == ["pressure"]


def test_a_defect_in_one_check_does_not_hide_what_the_others_found() -> None:
    def broken(case: Case) -> Iterator[Finding]:
        raise ZeroDivisionError("division by zero")
        yield

    def sound(case: Case) -> Iterator[Finding]:
        yield case.finding("critical", 1.0, "seen", basis=INSTANT)

    checks = (declared(broken, "x.broken"), declared(sound, "x.sound"))
    first, second = judge(window(), checks)
    assert isinstance(first, Finding) and first.status == "unknown"
    assert "a defect in kdiag: ZeroDivisionError" in first.because
    assert isinstance(second, Finding) and second.status == "critical"
    with pytest.raises(ZeroDivisionError):
        judge(window(), checks, strict=True)


def test_a_file_that_could_not_be_parsed_does_not_say_that_there_is_nothing() -> None:
    def run(case: Case) -> Iterator[Finding]:
        raise DoesNotApply("no disks", "/proc/x")
        yield

    garbled = Sample(Facts())
    garbled.problems.append(Problem("/proc/x", 1, "?", "numbers"))
    (found,) = judge(Window(None, garbled), (declared(run),))
    assert isinstance(found, Finding) and found.status == "unknown"
    assert found.because == "/proc/x: not all of it could be parsed"
