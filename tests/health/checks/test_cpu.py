from typing import Dict, List, Mapping, Optional, Tuple

from kdiag.health.check import Thresholds, judge
from kdiag.health.checks import CHECKS
from kdiag.health.checks.cpu import CHECKS as CPU_CHECKS
from kdiag.health.finding import Finding
from kdiag.health.window import Window
from kdiag.host.memory import Content
from tests.health.windows import BARE_FACTS, window_of

STAT = "/proc/stat"


def findings(window: Window, check_id: str, thresholds: Optional[Thresholds] = None) -> List[Finding]:
    return [
        verdict
        for verdict in judge(window, CHECKS, thresholds)
        if isinstance(verdict, Finding) and verdict.id == check_id
    ]


def only(window: Window, check_id: str, thresholds: Optional[Thresholds] = None) -> Finding:
    (finding,) = findings(window, check_id, thresholds)
    return finding


def running(first: int, last: int) -> Tuple[Mapping[str, Content], Mapping[str, Content]]:
    first_stat, last_stat = (
        b"cpu  0 0 0 %d\ncpu0 0 0 0 %d\ncpu1 0 0 0 %d\nprocs_running %d\n" % (2 * idle, idle, idle, count)
        for idle, count in ((0, first), (100, last))
    )
    return {STAT: first_stat}, {STAT: last_stat}


def test_a_finding_shows_the_numbers_and_the_line_that_it_rests_on() -> None:
    finding = only(window_of(), "cpu.util")
    assert (finding.status, finding.value, finding.unit) == ("ok", 5.0, "%")
    assert finding.summary == "the CPUs are busy 5.0% of the time"
    assert finding.basis == "rate over 1.0 s"
    assert [f"{each} {each.raw}" for each in finding.evidence] == [
        "/proc/stat:1 cpu  7381 1 2500 338428 170 0 35 7 0 0"
    ]


def test_an_average_since_boot_is_shown_and_never_judged() -> None:
    busy = {
        STAT: b"cpu  10 40 10 0 0 0 40 0 10 0\ncpu0 10 40 10 0 0 0 40 0 10 0\ncpu1 0 0 0 100 0 0 0 0 0 0\n"
    }
    once = window_of(last=busy, once=True)
    shares = [each.id for each in CPU_CHECKS if each.id not in ("cpu.runq", "cpu.load", "cpu.load_blocked")]
    assert len(shares) == 8
    for check_id in shares:
        finding = only(once, check_id)
        assert (finding.status, finding.basis) == ("unknown", "since boot"), check_id
    assert only(once, "cpu.util").value == 100.0


def test_one_low_run_queue_acquits_and_one_high_one_proves_nothing() -> None:
    low = only(window_of(last=running(0, 3)[1], once=True), "cpu.runq")
    assert (low.status, low.value, low.basis) == ("ok", 1.0, "instant")
    high = only(window_of(last=running(0, 4)[1], once=True), "cpu.runq")
    assert (high.status, high.value) == ("unknown", None)
    assert "tasks that run or wait: 3 on 2 CPUs, which in one reading alone may be chance" in high.because


def test_the_run_queue_is_the_lower_of_both_readings_without_the_reader() -> None:
    finding = only(window_of(*running(8, 5)), "cpu.runq")
    assert (finding.status, finding.value) == ("warning", 2.0)
    assert finding.summary == "tasks that run or wait for a CPU: 7, then 4; CPUs: 2"


def test_load_is_told_with_its_parts() -> None:
    loaded: Dict[str, Content] = {"/proc/loadavg": b"9.00 8.50 4.10 5/118 1800\n"}
    finding = only(window_of(loaded, {**running(0, 6)[1], **loaded}), "cpu.load")
    assert finding.value == 4.25  # load5: load1 has not reached 8 for each CPU
    assert finding.summary == (
        "load 9.00, 8.50, 4.10 over 1, 5 and 15 min, CPUs: 2; "
        "now 5 run or wait for a CPU, 0 blocked in state D"
    )
    hidden: Dict[str, Content] = {"/proc/loadavg": b"9.00 8.50 4.10 5/900 1800\n", STAT: 13}
    assert only(window_of(hidden, hidden), "cpu.load").summary.endswith(
        "now an unknown number run or wait for a CPU, 0 or more blocked in state D"
    )


def test_load_needs_no_second_reading() -> None:
    loaded = {"/proc/loadavg": b"0.10 0.10 4.00 1/118 1800\n"}
    finding = only(window_of(last=loaded, once=True), "cpu.load")
    assert (finding.status, finding.value, finding.basis) == ("info", 2.0, "instant")


def test_a_host_with_one_cpu_has_no_single_hot_one() -> None:
    first, last = b"cpu  0 0 0 0\ncpu0 0 0 0 0\n", b"cpu  99 0 0 1\ncpu0 99 0 0 1\n"
    assert findings(window_of({STAT: first}, {STAT: last}), "cpu.one_hot") == []


def test_a_stat_file_without_single_cpus_leaves_what_needs_them_unknown() -> None:
    window = window_of({STAT: b"cpu  0 0 0 0 0 0 0 0\n"}, {STAT: b"cpu  20 0 0 80 0 0 0 0\n"})
    assert only(window, "cpu.util").value == 20.0
    assert only(window, "cpu.one_hot").status == "unknown"
    assert only(window, "cpu.softirq_hot").because == "/proc/stat: no usable cpuN line in it"


def test_a_column_that_is_not_there_is_unknown_and_no_0() -> None:
    four = window_of(
        {STAT: b"cpu  0 0 0 0\ncpu0 0 0 0 0\ncpu1 0 0 0 0\n"},
        {STAT: b"cpu  40 0 0 160\ncpu0 20 0 0 80\ncpu1 20 0 0 80\n"},
    )
    for check_id in ("cpu.steal", "cpu.iowait", "cpu.softirq_hot", "cpu.guest"):
        assert only(four, check_id).status == "unknown", check_id
    assert only(four, "cpu.guest").because == "/proc/stat: the column guest is not in it"


def test_more_than_twenty_hot_cpus_are_summed_up() -> None:
    cpus = range(30)
    first = b"cpu  0 0 0 0 0 0 0 0\n" + b"".join(b"cpu%d 0 0 0 0 0 0 0 0\n" % cpu for cpu in cpus)
    last = b"cpu  0 0 0 1200 0 0 1800 0\n" + b"".join(b"cpu%d 0 0 0 40 0 0 60 0\n" % cpu for cpu in cpus)
    found = findings(window_of({STAT: first}, {STAT: last}), "cpu.softirq_hot")
    assert [finding.subject for finding in found] == [*(f"cpu{cpu}" for cpu in range(20)), ""]
    assert found[0].summary == "cpu0 serves interrupts 60.0% of the time (60.0% softirq, 0.0% irq)"
    assert found[-1].summary == "CPUs beyond these: 10, busy with interrupts 60.0% at most"


def test_shares_need_no_clock_tick() -> None:
    finding = only(window_of(facts=BARE_FACTS), "cpu.util")
    assert (finding.status, finding.value) == ("ok", 5.0)


def test_thresholds_that_were_replaced_are_the_ones_that_count() -> None:
    assert only(window_of(), "cpu.util", {"cpu.util": {"info_pct": 5.0}}).status == "info"
    assert only(window_of(), "cpu.runq", {"cpu.runq": {"warning_above_per_cpu": 0.0}}).status == "ok"
