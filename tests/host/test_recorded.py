import errno
import os
import pwd
import socket
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest

from kdiag.host import folder
from kdiag.host.base import Facts, Failure, ReadError
from kdiag.host.memory import MemoryHost
from kdiag.host.record import FolderWriter, RecordingHost
from kdiag.host.recorded import RecordedHost
from kdiag.host.recording import BadRecording

OpenRecording = Callable[[Path], RecordedHost]


@pytest.fixture
def opened() -> Iterator[OpenRecording]:
    hosts = []

    def open_recording(path: Path) -> RecordedHost:
        hosts.append(RecordedHost(str(path), timeout_s=1.0, budget_s=2.0))
        return hosts[-1]

    yield open_recording
    for host in hosts:
        host.close()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A bare copy of /proc beside one of /sys, as a support desk gets it."""
    for name, content in (
        ("proc/stat", b"cpu  1 2 3 4\n"),
        ("proc/meminfo", b"MemTotal: 1 kB\n"),
        ("proc/1/fd/0", b""),
        ("sys/kernel/mm/transparent_hugepage/enabled", b"always [madvise] never\n"),
        ("etc/passwd", b"root:x:0:0::/:/bin/sh\n"),
    ):
        path = tmp_path / "copy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "copy/proc/1/exe").symlink_to("/sbin/init")
    return tmp_path / "copy"


def _failure(call: Callable[..., Any], *arguments: Any) -> Failure:
    with pytest.raises(ReadError) as caught:
        call(*arguments)
    return caught.value.failure


def _is_bad(path: Path, what: str) -> BadRecording:
    started_s = time.monotonic()
    with pytest.raises(BadRecording) as caught:
        RecordedHost(str(path), timeout_s=0.2)
    assert time.monotonic() - started_s < 1
    assert what in caught.value.what
    assert caught.value.path == str(path)
    assert caught.value.remedy
    return caught.value


# Bare copies.


def test_a_bare_copy_is_one_sample_without_clocks(copy: Path, opened: OpenRecording) -> None:
    host = opened(copy)
    assert host.kind == "recorded"
    assert host.incomplete is None
    assert host.reading("/proc/stat") == ("/proc/stat", b"cpu  1 2 3 4\n", None, None)
    assert host.read("/sys/kernel/mm/transparent_hugepage/enabled") == b"always [madvise] never\n"
    assert host.list("/proc") == ["1", "meminfo", "stat"]
    assert host.list("/") == ["etc", "proc", "sys"]
    assert host.readlink("/proc/1/exe") == "/sbin/init"
    assert not host.advance(1.0)


def test_nobody_knows_what_a_bare_copy_lacks(copy: Path, opened: OpenRecording) -> None:
    host = opened(copy)
    asked = (
        (host.read, "/proc/pressure/cpu"),
        (host.read, "/proc/stat/below/a/file"),
        (host.list, "/proc/2"),
        (host.readlink, "/proc/2/exe"),
        (host.size_bytes, "/proc/1/fd"),  # the copy's own st_size says nothing of the host
        (host.statvfs, "/"),
    )
    for call, path in asked:
        assert _failure(call, path) == Failure(path, "not_recorded")


def test_an_empty_file_of_a_bare_copy_was_copied_by_its_size(copy: Path, opened: OpenRecording) -> None:
    (copy / "proc/net").mkdir()
    (copy / "proc/net/dev").write_bytes(b"")
    (copy / "etc/fstab").write_bytes(b"")
    host = opened(copy)
    told = "it is empty, as if copied by its size"
    assert _failure(host.read, "/proc/net/dev") == Failure("/proc/net/dev", "not_recorded", None, told)
    assert host.read("/etc/fstab") == b""


@pytest.mark.parametrize("folder", ["copy", "copy/proc"])
def test_a_copy_that_kept_the_links_of_proc_is_read_as_its_kernel_would(
    copy: Path, opened: OpenRecording, folder: str
) -> None:
    (copy / "proc/self").symlink_to("1")
    (copy / "proc/net").symlink_to("self/net")
    (copy / "proc/1/net").mkdir()
    (copy / "proc/1/net/dev").write_bytes(b"of 1\n")
    (copy / "proc/1/cgroup").write_bytes(b"0::/\n")
    host = opened(copy.parent / folder)
    assert host.read("/proc/self/cgroup") == b"0::/\n"
    assert host.read("/proc/net/dev") == b"of 1\n"
    assert host.list("/proc/net") == ["dev"]
    assert _failure(host.read, "/proc/self/stat") == Failure("/proc/self/stat", "not_recorded")


@pytest.mark.parametrize("target", ["../../etc", "/proc/1", "1/../../..", "\u0661", ""])
def test_no_other_link_of_a_copy_is_followed(copy: Path, opened: OpenRecording, target: str) -> None:
    (copy / "proc/self").symlink_to(target or "self")
    (copy / "proc/net").symlink_to("../etc")
    (copy / "etc/dev").write_bytes(b"secret\n")
    host = opened(copy)
    refused = "a symbolic link in the recording, not followed"
    for path in ("/proc/self/passwd", "/proc/net/dev"):
        assert _failure(host.read, path) == Failure(path, "error", None, refused)


def test_nothing_of_the_machine_that_replays_leaks_in(
    copy: Path, opened: OpenRecording, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*arguments: object) -> None:
        raise AssertionError("asked the machine that replays")

    host = opened(copy)
    for module, name in (
        (os, "sysconf"),
        (os, "cpu_count"),
        (os, "getpid"),
        (os, "geteuid"),
        (os, "statvfs"),
        (time, "time"),
        (time, "time_ns"),
        (pwd, "getpwuid"),
    ):
        monkeypatch.setattr(module, name, forbidden)
    assert host.facts == Facts()
    assert host.user_name(0) is None
    assert host.read("/proc/stat")
    assert not host.advance(1.0)


@pytest.mark.parametrize("beside", ["meminfo", "loadavg"])
def test_the_files_of_proc_themselves_are_a_copy_too(
    tmp_path: Path, opened: OpenRecording, beside: str
) -> None:
    (tmp_path / "stat").write_bytes(b"btime 1\n")
    (tmp_path / beside).write_bytes(b"1\n")
    host = opened(tmp_path)
    assert host.read("/proc/stat") == b"btime 1\n"
    assert host.list("/proc") == sorted(["stat", beside])
    assert _failure(host.read, "/sys/stat") == Failure("/sys/stat", "not_recorded")
    assert _failure(host.read, "/procstat") == Failure("/procstat", "not_recorded")


# What is no recording.


def test_what_is_no_recording_is_refused_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "chroot/proc").mkdir(parents=True)
    (tmp_path / "text").write_bytes(b"hello\n")
    os.mkfifo(tmp_path / "fifo")
    _is_bad(tmp_path / "nowhere", "there is no such file")
    _is_bad(tmp_path / "empty", "neither a recording nor a copy of /proc")
    _is_bad(tmp_path / "chroot", "neither a recording nor a copy of /proc")
    _is_bad(tmp_path / "text", "damaged or cut off after 0 members")
    _is_bad(tmp_path / "fifo", "a FIFO")
    _is_bad(Path("/dev/null"), "a device")
    with pytest.raises(BadRecording, match="an empty path"):
        RecordedHost("")
    with pytest.raises(BadRecording, match="not a path"):
        RecordedHost("a\0b")


def test_a_refused_recording_leaves_no_child_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    children: List[int] = []
    fork = os.fork

    def noted() -> int:
        children.append(fork())
        return children[-1]

    monkeypatch.setattr(os, "fork", noted)
    before = os.listdir("/proc/self/fd")
    _is_bad(tmp_path, "neither")
    assert os.listdir("/proc/self/fd") == before
    assert children
    for pid in children:
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


# Hostile folders.


def test_a_fifo_is_not_opened_and_counts_as_timed_out(copy: Path, opened: OpenRecording) -> None:
    os.mkfifo(copy / "proc/loadavg")
    host = opened(copy)
    failure = Failure("/proc/loadavg", "timed_out", None, "a FIFO in the recording, which might never answer")
    assert _failure(host.read, "/proc/loadavg") == failure
    # Had it been opened for reading, a writer would get through now.
    with pytest.raises(OSError, match="No such device"):
        os.open(copy / "proc/loadavg", os.O_WRONLY | os.O_NONBLOCK)
    assert host.read("/proc/stat")


def test_what_is_no_file_is_an_error(copy: Path, opened: OpenRecording) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(copy / "proc/socket"))
    host = opened(copy)
    assert _failure(host.read, "/proc/socket").detail == "a socket in the recording"
    assert _failure(host.read, "/proc/1").detail == "a folder in the recording"
    assert _failure(host.readlink, "/proc/stat").detail == "no link in the recording"
    assert _failure(host.list, "/proc/stat") == Failure("/proc/stat", "not_recorded")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
def test_a_device_is_not_opened(copy: Path, opened: OpenRecording) -> None:
    try:
        os.mknod(copy / "proc/device", 0o20666, os.makedev(1, 5))  # /dev/zero, without end
    except PermissionError:
        pytest.skip("device nodes are not permitted here")
    failure = _failure(opened(copy).read, "/proc/device")
    assert failure == Failure("/proc/device", "error", None, "a device in the recording")


def test_links_are_not_followed_wherever_they_stand(
    copy: Path, opened: OpenRecording, tmp_path: Path
) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/file").write_bytes(b"secret\n")
    (copy / "proc/version").symlink_to(tmp_path / "secret/file")
    (copy / "proc/net").symlink_to(tmp_path / "secret")
    (copy / "proc/inside").symlink_to("stat")
    host = opened(copy)
    asked = (
        (host.read, "/proc/version"),
        (host.read, "/proc/net/file"),
        (host.read, "/proc/inside"),
        (host.list, "/proc/net"),
        (host.readlink, "/proc/net/file"),
    )
    for call, path in asked:
        assert _failure(call, path) == Failure(
            path, "error", None, "a symbolic link in the recording, not followed"
        )


def test_the_recording_itself_may_be_named_by_a_link(
    copy: Path, opened: OpenRecording, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(copy)
    assert opened(tmp_path / "link").read("/proc/stat")


def test_it_may_be_named_relative_to_where_kdiag_runs(
    copy: Path, opened: OpenRecording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy.parent)
    assert opened(Path("copy")).read("/proc/stat")


@pytest.mark.parametrize(
    "path",
    ["/proc/../../secret", "/../secret", "/proc/a\0b", "/proc//stat", "/" + "a/" * 40 + "b", "/\ud800"],
)
def test_paths_that_lead_out_are_no_paths(copy: Path, opened: OpenRecording, path: str) -> None:
    (copy.parent / "secret").write_bytes(b"secret\n")
    host = opened(copy)
    failure = Failure(path, "error", None, "not a path that a recording can hold")
    assert _failure(host.read, path) == failure
    assert _failure(host.list, path) == failure


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_its_reader_may_not_open_is_denied(copy: Path, opened: OpenRecording) -> None:
    (copy / "proc/stat").chmod(0)
    failure = _failure(opened(copy).read, "/proc/stat")
    assert failure == Failure("/proc/stat", "denied", errno.EACCES, "in the recording")


def test_a_file_without_end_is_an_error(
    copy: Path, opened: OpenRecording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "MAX_FILE_BYTES", 2 << 20)
    with (copy / "proc/kcore").open("wb") as file:
        file.truncate(1 << 40)  # holes only; it takes no space
    failure = _failure(opened(copy).read, "/proc/kcore")
    assert failure == Failure("/proc/kcore", "error", errno.EFBIG, "longer than 2 MiB in the recording")


# Damage.


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "recording"
    host = RecordingHost(MemoryHost([{"/proc/stat": b"btime 1\n"}]), FolderWriter(str(path)))
    host.read("/proc/stat")
    host.finish()
    host.close()
    return path


def test_bytes_that_are_not_those_recorded_are_an_error(recording: Path, opened: OpenRecording) -> None:
    host = opened(recording)
    (recording / "root/proc/stat").write_bytes(b"btime\n")
    assert _failure(host.read, "/proc/stat") == Failure(
        "/proc/stat", "error", None, "the recording is damaged: it has 6 bytes, of 8 that were recorded"
    )
    (recording / "root/proc/stat").unlink()
    assert _failure(host.read, "/proc/stat") == Failure(
        "/proc/stat", "error", None, "the recording is damaged: its bytes are missing"
    )


def test_a_manifest_cannot_point_out_of_the_recording(recording: Path, opened: OpenRecording) -> None:
    manifest = (recording / "manifest.json").read_text()
    (recording.parent / "secret").write_bytes(b"secret!\n")
    (recording / "manifest.json").write_text(manifest.replace("/proc/stat", "/../../secret"))
    failure = _failure(opened(recording).read, "/../../secret")
    assert failure.detail == "not a path that a recording can hold"


def test_a_newer_format_is_refused_with_what_would_read_it(recording: Path) -> None:
    bundle = (recording / "bundle.json").read_text()
    (recording / "bundle.json").write_text(bundle.replace('"format_version": 1', '"format_version": 2'))
    error = _is_bad(recording, "format version 2 is newer than this kdiag knows (1)")
    assert error.remedy == "read it with the version of kdiag that recorded it, or a newer one"


@pytest.mark.parametrize("name", ["bundle.json", "manifest.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe\xff", b"[" * 100_000, b'{"facts": NaN}'])
def test_a_broken_description_is_refused(recording: Path, name: str, content: bytes) -> None:
    (recording / name).write_bytes(content)
    _is_bad(recording, f"{name}: ")


def test_reading_costs_no_heavy_modules_before_a_recording_is_opened() -> None:
    import subprocess

    script = "import sys; import kdiag.host.open; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, check=True)
    assert not {"tarfile", "json", "kdiag.host.recorded", "kdiag.host.guard"} & set(run.stdout.split())


def test_a_recording_that_is_not_whole_says_so_in_its_notes(tmp_path: Path) -> None:
    folder = tmp_path / "recording"
    recording = RecordingHost(MemoryHost([{"/proc/uptime": b"10.00 5.00\n"}]), FolderWriter(str(folder)))
    recording.read("/proc/uptime")
    recording.finish("sigint")
    recording.close()
    (note,) = RecordedHost(str(folder)).notes
    assert note == "the recording is not whole: the recording ended early: sigint"
