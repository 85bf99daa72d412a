from pathlib import Path

import pytest

from kdiag.ftrace.places import Catalogue
from kdiag.ftrace.probe import BadProbe
from kdiag.tools.probes import kinds, list_probes, places_of
from tests.ftrace.tracefs_folder import LiveMemoryHost, tracefs_in

FORMAT = """name: sched_switch
ID: 7
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;

\tfield:pid_t prev_pid;\toffset:8;\tsize:4;\tsigned:1;

print fmt: ""
"""


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(tracefs_in(tmp_path, **{"events/sched/sched_switch/format": FORMAT}), LiveMemoryHost({}))


def test_kinds_have_their_number_or_the_reason(catalogue: Catalogue) -> None:
    rows = {row.kind: row for row in kinds(catalogue)}
    assert rows["tracepoint"].number == 1
    assert rows["kprobe"].number == 5
    assert "CONFIG_FPROBE_EVENTS" in rows["fprobe"].why_not
    assert (rows["uprobe"].number, rows["uprobe"].why_not) == (None, "")


def test_a_word_is_looked_for_among_events_and_functions(catalogue: Catalogue) -> None:
    assert [row.probe for row in list_probes(catalogue, "*_*w*")] == [
        "tracepoint:sched:sched_switch",
        "kprobe:_raw_spin_lock",
        "kprobe:vfs_write",
    ]


def test_functions_say_why_patterns_leave_them_out(catalogue: Catalogue) -> None:
    rows = {row.probe: (row.why_not, row.module) for row in list_probes(catalogue, "kprobe:*")}
    assert rows["kprobe:vfs_read"] == ("", "")
    assert rows["kprobe:scan"] == ("several functions have that name", "ext4")
    assert rows["kprobe:_raw_spin_lock"][0].startswith("locks")


def test_arguments_are_the_events_fields(catalogue: Catalogue) -> None:
    (row,) = list_probes(catalogue, "sched:*", arguments=True)
    assert row.arguments == (("pid_t", "prev_pid"),)


def test_nothing_that_matches_is_an_error(catalogue: Catalogue) -> None:
    for pattern in ("*nosuch*", "t:nosuch:*", "k:nosuch*"):
        with pytest.raises(BadProbe, match="nothing matches here"):
            list(list_probes(catalogue, pattern))


def test_each_place_counts_once_and_what_is_left_out_is_noted(catalogue: Catalogue) -> None:
    places, notes = places_of(catalogue, ["kprobe:vfs_read", "kprobe:*", "sched:sched_switch"])
    assert list(map(str, places)) == [
        "kprobe:vfs_read", "kprobe:vfs_readv", "kprobe:vfs_write", "tracepoint:sched:sched_switch",
    ]  # fmt: skip
    assert notes == [
        "kprobe:*: left out _raw_spin_lock (locks are taken millions of times a second) and 1 more"
    ]
