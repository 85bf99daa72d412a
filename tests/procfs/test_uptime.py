import pytest

from kdiag.procfs.text import Problem
from kdiag.procfs.uptime import Uptime, parse_uptime
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

UPTIME_6_18 = b"2019.33 3863.15\n"  # two CPUs: more idle time than time


def test_both_times_are_read() -> None:
    assert parse_uptime(UPTIME_6_18) == Uptime(2019.33, 3863.15)


def test_a_third_number_survives() -> None:
    assert parse_uptime(b"2019.33 3863.15 7.00\n") == Uptime(2019.33, 3863.15, ("7.00",))


def test_an_uptime_beyond_32_bits_is_exact() -> None:
    assert parse_uptime(b"%d.25 %d.50\n" % (2**32, 2**40)) == Uptime(2**32 + 0.25, 2**40 + 0.5)


@pytest.mark.parametrize("line", [b"", b"2019.33", b"2019 3863", b"inf 1.00", b"-1.00 2.00"])
def test_a_bad_line_leaves_nothing_but_its_problem(line: bytes) -> None:
    problems = (Problem("/proc/uptime", 1, line.decode(), "UP_SECONDS IDLE_SECONDS"),)
    assert parse_uptime(line + b"\n") == Uptime(None, None, (), problems)


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_uptime, UPTIME_6_18)
    holds_for_any_bytes(parse_uptime, UPTIME_6_18)
