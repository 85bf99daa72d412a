import pytest

from kdiag.procfs.pid_syscall import PidSyscall, parse_pid_syscall
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

NANOSLEEP_6_18 = b"230 0x0 0x0 0x7ffcd0373c10 0x7ffcd0373c50 0x0 0x5 0x7ffcd0373bf8 0x7f04599b1503\n"
KERNEL_THREAD_6_18 = b"0 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n"
FAULT = b"-1 0x7ffcd0373bf8 0x7f04599b1503\n"
WANTED = "running|-1 sp pc|number a1 a2 a3 a4 a5 a6 sp pc"


def test_a_system_call_is_read_with_its_arguments() -> None:
    assert parse_pid_syscall(NANOSLEEP_6_18) == PidSyscall(
        False, 230, (0, 0, 0x7FFCD0373C10, 0x7FFCD0373C50, 0, 5), 0x7FFCD0373BF8, 0x7F04599B1503
    )


def test_a_running_task_has_nothing_but_that() -> None:
    assert parse_pid_syscall(b"running\n") == PidSyscall(True, None, (), None, None)


def test_a_task_asleep_outside_of_a_system_call_has_no_number() -> None:
    assert parse_pid_syscall(FAULT) == PidSyscall(False, None, (), 0x7FFCD0373BF8, 0x7F04599B1503)


def test_a_kernel_thread_looks_like_call_0_but_has_no_stack_pointer() -> None:
    parsed = parse_pid_syscall(KERNEL_THREAD_6_18)
    assert (parsed.number, parsed.stack_pointer, parsed.program_counter) == (0, 0, 0)


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"runnin",
        b"x 0x0 0x0",
        b"-1 0x0",
        b"-1 0x0 0x0 0x0",
        b"1 0x0 0x0",
        b"0 1 2 3 4 5 6 7 8",
        b"0 0x 0x0 0x0 0x0 0x0 0x0 0x0 0x0",
    ],
)
def test_any_other_line_is_named(bad: bytes) -> None:
    assert parse_pid_syscall(bad + b"\n", "/proc/1/syscall") == PidSyscall(
        None, None, (), None, None, (Problem("/proc/1/syscall", 1, bad.decode(), WANTED),)
    )


def test_an_empty_file_is_a_problem() -> None:
    assert parse_pid_syscall(b"", "/proc/1/syscall").problems == (Problem("/proc/1/syscall", 1, "", WANTED),)


def test_it_survives_any_input() -> None:
    for sample in (NANOSLEEP_6_18, FAULT, b"running\n"):
        holds_when_cut_anywhere(parse_pid_syscall, sample)
    holds_for_any_bytes(parse_pid_syscall, NANOSLEEP_6_18)
