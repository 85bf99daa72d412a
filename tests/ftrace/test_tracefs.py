import errno
import os
import tempfile
from pathlib import Path
from typing import List

import pytest

from kdiag.ftrace import private_mount, tracefs
from kdiag.ftrace.tracefs import NoTraceFs, PlannedTraceFs, TraceFs, TraceFsError, find_tracefs
from kdiag.host.memory import MemoryHost
from tests.ftrace.tracefs_folder import LiveMemoryHost, tracefs_in

_DEVICE = os.stat(tempfile.gettempdir()).st_dev
MOUNT = b"30 20 %d:%d / %%s %%s - tracefs tracefs %%s\n" % (os.major(_DEVICE), os.minor(_DEVICE))


def test_writing_replaces_and_appending_adds(tmp_path: Path) -> None:
    top = tracefs_in(tmp_path)
    top.write("set_event_pid", "1")
    top.append("set_event_pid", " 2")
    assert top.read("set_event_pid") == "1 2"
    top.clear("set_event_pid")
    assert top.read("set_event_pid") == ""


@pytest.mark.parametrize(
    "name", ["kprobe_events", "uprobe_events", "synthetic_events", "dynamic_events", "events/a/b/trigger"]
)
def test_what_others_have_defined_is_never_truncated(tmp_path: Path, name: str) -> None:
    top = tracefs_in(tmp_path, kprobe_events="p:others/x vfs_read\n")
    with pytest.raises(ValueError, match="O_TRUNC"):
        top.write(name, "x")
    with pytest.raises(ValueError, match="O_TRUNC"):
        top.clear(name)
    assert top.read("kprobe_events") == "p:others/x vfs_read\n"


def test_triggers_are_cleared_in_instances_of_kdiag_alone(tmp_path: Path) -> None:
    top = tracefs_in(tmp_path)
    with pytest.raises(ValueError, match="others"):
        top.clear_triggers("events/sched/sched_switch/trigger")


def test_a_refusal_names_file_text_and_errno(tmp_path: Path) -> None:
    top = tracefs_in(tmp_path)
    with pytest.raises(TraceFsError) as caught:
        top.write("nosuch", "text\n")
    assert str(caught.value) == "/T/nosuch: the kernel refused 'text': No such file or directory (ENOENT)"
    assert (caught.value.errno, caught.value.written) == (errno.ENOENT, "text\n")


def test_a_refusal_has_the_kernels_words_from_the_instance_or_from_the_top(tmp_path: Path) -> None:
    log = "[1.0] hist:a:b: error: Couldn't find field\n  Command: hist:keys=x\n                     ^\n"
    top = tracefs_in(tmp_path, error_log=log)
    os.makedirs(tmp_path / "instances/i")
    with pytest.raises(TraceFsError, match="the kernel says: Couldn't find field"):
        top.below("instances/i").append("nosuch", "hist:keys=x")


def test_a_plan_has_each_write_in_order_and_makes_none(tmp_path: Path) -> None:
    planned = PlannedTraceFs(tracefs_in(tmp_path))
    planned.mkdir("instances/kdiag-1-2")
    instance = planned.below("instances/kdiag-1-2")
    instance.write("tracing_on", "0")
    instance.append("set_event_pid", "7\n")
    os.close(instance.open("free_buffer", os.O_WRONLY))
    planned.rmdir("instances/kdiag-1-2")
    assert list(map(str, planned.plan)) == [
        "mkdir /T/instances/kdiag-1-2",
        "/T/instances/kdiag-1-2/tracing_on <- 0",
        "/T/instances/kdiag-1-2/set_event_pid += 7",
        "hold /T/instances/kdiag-1-2/free_buffer",
        "rmdir /T/instances/kdiag-1-2",
    ]
    assert os.listdir(tmp_path / "instances") == []
    assert (tmp_path / "tracing_on").read_text() == "1\n"


def test_an_instance_that_is_only_planned_reads_as_the_top_does(tmp_path: Path) -> None:
    planned = PlannedTraceFs(tracefs_in(tmp_path))
    planned.mkdir("instances/kdiag-1-2")
    assert planned.below("instances/kdiag-1-2").read("buffer_percent") == "50\n"


def _host(tmp_path: Path, table: bytes, **files: bytes) -> LiveMemoryHost:
    return LiveMemoryHost({"/proc/self/mountinfo": table, **files}, str(tmp_path))


def _no_mount(kind: str) -> int:
    raise PermissionError(errno.EPERM, "no")


def test_the_usual_place_is_taken_first_and_one_that_can_be_written(tmp_path: Path) -> None:
    for place in ("sys/kernel/tracing", "sys/kernel/debug/tracing", "ro"):
        tracefs_in(tmp_path / place)
    table = (
        MOUNT % (b"/ro", b"ro", b"rw")
        + MOUNT % (b"/sys/kernel/debug/tracing", b"rw", b"rw")
        + MOUNT % (b"/sys/kernel/tracing", b"rw", b"rw")
    )
    found = find_tracefs(_host(tmp_path, table))
    assert found.shown == "/sys/kernel/tracing"
    assert found.root == f"{tmp_path}/sys/kernel/tracing"
    table = MOUNT % (b"/ro", b"ro", b"rw") + MOUNT % (b"/sys/kernel/debug/tracing", b"rw", b"rw")
    assert find_tracefs(_host(tmp_path, table)).shown == "/sys/kernel/debug/tracing"


def test_one_that_is_not_mounted_is_mounted_where_nobody_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracefs_in(tmp_path)
    monkeypatch.setattr(private_mount, "mount_privately", lambda: os.open(tmp_path, os.O_RDONLY))
    found = find_tracefs(_host(tmp_path, b""))
    assert found.is_private_mount
    assert found.shown == "/sys/kernel/tracing"
    assert found.read("tracing_on") == "1\n"


def test_a_folder_below_which_the_hosts_mount_is_not_in_sight_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.makedirs(tmp_path / "sys/kernel/tracing")
    monkeypatch.setattr(private_mount, "mount_privately", lambda: _no_mount("tracefs"))
    elsewhere = b"30 20 0:4095 / /sys/kernel/tracing rw - tracefs tracefs rw\n"
    with pytest.raises(NoTraceFs, match="tracefs is not mounted"):
        find_tracefs(_host(tmp_path, elsewhere))


@pytest.mark.parametrize(
    ("table", "reason", "remedy"),
    [
        (b"", "tracefs is not mounted, and mounting it is not permitted", "root"),
        (MOUNT % (b"/ro", b"ro", b"rw"), "/ro is mounted read-only, and mounting it", "root"),
    ],
)
def test_why_there_is_none_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: bytes, reason: str, remedy: str
) -> None:
    tracefs_in(tmp_path / "ro")
    monkeypatch.setattr(private_mount, "mount_privately", lambda: _no_mount("tracefs"))
    with pytest.raises(NoTraceFs) as caught:
        find_tracefs(_host(tmp_path, table))
    assert caught.value.reason.startswith(reason)
    assert remedy in caught.value.remedy


def test_a_kernel_without_tracefs_a_recording_and_lockdown_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NoTraceFs, match="a recording has no tracefs"):
        find_tracefs(MemoryHost([{}]))
    with pytest.raises(NoTraceFs, match="CONFIG_TRACING"):
        find_tracefs(_host(tmp_path, b"", **{"/proc/filesystems": b"nodev\tproc\n"}))
    os.makedirs(tmp_path / "empty")
    with pytest.raises(NoTraceFs, match="confidentiality"):
        find_tracefs(_host(tmp_path, MOUNT % (b"/empty", b"rw", b"rw")))


def test_one_that_may_not_be_looked_into_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(self: TraceFs, name: str = "") -> List[str]:
        raise TraceFsError("/sys/kernel/tracing", errno.EACCES)

    monkeypatch.setattr(tracefs.TraceFs, "list", denied)
    os.makedirs(tmp_path / "sys/kernel/tracing")
    with pytest.raises(NoTraceFs, match=r"/sys/kernel/tracing: not permitted.*root"):
        find_tracefs(_host(tmp_path, MOUNT % (b"/sys/kernel/tracing", b"rw", b"rw")))
