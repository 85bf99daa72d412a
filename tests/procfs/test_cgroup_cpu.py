import pytest

from kdiag.procfs.cgroup_cpu import CgroupCpuStat, CpuMax, parse_cgroup_cpu_stat, parse_cpu_max
from kdiag.procfs.limit import Limit
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

# v2 of 6.18 in a cgroup with the cpu controller; a key of another kernel at the end.
V2_6_18 = b"""\
usage_usec 29660445
user_usec 18066438
system_usec 11594006
nice_usec 7
nr_periods 120
nr_throttled 30
throttled_usec 4500000
nr_bursts 2
burst_usec 900
core_sched.force_idle_usec 3
"""
V2_ROOT_6_18 = b"usage_usec 29660445\nuser_usec 18066438\nsystem_usec 11594006\nnice_usec 0\n"
V1_6_18 = b"nr_periods 120\nnr_throttled 30\nthrottled_time 4500000999\nnr_bursts 2\nburst_time 900000\n"


def test_times_and_throttling_of_v2_are_read() -> None:
    assert parse_cgroup_cpu_stat(V2_6_18) == CgroupCpuStat(
        29660445, 18066438, 11594006, 7, 120, 30, 4500000, 2, 900, {"core_sched.force_idle_usec": 3}
    )


def test_nanoseconds_of_v1_become_microseconds() -> None:
    assert parse_cgroup_cpu_stat(V1_6_18) == CgroupCpuStat(
        None, None, None, None, 120, 30, 4500000, 2, 900, {}
    )


def test_without_the_cpu_controller_throttling_is_not_known() -> None:
    parsed = parse_cgroup_cpu_stat(V2_ROOT_6_18)
    assert (parsed.usage_us, parsed.nice_us) == (29660445, 0)
    assert (parsed.nr_periods, parsed.nr_throttled, parsed.throttled_us) == (None, None, None)


def test_a_bad_line_of_the_statistics_is_named_and_the_others_survive() -> None:
    parsed = parse_cgroup_cpu_stat(b"nr_periods 1\nnr_throttled x\nthrottled_usec 3\n", "cpu.stat")
    assert (parsed.nr_periods, parsed.nr_throttled, parsed.throttled_us) == (1, None, 3)
    assert parsed.problems == (Problem("cpu.stat", 2, "nr_throttled x", "key N"),)


def test_a_quota_is_so_many_cpus() -> None:
    parsed = parse_cpu_max(b"150000 100000\n")
    assert parsed == CpuMax(Limit(150000), 100000)
    assert parsed.cpus == 1.5


def test_without_a_quota_there_is_no_number_of_cpus() -> None:
    parsed = parse_cpu_max(b"max 100000\n")
    assert parsed == CpuMax(Limit(None, unlimited=True), 100000)
    assert parsed.cpus is None


def test_a_period_that_is_missing_or_0_gives_no_number_of_cpus() -> None:
    assert CpuMax(Limit(5), None).cpus is None
    assert CpuMax(Limit(5), 0).cpus is None


@pytest.mark.parametrize("bad", [b"", b"max", b"x 100000", b"1000 max", b"1 2 3"])
def test_a_bad_quota_is_named(bad: bytes) -> None:
    assert parse_cpu_max(bad + b"\n", "cpu.max") == CpuMax(
        None, None, (Problem("cpu.max", 1, bad.decode(), "max|QUOTA PERIOD"),)
    )


def test_both_survive_any_input() -> None:
    holds_when_cut_anywhere(parse_cgroup_cpu_stat, V2_6_18)
    holds_for_any_bytes(parse_cgroup_cpu_stat, V1_6_18)
    holds_when_cut_anywhere(parse_cpu_max, b"max 100000\n")
    holds_for_any_bytes(parse_cpu_max, b"150000 100000\n")
