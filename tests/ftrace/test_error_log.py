from hypothesis import given
from hypothesis import strategies as st

from kdiag.ftrace.error_log import explanation, parse_error_log

LOG = (
    "[   45.914661] trace_kprobe: error: Invalid probed address or symbol\n"
    "  Command: p:kd/bad nosuchfunc\n"
    "                    ^\n"
    "[   46.1] event filter parse error: error: Field not found\n"
    "  Command: foo == 1\n"
    "               ^\n"
)


def test_the_newest_entry_about_a_command_is_told_with_its_caret() -> None:
    assert explanation(LOG, "p:kd/bad nosuchfunc\n") == (
        "the kernel says: Invalid probed address or symbol\n  p:kd/bad nosuchfunc\n           ^"
    )


def test_an_entry_about_something_else_is_not_taken_for_it() -> None:
    assert explanation(LOG, "p:kd/other vfs_read") == ""
    assert explanation("", "foo == 1") == ""
    # A write that only occurs in an old entry is not what that was about.
    assert explanation(LOG, "1") == explanation(LOG, "nosuchfunc") == ""


def test_all_entries_are_read_with_who_refused() -> None:
    assert [(entry.by, entry.caret) for entry in parse_error_log(LOG)] == [
        ("trace_kprobe", 9),
        ("event filter parse error", 4),
    ]


@given(st.text(), st.text(min_size=1))
def test_no_text_is_too_odd(log: str, command: str) -> None:
    explanation(log, command)
    explanation(LOG + log, command)
