from kdiag.report.layout import display_width
from kdiag.report.listing import checks_lines, explain_lines, files_lines
from kdiag.report.terminal import Style
from tests.report.golden_files import assert_golden
from tests.report.test_json_envelope import CHECK, FILE

STEAL = CHECK._replace(
    id="cpu.steal",
    title="CPU time stolen by the hypervisor",
    formula="d(steal) / d(user+nice+system+idle+iowait+irq+softirq+steal)",
    thresholds={"warning_pct": 10, "critical_pct": 25},
    source="netdata 10 % over 20 minutes",
    because="The hypervisor does not give this guest the CPU time that it asks for, and nothing in it shows.",
    next="ask the hypervisor's owner for its CPU contention figures",
    essential=False,
)


def test_a_check_is_explained() -> None:
    assert_golden("explain.txt", explain_lines(STEAL, Style(80)))


def test_a_check_without_thresholds_says_so() -> None:
    shown = list(explain_lines(CHECK._replace(thresholds={}, unit=""), Style(80)))
    assert "thresholds  none" in shown
    assert not any(line.startswith("unit") for line in shown)
    assert "essential   yes: where it cannot be judged, and nothing is wrong, the exit code" in shown


def test_all_checks_are_listed() -> None:
    assert list(checks_lines([CHECK, STEAL], Style(80))) == [
        "id         what                               thresholds",
        "mem.psi    Memory pressure                    warning_pct=10",
        "cpu.steal  CPU time stolen by the hypervisor  warning_pct=10, critical_pct=25",
    ]


def test_all_files_are_listed() -> None:
    slab = {
        **FILE,
        "path": "/proc/slabinfo",
        "parser": "slabinfo:parse_slabinfo",
        "who": "root",
        "cost": "dear",
        "when": "asked",
        "sections": ("slab",),
    }
    assert list(files_lines([FILE, slab], Style(80))) == [
        "path            since      who     cost  parser                  when   sections",
        "/proc/stat      <= 2.6.32  anyone  cpus  stat:parse_stat         both",
        "/proc/slabinfo  <= 2.6.32  root    dear  slabinfo:parse_slabin…  asked  slab",
    ]


def test_nothing_is_wider_than_the_terminal() -> None:
    for lines in (
        explain_lines(STEAL, Style(40)),
        checks_lines([STEAL], Style(40)),
        files_lines([FILE], Style(40)),
    ):
        assert max(display_width(line) for line in lines) <= 40
