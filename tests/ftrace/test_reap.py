import os
from pathlib import Path
from typing import Iterator, List

import pytest

from kdiag.ftrace.lock import OWNER, take
from kdiag.ftrace.reap import dead_definitions, group_of, reap_sessions
from kdiag.ftrace.tracefs import PlannedTraceFs
from tests.ftrace.tracefs_folder import FolderTraceFs, tracefs_in

DEFINED = (
    "p:kdiag_1_10/vfs_read vfs_read\n"
    "r16:kdiag_2_20/vfs_read_2 vfs_read ret=$retval\n"
    "p:others/probe vfs_read\n"
    "p:kdiag/mine vfs_read\n"
    "e:kdiag_3_30_1/open syscalls.sys_enter_openat\n"
    "s:synthetic/kdiag_2_20_lat\tu64 lat\n"
)


@pytest.fixture
def top(tmp_path: Path) -> Iterator[FolderTraceFs]:
    """Two sessions' instances; the owner of the first lives."""
    made = tracefs_in(
        tmp_path,
        dynamic_events=DEFINED,
        kprobe_events="",
        synthetic_events="kdiag_2_20_lat\tu64 lat\nlat\tu64 x\n",
    )
    for name in ("kdiag-1-10", "kdiag-2-20", "trace-cmd"):
        made.mkdir(f"instances/{name}")
    held = take(made.below("instances/kdiag-1-10"), OWNER)
    yield made
    os.close(held)


def test_only_what_belongs_to_the_dead_is_removed(top: FolderTraceFs) -> None:
    notes = reap_sessions(top)
    assert top.list("instances") == ["kdiag-1-10", "trace-cmd"]
    appended = top.read("dynamic_events")[len(DEFINED) :]
    assert appended == "-:kdiag_2_20/vfs_read_2\n-:kdiag_3_30_1/open\n"
    assert top.read("synthetic_events").endswith("lat\tu64 x\n!kdiag_2_20_lat\n")
    assert notes == [
        "/T/instances/kdiag-2-20: removed; a kdiag that was killed left it",
        "/T/synthetic_events: removed kdiag_2_20_lat; a kdiag that was killed left it",
        "/T/dynamic_events: removed kdiag_2_20/vfs_read_2; a kdiag that was killed left it",
        "/T/dynamic_events: removed kdiag_3_30_1/open; a kdiag that was killed left it",
    ]


def test_a_dry_run_removes_nothing_and_tells_all(top: FolderTraceFs) -> None:
    planned = PlannedTraceFs(top)
    reap_sessions(planned)
    assert list(map(str, planned.plan)) == [
        "rmdir /T/instances/kdiag-2-20",
        "/T/synthetic_events += !kdiag_2_20_lat",
        "/T/dynamic_events += -:kdiag_2_20/vfs_read_2",
        "/T/dynamic_events += -:kdiag_3_30_1/open",
    ]
    assert "kdiag-2-20" in top.list("instances")


def test_where_nothing_was_left_nothing_is_done(tmp_path: Path) -> None:
    assert reap_sessions(tracefs_in(tmp_path)) == []


def test_definitions_of_a_session_that_lives_are_its_own(top: FolderTraceFs) -> None:
    names: List[str] = [name for _, _, name in dead_definitions(top)]
    assert names == ["kdiag_2_20_lat", "kdiag_2_20/vfs_read_2", "kdiag_3_30_1/open"]


@pytest.mark.parametrize(
    ("system", "event", "group"),
    [
        ("kdiag_12_345", "vfs_read", "kdiag_12_345"),
        ("kdiag_12_345_2", "vfs_read", "kdiag_12_345_2"),
        ("kdiag_12", "vfs_read", None),
        ("kdiag_a_b", "vfs_read", None),
        ("xkdiag_1_2", "vfs_read", None),
        ("synthetic", "kdiag_12_345_lat", "kdiag_12_345"),
        ("synthetic", "kdiag_12_345_2_lat", "kdiag_12_345_2"),
        ("synthetic", "lat", None),
    ],
)
def test_a_group_is_kdiags_only_with_both_its_numbers(system: str, event: str, group: str) -> None:
    assert group_of(system, event) == group
