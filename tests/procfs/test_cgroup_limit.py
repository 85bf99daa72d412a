from kdiag.procfs.cgroup_limit import CgroupLimit, parse_cgroup_limit
from kdiag.procfs.limit import Limit
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

NO_LIMIT = CgroupLimit(Limit(None, unlimited=True))


def test_v2_prints_max_or_a_number() -> None:
    assert parse_cgroup_limit(b"max\n") == NO_LIMIT
    assert parse_cgroup_limit(b"536870912\n") == CgroupLimit(Limit(536870912))


def test_v1_prints_a_number_about_2_to_the_63_or_minus_one() -> None:
    assert parse_cgroup_limit(b"9223372036854771712\n") == NO_LIMIT  # memory.limit_in_bytes
    assert parse_cgroup_limit(b"-1\n") == NO_LIMIT  # cpu.cfs_quota_us


def test_a_limit_of_nothing_is_a_limit() -> None:
    assert parse_cgroup_limit(b"0\n") == CgroupLimit(Limit(0))


def test_a_file_without_a_limit_is_a_problem_and_not_unlimited() -> None:
    for data, shown in ((b"", ""), (b"many\n", "many"), (b"1 2\n", "1 2")):
        assert parse_cgroup_limit(data, "pids.max") == CgroupLimit(
            None, (Problem("pids.max", 1, shown, "N|max"),)
        )


def test_it_survives_any_input() -> None:
    for sample in (b"max\n", b"9223372036854771712\n"):
        holds_when_cut_anywhere(parse_cgroup_limit, sample)
        holds_for_any_bytes(parse_cgroup_limit, sample)
