import os
import time
from pathlib import Path

import pytest

from kdiag.host.base import Host
from kdiag.host.open import open_host
from kdiag.host.recording import BadRecording


def _opened(root: str) -> Host:
    host = open_host(root, timeout_s=0.2, budget_s=0.5)
    host.close()
    return host


@pytest.mark.parametrize("root", ["/", "//", "/.", "/proc/.."])
def test_the_root_is_the_machine_underneath(root: str) -> None:
    host = _opened(root)
    assert (host.kind, host.root) == ("live", "/")


def test_a_root_with_a_procfs_in_it_is_live(monkeypatch: pytest.MonkeyPatch) -> None:
    # The root of this process by another name, as a container sees its host's below /host.
    host = open_host("/proc/self/root", timeout_s=0.5)
    assert (host.kind, host.root) == ("live", "/proc/self/root")
    assert host.read("/proc/version") == Path("/proc/version").read_bytes()
    assert host.facts.reader_pid == os.getpid()
    host.close()
    monkeypatch.chdir("/proc/self")
    assert _opened("root").kind == "live"


def test_a_copy_of_proc_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_bytes(b"btime 1\n")
    assert _opened(str(tmp_path)).kind == "recorded"


def test_a_recording_cannot_pass_this_machine_for_itself(tmp_path: Path) -> None:
    (tmp_path / "proc").symlink_to("/proc")
    with pytest.raises(BadRecording, match="a symbolic link in the recording, not followed"):
        open_host(str(tmp_path))


def test_a_part_of_proc_is_no_root(tmp_path: Path) -> None:
    # /proc/self/task/../ has neither proc nor the files of a copy in it.
    with pytest.raises(BadRecording, match="neither a recording nor a copy of /proc"):
        open_host("/proc/self/task")


def test_a_live_procfs_is_no_copy_of_one() -> None:
    with pytest.raises(BadRecording, match="the procfs of a live host; name the folder"):
        open_host("/proc")


def test_in_a_folder_that_is_gone_only_whole_paths_lead_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for root in (".", "support.tar"):
        with pytest.raises(BadRecording, match="the current folder is gone; name it by its whole path"):
            open_host(root)
    assert _opened("/").kind == "live"


@pytest.mark.parametrize("root", ["", "/no/such/recording"])
def test_what_is_not_there_is_refused_with_a_remedy(root: str) -> None:
    with pytest.raises(BadRecording, match="`kdiag record` made"):
        open_host(root)


def test_a_fifo_is_refused_in_time(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "support.tar")
    started_s = time.monotonic()
    with pytest.raises(BadRecording, match="a FIFO in the recording"):
        open_host(str(tmp_path / "support.tar"))
    assert time.monotonic() - started_s < 1
