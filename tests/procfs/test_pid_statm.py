from kdiag.procfs.pid_statm import PidStatm, parse_pid_statm
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

STATM_6_18 = b"10511 3195 1558 1327 0 8669 0\n"


def test_all_columns_are_read_as_pages() -> None:
    assert parse_pid_statm(STATM_6_18) == PidStatm(10511, 3195, 1558, 1327, 0, 8669, 0)


def test_a_column_of_a_newer_kernel_does_no_harm() -> None:
    assert parse_pid_statm(b"1 2 3 4 5 6 7 x\n") == PidStatm(1, 2, 3, 4, 5, 6, 7)


def test_a_bad_line_is_named_and_nothing_of_it_is_used() -> None:
    for bad in (b"10511 -1 1558 1327 0 8669 0", b"10511 3195 1558"):
        found = Problem("/proc/1/statm", 1, bad.decode(), "size resident shared text lib data dirty")
        assert parse_pid_statm(bad + b"\n", "/proc/1/statm") == (*[None] * 7, (found,))


def test_an_empty_file_is_a_problem() -> None:
    assert parse_pid_statm(b"", "/proc/1/statm").problems == (
        Problem("/proc/1/statm", 1, "", "size resident shared text lib data dirty"),
    )


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_pid_statm, STATM_6_18)
    holds_for_any_bytes(parse_pid_statm, STATM_6_18)
