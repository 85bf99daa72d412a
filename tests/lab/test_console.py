from pathlib import Path

import pytest

from lab.console import end_of, fatal, find_trouble

CONSOLES = Path(__file__).parent / "consoles"


def test_a_quiet_console_has_no_trouble() -> None:
    console = (
        "[    0.962113] mtrr: your CPUs had inconsistent fixed MTRR settings\n"
        '[    2.426077] Unstable clock detected, switching default tracing clock to "global"\n'
        "[   40.684490] reboot: Power down\n"
    )
    assert find_trouble(console) == ()
    assert fatal(find_trouble(console)) is None


def test_the_recorded_console_of_a_guest_that_panicked_is_a_panic() -> None:
    worst = fatal(find_trouble((CONSOLES / "panic-6.1.txt").read_text()))
    assert worst is not None
    assert worst.kind == "panic"
    assert "Kernel panic - not syncing: sysrq triggered crash" in worst.line


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("[   3.1] BUG: unable to handle page fault for address: ffffffffa0400000", "oops"),
        ("[   3.1] Oops: 0002 [#1] PREEMPT SMP PTI", "oops"),
        ("[   3.1] Oops: Oops: 0002 [#1] SMP NOPTI", "oops"),
        ("[   3.1] general protection fault, probably for non-canonical address 0xdead: 0000 [#1]", "oops"),
        ("[   3.1] kernel BUG at kernel/trace/ftrace.c:2091!", "BUG"),
        ("[   3.1] BUG: KASAN: slab-out-of-bounds in foo+0x1/0x2", "BUG"),
        ("[  99.0] watchdog: BUG: soft lockup - CPU#0 stuck for 134s! [python:12]", "soft lockup"),
        ("[  99.0] NMI watchdog: Watchdog detected hard LOCKUP on cpu 1", "hard lockup"),
        ("[ 210.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", "RCU stall"),
        ("[ 210.0] rcu: INFO: rcu_preempt self-detected stall on CPU", "RCU stall"),
        ("[   1.0] Failed to mount real root.  We are stuck.", "no root"),
    ],
)
def test_lines_that_end_a_guest_are_told_by_their_kind(line: str, kind: str) -> None:
    troubles = find_trouble(f"before\n{line}\nafter\n")
    assert [(one.kind, one.line, one.fatal) for one in troubles] == [(kind, line, True)]


@pytest.mark.parametrize(
    "line",
    [
        "[   9.9] WARNING: CPU: 1 PID: 77 at kernel/trace/trace.c:123 foo+0x1/0x2",
        "[   9.9] WARNING: kernel/trace/trace.c:123 at foo+0x1/0x2, CPU#0: python/77",
    ],
)
def test_a_warning_is_told_and_does_not_end_a_guest(line: str) -> None:
    troubles = find_trouble(line)
    assert [(one.kind, one.fatal) for one in troubles] == [("warning", False)]
    assert fatal(troubles) is None


def test_the_heaviest_trouble_names_the_end() -> None:
    console = (
        "WARNING: CPU: 0 PID: 1 at x\nOops: 0000 [#1] SMP\nKernel panic - not syncing: Fatal exception\n"
    )
    worst = fatal(find_trouble(console))
    assert worst is not None
    assert worst.kind == "panic"


def test_the_end_of_a_console_is_short_and_cannot_drive_a_terminal() -> None:
    console = "".join(f"line {number}\n" for number in range(100)) + "\x1b[2Jlast\r\n\n"
    assert end_of(console, lines=3) == "line 98\nline 99\n?[2Jlast"
