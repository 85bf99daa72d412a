from kdiag.report.count import count_lines
from kdiag.report.terminal import Style
from tests.report.traced_samples import BY_COMM, BY_STACK, OPENAT, PLAIN


def test_the_number_stands_behind_the_mechanism_and_what_was_lost() -> None:
    assert list(count_lines(PLAIN, "cat /etc/hostname", Style(width=100))) == [
        "23 events in 1.50 s, cat /etc/hostname; the command ended",
        "mechanism: stream: every event is read",
        "  not hist: no histograms; for that: another kernel",
        "lost: 0 events",
        "",
        f"@[{OPENAT}] = 23",
    ]


def test_names_cannot_write_to_the_terminal_and_loss_is_told() -> None:
    lines = list(count_lines(BY_COMM, "all processes", Style(width=100)))
    assert lines[3:] == [
        "lost: 7 events; missed: 2 hits",
        "note: a note",
        "",
        rf"@[{OPENAT}, evil\x1b[31m] = 20",
        f"@[{OPENAT}, cat] = 3",
    ]


def test_a_stack_takes_a_line_for_each_function() -> None:
    lines = list(count_lines(BY_STACK, "all processes", Style(width=100)))
    assert lines[5:] == [
        f"@[{OPENAT},",
        "    do_sys_openat2",
        "    do_syscall_64",
        "] = 23",
        f"@[{OPENAT},",
        "    (no kernel stack)",
        "] = 1",
    ]
