import ctypes
import os
import threading
from typing import List

import pytest

from kdiag.procfs.pid_stat import PidStat, parse_pid_stat
from kdiag.procfs.pid_status import parse_pid_status
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

# 6.18: 52 columns. A task of another user's: without the right to ptrace it, addresses read 0 or 1.
SLEEP_6_18 = (
    b"3793 (sleep) S 3785 3785 2574 34816 -1 4194304 134 2 1 3 5 6 -7 8 20 0 1 0 60977 2990080 422 "
    b"18446744073709551615 94327404945408 94327404963337 140723801767424 0 0 0 0 6 0 1 0 0 17 1 0 0 4 2 3 "
    b"94327404977424 94327404978688 94328449052672 140723801774618 140723801774626 140723801774627 "
    b"140723801776105 9\n"
)
# 6.18: a kernel thread of a real-time policy has a negative priority.
KERNEL_THREAD_6_18 = (
    b"18 (migration/0) S 2 0 0 0 -1 69238848 0 0 0 0 0 3 0 0 -100 0 1 0 24 0 0 18446744073709551615 "
    b"0 0 0 0 0 0 0 2147483647 0 1 0 0 17 0 99 1 0 0 0 0 0 0 0 0 0 0 0\n"
)
NASTY_6_18 = SLEEP_6_18.replace(b"sleep", b"a) R 1 (b\nc\\\x1b<")


def first_columns(count: int) -> bytes:
    """Return the sample as a kernel with fewer columns prints it; what is left keeps its meaning."""
    return b" ".join(SLEEP_6_18.split()[:count]) + b"\n"


def test_every_column_is_read_by_its_name_and_unit() -> None:
    stat = parse_pid_stat(SLEEP_6_18)
    names = set(dir(PidStat)) - set(dir(tuple))
    assert {name: getattr(stat, name) for name in names if not name.startswith("_")} == {
        "pid": 3793,
        "comm": "sleep",
        "state": "S",
        "ppid": 3785,
        "pgrp": 3785,
        "session": 2574,
        "tty_nr": 34816,
        "tpgid": -1,
        "flags": 4194304,
        "minflt": 134,
        "cminflt": 2,
        "majflt": 1,
        "cmajflt": 3,
        "utime_ticks": 5,
        "stime_ticks": 6,
        "cutime_ticks": -7,
        "cstime_ticks": 8,
        "priority": 20,
        "nice": 0,
        "num_threads": 1,
        "itrealvalue": 0,
        "starttime_ticks": 60977,
        "vsize_bytes": 2990080,
        "rss_pages": 422,
        "rsslim_bytes": 2**64 - 1,
        "startcode": 94327404945408,
        "endcode": 94327404963337,
        "startstack": 140723801767424,
        "kstkesp": 0,
        "kstkeip": 0,
        "signal": 0,
        "blocked": 0,
        "sigignore": 6,
        "sigcatch": 0,
        "wchan": 1,
        "nswap_pages": 0,
        "cnswap_pages": 0,
        "exit_signal": 17,
        "processor": 1,
        "rt_priority": 0,
        "policy": 0,
        "delayacct_blkio_ticks": 4,
        "guest_time_ticks": 2,
        "cguest_time_ticks": 3,
        "start_data": 94327404977424,
        "end_data": 94327404978688,
        "start_brk": 94328449052672,
        "arg_start": 140723801774618,
        "arg_end": 140723801774626,
        "env_start": 140723801774627,
        "env_end": 140723801776105,
        "exit_code": 9,
        "kernel_thread": False,
        "columns": SLEEP_6_18.partition(b")")[2],
        "problems": (),
    }


def test_a_kernel_thread_is_told_by_its_flags() -> None:
    stat = parse_pid_stat(KERNEL_THREAD_6_18)
    assert stat.problems == ()
    assert (stat.comm, stat.kernel_thread, stat.priority, stat.rt_priority, stat.rss_pages) == (
        "migration/0",
        True,
        -100,
        99,
        0,
    )


@pytest.mark.parametrize(
    ("columns", "known", "missing"),
    [
        (41, "policy", "delayacct_blkio_ticks"),  # before 2.6.18
        (42, "delayacct_blkio_ticks", "guest_time_ticks"),  # before 2.6.24
        (44, "cguest_time_ticks", "start_data"),  # 2.6.32
        (47, "start_brk", "arg_start"),  # 3.3
    ],
)
def test_a_column_that_an_older_kernel_does_not_print_is_none(columns: int, known: str, missing: str) -> None:
    old, new = parse_pid_stat(first_columns(columns)), parse_pid_stat(SLEEP_6_18)
    assert old.problems == ()
    assert getattr(old, known) == getattr(new, known) is not None
    assert getattr(old, missing) is None
    assert old.exit_code is None


def test_columns_of_a_newer_kernel_do_no_harm() -> None:
    stat = parse_pid_stat(SLEEP_6_18[:-1] + b" 77 -1\n")
    assert (stat.exit_code, stat.problems) == (9, ())
    assert stat.columns.endswith(b" 9 77 -1\n")


@pytest.mark.parametrize(
    "comm",
    [
        b"",
        b" ",
        b"(",
        b")",
        b")) (",
        b") S 1 2 3",
        b"a\nb",
        b"1 (x) S 4 5\n",
        b"\x1b[2J",
        b"<script>",
        b"tab\tand\\",
        b"\xff\xfe bytes",
        "café".encode(),
        b"kworker/u8:2-events_unbound",  # longer than 15 bytes, as the kernel's own workers are
    ],
)
def test_any_name_is_kept_byte_for_byte(comm: bytes) -> None:
    stat = parse_pid_stat(SLEEP_6_18.replace(b"sleep", comm))
    assert stat.problems == ()
    assert stat.comm is not None
    assert stat.comm.encode("utf-8", "surrogateescape") == comm
    assert (stat.pid, stat.state, stat.ppid, stat.processor, stat.exit_code) == (3793, "S", 3785, 1, 9)


def test_a_name_set_on_the_kernel_underneath_is_read_back_from_stat_and_from_status() -> None:
    name = b"a) R 1 (b\nc\\\x1b<"
    read: List[bytes] = []

    def rename_and_read() -> None:
        if ctypes.CDLL(None).prctl(15, name, 0, 0, 0) == 0:  # PR_SET_NAME, of this thread alone
            for file in ("stat", "status"):
                with open(f"/proc/thread-self/{file}", "rb") as opened:
                    read.append(opened.read())

    thread = threading.Thread(target=rename_and_read)
    thread.start()
    thread.join()
    stat, status = parse_pid_stat(read[0]), parse_pid_status(read[1])
    assert (stat.problems, status.problems) == ((), ())
    assert stat.comm == status.name == name.decode()
    assert stat.ppid == status.ppid == os.getppid()
    assert b"\n" in read[0][:-1]


@pytest.mark.parametrize("state", ["R", "I", "P", "x", "Q"])
def test_a_state_letter_is_kept_whether_it_is_known_or_not(state: str) -> None:
    stat = parse_pid_stat(SLEEP_6_18.replace(b") S ", f") {state} ".encode()))
    assert (stat.state, stat.problems) == (state, ())


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (b"3793 (", b"37_93 ("),
        (b"3793 (", b"-1 ("),
        (b"3793 (", b" ("),
        (b"3793 (", b"3793("),
        (b"(sleep)", b"sleep"),
        (b") S ", b") "),
        (b") S ", b") SS "),
        (b") S ", b")S "),
        (b") S ", b") 7 "),
        (b" -1 ", b" - "),
        (b" -1 ", b" 1- "),
        (b" -1 ", b" 1-1 "),
        (b" -1 ", b" --1 "),
        (b" -1 ", b" +1 "),
        (b" 422 ", b" 4_22 "),
        (b" 422 ", b" 4.22 "),
        (b" 422 ", b" 0x4 "),
        (b" 422 ", b" 42\n2 "),
        (b" 422 ", b" 4\x002 "),
        (b" 9\n", b" -\n"),
        (b" 9\n", b" 9\n\n"),
        (b" 9\n", b" " + b"9" * 5000 + b"\n"),  # int() refuses more than 4,300 digits
    ],
)
def test_a_bad_line_is_named_and_gives_no_field_at_all(good: bytes, bad: bytes) -> None:
    data = SLEEP_6_18.replace(good, bad)
    stat = parse_pid_stat(data, "/proc/3793/stat")
    shown = data[:120].decode("utf-8", "backslashreplace")
    assert stat.problems == (Problem("/proc/3793/stat", 1, shown, "pid (comm) state number..."),)
    assert stat[:11] == (None,) * 11
    assert (stat.majflt, stat.exit_code, stat.kernel_thread) == (None, None, None)


def test_fewer_columns_than_any_kernel_prints_are_a_bad_line() -> None:
    stat = parse_pid_stat(b"1 (init) S 0 1\n", "/proc/1/stat")
    assert stat.problems == (Problem("/proc/1/stat", 1, "1 (init) S 0 1\n", "pid (comm) state number..."),)


def test_a_line_without_its_newline_was_cut_off_and_its_last_number_is_not_used() -> None:
    stat = parse_pid_stat(SLEEP_6_18[:-1], "/proc/3793/stat")
    assert stat.pid is None
    assert [found.wanted for found in stat.problems] == ["a newline at the end (file cut off)"]


def test_an_empty_file_is_a_problem() -> None:
    assert parse_pid_stat(b"", "/proc/1/stat").problems == (
        Problem("/proc/1/stat", 1, "", "pid (comm) state number..."),
    )


def test_numbers_beyond_64_bits_are_kept_exact() -> None:
    stat = parse_pid_stat(SLEEP_6_18.replace(b" 5 6 ", b" %d 6 " % 2**64).replace(b" 134 ", b" %d " % 2**32))
    assert (stat.utime_ticks, stat.minflt) == (2**64, 2**32)


def test_it_survives_any_input() -> None:
    for sample in (SLEEP_6_18, NASTY_6_18, first_columns(44)):
        holds_when_cut_anywhere(parse_pid_stat, sample)
    holds_for_any_bytes(parse_pid_stat, NASTY_6_18)
