from typing import Dict

import pytest

from kdiag.host.memory import Content
from tests.health.checks.verdicts import findings, not_applicable, only
from tests.health.windows import window_of

SLICE = "/sys/fs/cgroup/user.slice"
SCOPE = f"{SLICE}/user-0.slice/session-1.scope"
NAME = "/user.slice/user-0.slice/session-1.scope"


def stat(periods: int, throttled: int) -> bytes:
    return b"usage_usec 812000\nnr_periods %d\nnr_throttled %d\nthrottled_usec 0\n" % (periods, throttled)


def test_the_group_that_was_throttled_is_named_with_its_quota_and_its_lines() -> None:
    quota = {f"{SLICE}/cpu.max": b"150000 100000\n"}
    window = window_of(
        {**quota, f"{SLICE}/cpu.stat": stat(100, 10)}, {**quota, f"{SLICE}/cpu.stat": stat(110, 14)}
    )
    finding = only(window, "cg.cpu_throttle")
    assert (finding.status, finding.value, finding.subject) == ("critical", 40.0, "/user.slice")
    assert finding.summary == "the quota of 1.5 CPUs ran out in 4 of 10 periods"
    assert [str(each) for each in finding.evidence] == [
        f"{SLICE}/cpu.stat:2",
        f"{SLICE}/cpu.stat:3",
        f"{SLICE}/cpu.max:1",
        f"{SCOPE}/cpu.pressure:2",
    ]


@pytest.mark.parametrize(
    ("periods", "throttled", "status"),
    [
        (100, 4, "ok"),
        (100, 5, "warning"),
        (100, 24, "warning"),
        (100, 25, "critical"),
        (5, 5, "critical"),
        (4, 4, "info"),
        (0, 0, "ok"),
    ],
)
def test_throttling_is_judged_by_its_share_of_enough_periods(
    periods: int, throttled: int, status: str
) -> None:
    quota = {f"{SCOPE}/cpu.max": b"50000 100000\n"}
    window = window_of(
        {**quota, f"{SCOPE}/cpu.stat": stat(7, 3)},
        {**quota, f"{SCOPE}/cpu.stat": stat(7 + periods, 3 + throttled)},
    )
    assert only(window, "cg.cpu_throttle").status == status


def test_two_quotas_are_judged_each_where_it_is_set() -> None:
    quota = {f"{SCOPE}/cpu.max": b"50000 100000\n", f"{SLICE}/cpu.max": b"60000 100000\n"}
    first = {**quota, f"{SCOPE}/cpu.stat": stat(0, 0), f"{SLICE}/cpu.stat": stat(0, 0)}
    last = {**quota, f"{SCOPE}/cpu.stat": stat(10, 1), f"{SLICE}/cpu.stat": stat(10, 9)}
    assert [(each.status, each.subject) for each in findings(window_of(first, last), "cg.cpu_throttle")] == [
        ("critical", "/user.slice"),
        ("warning", NAME),
    ]


def test_throttling_since_the_group_was_made_is_not_judged() -> None:
    last = {f"{SCOPE}/cpu.max": b"50000 100000\n", f"{SCOPE}/cpu.stat": stat(100, 90)}
    finding = only(window_of(last=last, once=True), "cg.cpu_throttle")
    assert (finding.status, finding.value, finding.basis) == ("unknown", 90.0, "since boot")


def test_a_process_that_moved_to_another_group_has_no_rate() -> None:
    last = {f"{SCOPE}/cpu.max": b"50000 100000\n", f"{SCOPE}/cpu.stat": stat(100, 90)}
    finding = only(window_of({"/proc/self/cgroup": b"0::/\n"}, last), "cg.cpu_throttle")
    assert (finding.status, "in the first reading" in finding.because) == ("unknown", True)


def test_without_limits_there_is_nothing_to_judge_but_kills() -> None:
    window = window_of()
    assert not_applicable(window, "cg.cpu_throttle") == "no CPU quota is set on the groups in sight"
    assert not_applicable(window, "cg.memory") == "no memory limit is set on the groups in sight"
    finding = only(window, "cg.oom")
    assert (finding.status, finding.summary) == ("ok", "no task was ever killed")


def test_without_control_groups_there_is_nothing_to_judge() -> None:
    none = {"/proc/self/cgroup": 2}
    for check_id in ("cg.cpu_throttle", "cg.memory", "cg.oom"):
        assert not_applicable(window_of(none, none), check_id) == "this kernel has no control groups"


def test_a_kernel_of_v1_without_a_controller_has_nothing_to_judge_of_it() -> None:
    none = {"/proc/self/cgroup": b"1:name=systemd:/init.scope\n"}
    assert not_applicable(window_of(none, none), "cg.memory") == "this kernel has no memory controller"


def test_the_root_group_of_v2_accounts_for_no_memory() -> None:
    root = {"/proc/self/cgroup": b"0::/\n"}
    assert not_applicable(window_of(root, root), "cg.oom") == (
        "the memory of the groups in sight is not accounted for"
    )


def test_who_may_not_know_the_own_group_is_told_so() -> None:
    denied = {"/proc/self/cgroup": 13}
    assert only(window_of(denied, denied), "cg.memory").because == (
        "/proc/self/cgroup: not permitted (EACCES)"
    )


def memory(limit: int, current: int, inactive: int) -> Dict[str, Content]:
    return {
        f"{SCOPE}/memory.max": b"%d\n" % limit,
        f"{SCOPE}/memory.current": b"%d\n" % current,
        f"{SCOPE}/memory.stat": b"anon 5\ninactive_file %d\n" % inactive,
    }


@pytest.mark.parametrize(
    ("current", "status"),
    [(939_999, "ok"), (940_000, "warning"), (989_999, "warning"), (990_000, "critical")],
)
def test_the_working_set_is_what_is_used_less_inactive_page_cache(current: int, status: str) -> None:
    last = memory(1_000_000, current, 40_000)
    assert only(window_of(last=last), "cg.memory").status == status


def test_the_working_set_is_told_with_its_limit_and_its_lines() -> None:
    last = memory(1 << 30, 1 << 30, 256 << 20)
    finding = only(window_of(last=last), "cg.memory")
    assert (finding.status, finding.value, finding.basis) == ("ok", 75.0, "instant")
    assert finding.summary == "the working set is 768 MiB, 75.0% of the limit of 1024 MiB"
    assert [each.raw for each in finding.evidence] == ["1073741824", "inactive_file 268435456", "1073741824"]


def test_a_limit_of_nothing_is_reached() -> None:
    assert only(window_of(last=memory(0, 0, 0)), "cg.memory").status == "critical"


def test_one_limit_that_cannot_be_read_does_not_hide_another_that_is_near() -> None:
    last = {**memory(1_000_000, 999_000, 0), f"{SLICE}/memory.max": 13}
    assert [each.status for each in findings(window_of(last=last), "cg.memory")] == ["critical", "unknown"]


def test_a_limit_that_cannot_be_parsed_is_unknown_rather_than_none() -> None:
    for path in (f"{SCOPE}/memory.max", f"{SCOPE}/memory.high"):
        assert only(window_of(last={path: b"much\n"}), "cg.memory").status == "unknown"
    assert only(window_of(last={f"{SCOPE}/cpu.max": b"much\n"}), "cg.cpu_throttle").status == "unknown"


def test_kills_with_one_reading_are_told_since_the_group_was_made() -> None:
    events = {f"{SCOPE}/memory.events": b"low 0\noom 3\noom_kill 2\n"}
    finding = only(window_of(last=events, once=True), "cg.oom")
    assert (finding.status, finding.value, finding.basis) == ("info", 2, "since boot")
    assert finding.summary == "2 tasks were killed since the group was made"
    assert only(window_of(once=True), "cg.oom").status == "ok"


def test_kills_below_a_group_above_are_told_where_the_own_group_has_none() -> None:
    limited = {f"{SLICE}/memory.max": b"1000000000\n"}
    first = {**limited, f"{SLICE}/memory.events": b"oom_kill 4\n"}
    last = {**limited, f"{SLICE}/memory.events": b"oom_kill 7\n"}
    finding = only(window_of(first, last), "cg.oom")
    assert (finding.status, finding.value, finding.subject) == ("critical", 3, "/user.slice")
    assert finding.summary == "3 tasks were killed just now"
