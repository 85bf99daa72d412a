from kdiag.procfs.pid_schedstat import PidSchedstat, parse_pid_schedstat
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

SCHEDSTAT_6_18 = b"175330028 10823932 364\n"


def test_run_time_wait_time_and_slices_are_read() -> None:
    assert parse_pid_schedstat(SCHEDSTAT_6_18) == PidSchedstat(175330028, 10823932, 364)


def test_times_beyond_64_bits_are_kept_exact() -> None:
    assert parse_pid_schedstat(b"%d 1 2\n" % 2**64).run_ns == 2**64


def test_a_column_of_a_newer_kernel_does_no_harm() -> None:
    assert parse_pid_schedstat(b"1 2 3 4\n") == PidSchedstat(1, 2, 3)


def test_a_bad_line_is_named_and_nothing_of_it_is_used() -> None:
    for bad in (b"1 x 3", b"1 2", b""):
        assert parse_pid_schedstat(bad + b"\n", "/proc/1/schedstat") == PidSchedstat(
            None, None, None, (Problem("/proc/1/schedstat", 1, bad.decode(), "run_ns wait_ns slices"),)
        )


def test_a_second_line_is_named_and_the_first_is_read() -> None:
    assert parse_pid_schedstat(b"1 2 3\n4 5 6\n", "/proc/1/schedstat") == PidSchedstat(
        1, 2, 3, (Problem("/proc/1/schedstat", 2, "4 5 6", "nothing after the first line"),)
    )


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_pid_schedstat, SCHEDSTAT_6_18)
    holds_for_any_bytes(parse_pid_schedstat, SCHEDSTAT_6_18)
