from kdiag.report.probes import kinds_lines, probes_lines
from kdiag.report.terminal import Style
from tests.report.traced_samples import KINDS, PROBES


def test_kinds_show_how_many_there_are_or_why_none() -> None:
    events = [("sched", "sched_switch"), ("sched", "sched_waking"), ("task", "task_rename")]
    assert list(kinds_lines(KINDS, events, Style(width=120))) == [
        "kind        here  written                  shows",
        "tracepoint  2305  tracepoint:SYSTEM:EVENT  a place",
        "uprobe         ?  uprobe:FILE:FUNCTION     a function",
        "kprobe         -  kprobe:FUNCTION          no: no kprobe_events: it takes CONFIG_KPROBE_EVENTS",
        "",
        "events by system: sched 2, task 1",
    ]


def test_probes_show_their_arguments_their_module_and_why_patterns_leave_them_out() -> None:
    assert list(probes_lines(PROBES, Style())) == [
        "tracepoint:sched:sched_switch",
        "    pid_t prev_pid",
        "    char[16] prev_comm",
        "kprobe:scan [ext4]  # several functions have that name",
    ]
