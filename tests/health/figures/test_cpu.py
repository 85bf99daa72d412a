import math
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdiag.health.figures.cpu import CpuShares, cpu_usage, elapsed_ticks, growth, shares
from kdiag.health.window import CannotJudge, Window
from kdiag.procfs.stat import CpuTimes
from tests.health.windows import BARE_FACTS, QUIET_FACTS, window_of

STAT = "/proc/stat"
TICKS = st.integers(0, 2**64)
LATE = st.one_of(st.none(), TICKS)
TIMES = st.builds(CpuTimes, TICKS, TICKS, TICKS, TICKS, LATE, LATE, LATE, LATE, LATE, LATE, st.just(()))


def window(first: bytes, last: bytes, clock_ticks_per_s: Optional[int] = 100) -> Window:
    facts = QUIET_FACTS._replace(clock_ticks_per_s=clock_ticks_per_s)
    return window_of({STAT: first}, {STAT: last}, facts=facts)


def old_kernel(usr_pct: float, nice_pct: float, sys_pct: float, idle_pct: float) -> CpuShares:
    """Return the shares that four columns give."""
    return CpuShares(usr_pct, nice_pct, sys_pct, None, None, None, None, None, None, idle_pct)


def known(of_cpu: CpuShares) -> float:
    return sum(share for share in of_cpu if share is not None)


@given(TIMES)
def test_shares_are_within_0_and_100_and_add_up_to_100(times: CpuTimes) -> None:
    found = shares(times)
    if found is None:
        assert times.total_ticks == 0
        return
    assert all(0 <= share <= 100 for share in found if share is not None)
    assert math.isclose(known(found), 100, abs_tol=1e-6)
    assert 0 <= found.busy_pct <= 100
    assert [share is None for share in found[3:9]] == [
        ticks is None for ticks in (*times[4:8], times.guest_ticks, times.guest_nice_ticks)
    ]


@given(TIMES, TIMES, st.integers(1, 2**64))
def test_growth_is_never_negative_and_what_is_missing_on_one_side_is_missing(
    before: CpuTimes, after: CpuTimes, restart_ticks: int
) -> None:
    grown = growth(before, after, restart_ticks)
    drops = [old - new for old, new in zip(before[:10], after[:10]) if old is not None and new is not None]
    if grown is None:
        assert max(drops) >= restart_ticks
        return
    assert max(drops) < restart_ticks
    for old, new, delta in zip(before[:10], after[:10], grown):
        assert delta == (None if old is None or new is None else max(0, new - old))


def test_guest_time_is_not_counted_twice() -> None:
    found = shares(CpuTimes(60, 20, 0, 20, 0, 0, 0, 0, 50, 15))
    assert found == CpuShares(10.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 50.0, 15.0, 20.0)
    assert found.busy_pct == 80.0
    assert found.guests_pct == 65.0


def test_guest_that_grew_a_tick_more_than_user_leaves_no_negative_share() -> None:
    found = shares(CpuTimes(49, 0, 0, 51, 0, 0, 0, 0, 50, 0))
    assert found is not None
    assert (found.usr_pct, found.guest_pct, found.idle_pct) == (0.0, 49.0, 51.0)


def test_a_column_that_the_kernel_does_not_print_is_none() -> None:
    assert shares(CpuTimes(30, 0, 10, 60)) == old_kernel(30.0, 0.0, 10.0, 60.0)


def test_the_quiet_host_is_idle() -> None:
    usage = cpu_usage(window_of())
    assert usage.all == CpuShares(3.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 95.0)
    assert usage.cpus == {0: usage.all, 1: usage.all}
    assert (usage.left_out, usage.ticks) == ({}, 200)


def test_a_small_step_back_of_idle_iowait_or_steal_is_0() -> None:
    usage = cpu_usage(
        window(
            b"cpu  0 0 0 9000 80 0 0 30\ncpu0 0 0 0 9000 80 0 0 30\n",
            b"cpu  50 0 50 8999 79 0 0 29\ncpu0 50 0 50 8999 79 0 0 29\n",
        )
    )
    assert usage.all == CpuShares(50.0, 0.0, 50.0, 0.0, 0.0, 0.0, 0.0, None, None, 0.0)


CAME_BACK = (
    b"cpu  1000 0 500 90000\ncpu0 600 0 200 60000\ncpu1 400 0 300 30000\n",
    b"cpu  1060 0 520 60042\ncpu0 610 0 210 60080\ncpu1 450 0 310 2\n",
)


def test_a_cpu_that_left_and_came_back_is_left_out_of_the_sum_too() -> None:
    usage = cpu_usage(window(*CAME_BACK))
    assert usage.all == old_kernel(10.0, 0.0, 10.0, 80.0)
    assert list(usage.cpus) == [0]
    assert usage.left_out == {1: "its counters began anew: it left and came back"}


def test_three_seconds_of_idle_are_the_line_between_a_step_back_and_a_cpu_that_came_back() -> None:
    def left_out(drop: int, clock_ticks_per_s: Optional[int]) -> bool:
        before = b"cpu  0 0 0 5000\ncpu0 0 0 0 5000\n"
        after = b"cpu  50 0 0 %d\ncpu0 50 0 0 %d\n" % (5000 - drop, 5000 - drop)
        try:
            return 0 in cpu_usage(window(before, after, clock_ticks_per_s)).left_out
        except CannotJudge:
            return True

    assert not left_out(299, 100)
    assert left_out(300, 100)
    assert not left_out(300, 1024)
    assert left_out(3 * 1024, 1024)
    assert not left_out(299, None)
    assert left_out(300, None)


def test_a_cpu_that_is_online_in_one_reading_only_is_left_out() -> None:
    one = b"cpu  100 0 0 1000\ncpu0 100 0 0 1000\n"
    two = b"cpu  250 0 0 1050\ncpu0 150 0 0 1050\ncpu7 100 0 0 0\n"
    usage = cpu_usage(window(one, two))
    assert usage.left_out == {7: "it was not online all the time"}
    assert usage.all == old_kernel(50.0, 0.0, 0.0, 50.0)


def test_a_steal_counter_that_jumped_ahead_is_no_stolen_time() -> None:
    usage = cpu_usage(
        window(
            b"cpu  0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0\n",
            b"cpu  50 0 0 150 0 0 0 90000\ncpu0 50 0 0 50 0 0 0 0\ncpu1 0 0 0 100 0 0 0 90000\n",
        )
    )
    assert usage.left_out == {1: "its counters jumped"}
    assert usage.all.steal_pct == 0.0
    assert usage.all.busy_pct == 50.0


def test_a_cpu_whose_counters_stood_still_has_no_shares() -> None:
    usage = cpu_usage(
        window(
            b"cpu  0 0 0 0\ncpu0 0 0 0 0\ncpu1 5 0 0 90\n", b"cpu  0 0 0 100\ncpu0 0 0 0 100\ncpu1 5 0 0 90\n"
        )
    )
    assert usage.left_out == {1: "its counters stood still"}
    assert usage.all.idle_pct == 100.0


def test_the_cpu_line_alone_is_enough_for_the_sum() -> None:
    usage = cpu_usage(window(b"cpu  0 0 0 0\n", b"cpu  25 0 0 75\n"))
    assert (usage.all.usr_pct, usage.cpus, usage.left_out) == (25.0, {}, {})


def test_a_bad_cpu_line_is_replaced_by_the_sum_of_the_others() -> None:
    usage = cpu_usage(window(b"cpu x\ncpu0 0 0 0 0\n", b"cpu  x\ncpu0 25 0 0 75\n"))
    assert usage.all.usr_pct == 25.0


@pytest.mark.parametrize(
    ("first", "last", "reason"),
    [
        (b"cpu  5 0 0 5\ncpu0 5 0 0 5\n", b"cpu  5 0 0 5\ncpu0 5 0 0 5\n", "no CPU time passed"),
        (b"intr 5\n", b"intr 6\n", "no CPU has usable times in it"),
        (b"cpu  1 0 0 9999\ncpu0 1 0 0 9999\n", b"cpu  2 0 0 1\ncpu0 2 0 0 1\n", "no CPU has usable times"),
    ],
)
def test_what_gives_no_share_is_said(first: bytes, last: bytes, reason: str) -> None:
    with pytest.raises(CannotJudge, match=reason):
        cpu_usage(window(first, last))


def test_with_one_reading_the_shares_are_those_since_boot() -> None:
    alone = window_of(last={STAT: b"cpu  10 0 0 90\ncpu0 10 0 0 90\n"}, once=True)
    assert cpu_usage(alone).all.usr_pct == 10.0


def test_elapsed_ticks_come_from_the_clock_or_else_from_the_cpus() -> None:
    assert elapsed_ticks(window_of()) == 100.0
    assert elapsed_ticks(window_of(facts=BARE_FACTS)) == 100.0  # 200 ticks of 2 CPUs
    unreadable = window_of({STAT: 13}, {STAT: 13}, facts=BARE_FACTS)
    assert elapsed_ticks(unreadable) is None
