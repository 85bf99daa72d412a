import json
import os
from pathlib import Path

import pytest

from kdiag.ftrace.global_state import GlobalBusy, GlobalState
from kdiag.ftrace.journal import Journal, UnsafeFolder, leftovers, replay, restore
from kdiag.ftrace.lock import GLOBAL, take
from kdiag.ftrace.tracefs import PlannedTraceFs
from tests.ftrace.tracefs_folder import LiveMemoryHost, tracefs_in

ALL = "#### all functions enabled ####\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = str(tmp_path / "run")
    for function in (Journal.__init__, leftovers, replay):
        defaults = tuple(path if each == "/run/kdiag" else each for each in function.__defaults__ or ())
        monkeypatch.setattr(function, "__defaults__", defaults)
    return path


def test_what_was_changed_is_put_back_in_reverse_order(tmp_path: Path, folder: str) -> None:
    top = tracefs_in(tmp_path / "T")
    with GlobalState(top, LiveMemoryHost({})) as state:
        state.write("set_graph_function", "vfs_read\n")
        state.write("tracing_thresh", "5\n")
        state.append("set_graph_function", "vfs_write\n")
        assert len(leftovers(folder)) == 1
        assert top.read("set_graph_function") == "vfs_read\nvfs_write\n"
    assert (top.read("set_graph_function"), top.read("tracing_thresh")) == ("", "0\n")
    assert leftovers(folder) == []


def test_old_content_is_on_disk_before_the_write(tmp_path: Path, folder: str) -> None:
    top = tracefs_in(tmp_path / "T")
    with GlobalState(top, LiveMemoryHost({})) as state, pytest.raises(OSError, match="stop"):
        top.write = lambda name, text: (_ for _ in ()).throw(OSError("stop"))  # type: ignore[method-assign]
        try:
            state.write("tracing_thresh", "5\n")
        finally:
            (name,) = leftovers(folder)
            lines = Path(folder, name).read_text().splitlines()
            del top.write
    assert json.loads(lines[1]) == {"path": "tracing_thresh", "old": "0\n"}


def _killed(tmp_path: Path, folder: str, **entries: str) -> None:
    journal = Journal(LiveMemoryHost({}), "kdiag-9-9", folder)
    journal.old("tracing_thresh", "0\n")
    if "now" in entries:
        journal.now("tracing_thresh", entries["now"])
    journal.close()


def test_a_dead_session_is_undone_from_its_journal(tmp_path: Path, folder: str) -> None:
    top = tracefs_in(tmp_path / "T", tracing_thresh="5\n")
    _killed(tmp_path, folder, now="5\n")
    notes = replay(top, LiveMemoryHost({}), folder)
    assert notes == ["/T/tracing_thresh: put back to what it was before a kdiag that was killed"]
    assert top.read("tracing_thresh") == "0\n"
    assert leftovers(folder) == []


def test_what_somebody_changed_since_is_theirs(tmp_path: Path, folder: str) -> None:
    top = tracefs_in(tmp_path / "T", tracing_thresh="77\n")
    _killed(tmp_path, folder, now="5\n")
    (note,) = replay(top, LiveMemoryHost({}), folder)
    assert "somebody changed it" in note
    assert top.read("tracing_thresh") == "77\n"


def test_a_journal_of_an_earlier_boot_is_thrown_away(tmp_path: Path, folder: str) -> None:
    top = tracefs_in(tmp_path / "T", tracing_thresh="5\n")
    _killed(tmp_path, folder, now="5\n")
    host = LiveMemoryHost({"/proc/sys/kernel/random/boot_id": b"another\n"})
    assert replay(top, host, folder) == []
    assert top.read("tracing_thresh") == "5\n"
    assert leftovers(folder) == []


def test_a_journal_that_was_cut_off_or_names_other_files_does_no_harm(tmp_path: Path, folder: str) -> None:
    top = tracefs_in(tmp_path / "T")
    outside = tmp_path / "outside"
    outside.write_text("safe")
    os.mkdir(folder, 0o700)
    head = json.dumps({"boot_id": "this-boot"})
    bad = [json.dumps({"path": path, "old": "x"}) for path in ("../outside", "/etc/passwd", str(outside))]
    Path(folder, "kdiag-1-1.json").write_text(
        "\n".join([head, *bad, "garbage", "[1]", '{"path": "tracing_on", "o'])
    )
    assert replay(top, LiveMemoryHost({}), folder) == []
    assert outside.read_text() == "safe"
    assert leftovers(folder) == []


def test_a_folder_that_others_can_write_to_is_not_trusted(tmp_path: Path, folder: str) -> None:
    os.mkdir(folder, 0o777)
    os.chmod(folder, 0o777)
    with pytest.raises(UnsafeFolder, match="0700"):
        Journal(LiveMemoryHost({}), "kdiag-1-1", folder)
    with pytest.raises(UnsafeFolder):
        leftovers(folder)
    os.rmdir(folder)
    os.symlink(tmp_path, folder)
    with pytest.raises(OSError, match=r"Not a directory|symbolic"):
        Journal(LiveMemoryHost({}), "kdiag-1-1", folder)


@pytest.mark.parametrize(
    ("name", "old", "written"),
    [
        ("trace_clock", "local [mono] boot\n", "mono\n"),
        ("buffer_size_kb", "7 (expanded: 1408)\n", "1408\n"),
        ("buffer_size_kb", "2048\n", "2048\n"),
        ("set_ftrace_filter", "vfs_read\nscan [ext4]\nvfs_write:traceon:unlimited\n", "vfs_read\nscan\n"),
        ("set_ftrace_pid", "no pid\n", ""),
        ("set_graph_function", ALL, ""),
        ("current_tracer", "nop\n", "nop\n"),
        ("tracing_cpumask", "", ""),
    ],
)
def test_what_is_read_is_written_back_in_the_form_that_the_file_takes(
    tmp_path: Path, name: str, old: str, written: str
) -> None:
    top = tracefs_in(tmp_path, **{name: "other\n"})
    restore(top, name, old)
    assert top.read(name) == written


def test_one_at_a_time_may_change_what_is_global(tmp_path: Path, folder: str) -> None:
    top = tracefs_in(tmp_path / "T")
    held = take(top, GLOBAL)
    try:
        with pytest.raises(GlobalBusy, match="another kdiag"), GlobalState(top, LiveMemoryHost({})):
            pass
    finally:
        os.close(held)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("current_tracer", "function\n", "the tracer function is set"),
        ("events/enable", "X\n", "events are enabled"),
        ("function_profile_enabled", "1\n", "functions are profiled"),
    ],
)
def test_the_state_of_another_tracer_is_not_touched(
    tmp_path: Path, folder: str, name: str, content: str, told: str
) -> None:
    top = tracefs_in(tmp_path / "T", **{name: content})
    with pytest.raises(GlobalBusy, match=f"/T/{name}: {told}"), GlobalState(top, LiveMemoryHost({})):
        pass
    assert leftovers(folder) == []


def test_a_running_perf_tools_script_is_respected_and_a_stale_lock_is_not(
    tmp_path: Path, folder: str
) -> None:
    top = tracefs_in(tmp_path / "T")
    lock = {"/var/tmp/.ftrace-lock": b"77\n"}
    with (
        pytest.raises(GlobalBusy, match="perf-tools"),
        GlobalState(top, LiveMemoryHost({**lock, "/proc/77/comm": b"execsnoop\n"})),
    ):
        pass
    with GlobalState(top, LiveMemoryHost(lock)):
        pass


def test_a_dry_run_plans_the_restoring_too(tmp_path: Path, folder: str) -> None:
    planned = PlannedTraceFs(tracefs_in(tmp_path / "T"))
    with GlobalState(planned, LiveMemoryHost({})) as state:
        state.write("tracing_thresh", "5\n")
    assert list(map(str, planned.plan)) == ["/T/tracing_thresh <- 5", "/T/tracing_thresh <- 0"]
    assert leftovers(folder) == []
