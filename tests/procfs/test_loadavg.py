import pytest

from kdiag.procfs.loadavg import LoadAvg, parse_loadavg
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

LOADAVG_6_18 = b"0.31 0.18 0.06 2/101 9821\n"
WANTED = "LOAD1 LOAD5 LOAD15 RUNNABLE/TOTAL LAST_PID"


def test_the_averages_and_the_threads_are_read() -> None:
    assert parse_loadavg(LOADAVG_6_18) == LoadAvg(0.31, 0.18, 0.06, 2, 101, 9821)


def test_a_word_behind_the_last_pid_survives() -> None:
    parsed = parse_loadavg(b"0.31 0.18 0.06 2/101 9821 new 7\n")
    assert (parsed.last_pid, parsed.extra, parsed.problems) == (9821, ("new", "7"), ())


def test_large_loads_and_numbers_are_exact() -> None:
    parsed = parse_loadavg(b"100000.25 0.00 0.00 %d/%d 4194304\n" % (2**32, 2**64))
    assert (parsed.load1, parsed.runnable_threads, parsed.total_threads) == (100000.25, 2**32, 2**64)


@pytest.mark.parametrize(
    "line",
    [b"", b"nan 0.18 0.06 2/101 9821", b"1e5 0.18 0.06 2/101 9821", b"0.31 0.18 0.06 2 9821", b"-1.00"],
)
def test_a_bad_line_leaves_nothing_but_its_problem(line: bytes) -> None:
    problems = (Problem("/proc/loadavg", 1, line.decode(), WANTED),)
    assert parse_loadavg(line + b"\n") == LoadAvg(None, None, None, None, None, None, (), problems)


def test_an_empty_file_is_a_problem_and_no_load_of_zero() -> None:
    parsed = parse_loadavg(b"")
    assert parsed.load1 is None
    assert parsed.problems == (Problem("/proc/loadavg", 1, "", WANTED),)


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_loadavg, LOADAVG_6_18)
    holds_for_any_bytes(parse_loadavg, LOADAVG_6_18)
