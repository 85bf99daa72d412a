from kdiag.procfs.limit import Limit
from kdiag.procfs.pid_limits import PidLimit, parse_pid_limits
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

NO_LIMIT = Limit(None, unlimited=True)
LIMITS_6_18 = b"""\
Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max stack size            8388608              unlimited            bytes     
Max processes             96365                96365                processes 
Max open files            1024                 4096                 files     
Max nice priority         0                    0                    
Max realtime timeout      unlimited            unlimited            us        
"""  # noqa: W291 (the kernel pads its columns)


def test_every_limit_is_read_under_the_kernels_name() -> None:
    parsed = parse_pid_limits(LIMITS_6_18)
    assert parsed.limits == {
        "Max cpu time": PidLimit(NO_LIMIT, NO_LIMIT, "seconds"),
        "Max stack size": PidLimit(Limit(8388608), NO_LIMIT, "bytes"),
        "Max processes": PidLimit(Limit(96365), Limit(96365), "processes"),
        "Max open files": PidLimit(Limit(1024), Limit(4096), "files"),
        "Max nice priority": PidLimit(Limit(0), Limit(0), ""),
        "Max realtime timeout": PidLimit(NO_LIMIT, NO_LIMIT, "us"),
    }
    assert parsed.problems == ()


def test_the_soft_limit_of_open_files_is_at_hand() -> None:
    assert parse_pid_limits(LIMITS_6_18).open_files_soft == Limit(1024)


def test_a_limit_of_open_files_that_is_not_there_is_none_and_not_unlimited() -> None:
    assert parse_pid_limits(b"").open_files_soft is None
    assert parse_pid_limits(b"Max open files x 4096 files\n").open_files_soft is None


def test_a_bad_line_is_named_and_the_others_survive() -> None:
    parsed = parse_pid_limits(b"Max cpu time  1  x  seconds\n\nMax open files 5 6 files\n", "/proc/1/limits")
    assert parsed.limits == {"Max open files": PidLimit(Limit(5), Limit(6), "files")}
    assert parsed.problems == (
        Problem("/proc/1/limits", 1, "Max cpu time  1  x  seconds", "name soft hard unit"),
        Problem("/proc/1/limits", 2, "", "name soft hard unit"),
    )


def test_limits_without_a_name_are_a_bad_line() -> None:
    assert parse_pid_limits(b"1 2\n", "/proc/1/limits").problems == (
        Problem("/proc/1/limits", 1, "1 2", "name soft hard unit"),
    )


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_pid_limits, LIMITS_6_18)
    holds_for_any_bytes(parse_pid_limits, LIMITS_6_18)
