from kdiag.procfs.pid_io import PidIo, parse_pid_io
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

IO_6_18 = b"""\
rchar: 6976
wchar: 12
syscr: 10
syscw: 3
read_bytes: 4096
write_bytes: 8192
cancelled_write_bytes: 512
"""


def test_all_counters_are_read() -> None:
    assert parse_pid_io(IO_6_18) == PidIo(6976, 12, 10, 3, 4096, 8192, 512, {})


def test_a_counter_that_is_missing_is_none_and_a_new_one_survives() -> None:
    parsed = parse_pid_io(b"rchar: 1\nzchar: 2\n")
    assert (parsed.rchar_bytes, parsed.wchar_bytes, parsed.extra) == (1, None, {"zchar": 2})


def test_a_bad_line_is_named_and_the_others_survive() -> None:
    parsed = parse_pid_io(b"rchar: 1\nwchar 2\nsyscr: -3\nsyscw: 4\n", "/proc/1/io")
    assert (parsed.rchar_bytes, parsed.wchar_bytes, parsed.syscr, parsed.syscw) == (1, None, None, 4)
    assert parsed.problems == (
        Problem("/proc/1/io", 2, "wchar 2", "key: N"),
        Problem("/proc/1/io", 3, "syscr: -3", "key: N"),
    )


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_pid_io, IO_6_18)
    holds_for_any_bytes(parse_pid_io, IO_6_18)
