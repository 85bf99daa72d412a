import pytest

from kdiag.procfs.pid_wchan import PidWchan, parse_pid_wchan
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes


@pytest.mark.parametrize("symbol", ["hrtimer_nanosleep", "do_wait", "p9_client_rpc.isra.0", "_RNvCs_4core"])
def test_the_symbol_is_read_though_no_newline_ends_it(symbol: str) -> None:
    assert parse_pid_wchan(symbol.encode()) == PidWchan(symbol, None)


def test_zero_and_nothing_at_all_mean_that_there_is_no_symbol_to_see() -> None:
    assert parse_pid_wchan(b"0") == PidWchan(None, None)
    assert parse_pid_wchan(b"") == PidWchan(None, None)


def test_a_decimal_address_of_an_older_kernel_is_no_symbol() -> None:
    assert parse_pid_wchan(b"18446744071579755786") == PidWchan(None, 18446744071579755786)


def test_a_newline_that_a_copy_was_given_is_taken_off() -> None:
    assert parse_pid_wchan(b"do_wait\n").symbol == "do_wait"
    assert parse_pid_wchan(b"0\n") == PidWchan(None, None)


def test_what_cannot_be_a_symbol_is_named() -> None:
    for bad in (b"do wait", b"0x1", b"do_wait\ndo_wait", b"\x1b[2J", b"-1"):
        shown = bad.decode()
        assert parse_pid_wchan(bad, "/proc/1/wchan") == PidWchan(
            None, None, (Problem("/proc/1/wchan", 1, shown, "a symbol or 0"),)
        )


def test_a_cut_symbol_cannot_be_told_from_a_whole_one() -> None:
    for length in range(1, len(b"do_wait")):
        assert parse_pid_wchan(b"do_wait"[:length]) == PidWchan("do_wait"[:length], None)


def test_it_survives_any_input() -> None:
    holds_for_any_bytes(parse_pid_wchan, b"hrtimer_nanosleep")
