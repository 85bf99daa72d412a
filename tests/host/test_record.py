import errno
import json
import os
import stat
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Tuple, Union

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdiag.host.base import Facts, Failure, FileSystemSize, Host, ReadError
from kdiag.host.memory import Content, MemoryHost
from kdiag.host.record import CannotRecord, FolderWriter, RecordingHost
from kdiag.host.recorded import RecordedHost
from kdiag.host.recording import components

#: An s390x host: neither its byte order nor its pages and ticks are those of the machine that tests.
FOREIGN = Facts(
    clock_ticks_per_s=1024,
    page_size_bytes=65536,
    byte_order="big",
    wall_clock_ns=1_600_000_000 * 10**9,
    reader_pid=77,
    reader_euid=1234,
)
ROOT_FS = FileSystemSize(4096, 1000, 500, 400, 0, 0, 0)
FIRST: Dict[str, Content] = {
    "/proc/stat": b"cpu  1 2 3 4\nbtime 1\n",
    "/proc/version": b"Linux version 6.18.0\n",
    "/proc/1/stat": b"1 (a) R 1 (b\nc) S 0\n",
    "/proc/1/cmdline": b"",
    "/proc/1/io": errno.EACCES,
    "/proc/2/stat": errno.ESRCH,
    "/proc/pressure/cpu": errno.EOPNOTSUPP,
    "/sys/class/hwmon/hwmon0/temp1_input": errno.EIO,
    "/sys/fs/cgroup/b\udce4d/cpu.stat": b"usage_usec 1\n",
}
SECOND: Dict[str, Content] = {**FIRST, "/proc/stat": b"cpu  2 3 4 5\nbtime 1\n", "/proc/1/io": b"rchar: 1\n"}

Answer = Union[Failure, Tuple[Any, ...], List[str], int, str, None]


def _host(moments: List[Mapping[str, Content]]) -> MemoryHost:
    return MemoryHost(
        moments,
        facts=FOREIGN,
        sizes={"/proc/1/fd": 12, "/proc/2/fd": 0},
        links={"/proc/1/exe": "/usr/bin/a (deleted)"},
        file_systems={"/": ROOT_FS, "/mnt/dead": errno.ETIMEDOUT},
        users={0: "root", 1000: "k\u00e4the"},
    )


def _asked(host: Host, paths: List[str]) -> List[Answer]:
    """Ask everything of the host in its present sample."""
    questions: List[Tuple[Callable[..., Any], Any]] = [(host.reading, path) for path in paths]
    questions += [(host.list, path) for path in ("/proc", "/proc/", "/sys", "/nowhere")]
    questions += [(host.size_bytes, path) for path in ("/proc/1/fd", "/proc/2/fd", "/proc/3/fd")]
    questions += [(host.readlink, path) for path in ("/proc/1/exe", "/proc/2/exe")]
    questions += [(host.statvfs, path) for path in ("/", "/mnt/dead", "/mnt/gone")]
    questions += [(host.user_name, uid) for uid in (0, 1000, 1001)]
    answers: List[Answer] = [host.facts]
    for call, argument in questions:
        try:
            answers.append(call(argument))
        except ReadError as error:
            answers.append(error.failure._replace(path=error.failure.path.rstrip("/") or "/"))
    return answers


def _ask_all(host: Host, paths: List[str]) -> List[List[Answer]]:
    samples = [_asked(host, paths)]
    while host.advance(1.0):
        samples.append(_asked(host, paths))
    return samples


def _record(folder: Path, moments: List[Mapping[str, Content]], paths: List[str]) -> List[List[Answer]]:
    host = RecordingHost(_host(moments), FolderWriter(str(folder)))
    answers = _ask_all(host, paths)
    host.finish()
    host.close()
    return answers


def _replay(path: Path, paths: List[str]) -> List[List[Answer]]:
    host = RecordedHost(str(path))
    try:
        assert host.incomplete is None
        return _ask_all(host, paths)
    finally:
        host.close()


def _pack(folder: Path, target: Path, mode: Any, top: str) -> Path:
    with tarfile.open(target, mode) as tar:
        tar.add(folder, top)
    return target


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    _record(tmp_path / "recording", [FIRST, SECOND], [*FIRST, "/proc/never"])
    return tmp_path / "recording"


@pytest.mark.parametrize(
    ("suffix", "mode", "top"),
    [
        (".tar", "w", ""),
        (".tar.gz", "w:gz", "kdiag-host-20261120T151200Z-0123abcd"),
        (".tar.xz", "w:xz", "."),
        ("", "", ""),
    ],
)
def test_a_recording_answers_what_the_host_answered(tmp_path: Path, suffix: str, mode: str, top: str) -> None:
    paths = [*FIRST, "/proc/never"]
    folder = tmp_path / "recording"
    answers = _record(folder, [FIRST, SECOND], paths)
    assert answers == _ask_all(_host([FIRST, SECOND]), paths)
    source = _pack(folder, tmp_path / f"r{suffix}", mode, top) if suffix else folder
    assert _replay(source, paths) == answers


def test_what_was_never_asked_is_not_recorded_whatever_it_was(recording: Path) -> None:
    host = RecordedHost(str(recording))
    asked: List[Tuple[Callable[..., Any], str]] = [
        (host.read, "/proc/meminfo"),
        (host.read, "/proc/../../../etc/passwd"),
        (host.list, "/proc/1"),
        (host.readlink, "/proc/self"),
        (host.size_bytes, "/proc/7/fd"),
        (host.statvfs, "/home"),
    ]
    for call, path in asked:
        with pytest.raises(ReadError) as caught:
            call(path)
        assert caught.value.failure == Failure(path, "not_recorded")
    assert host.user_name(os.getuid() + 4711) is None
    host.close()


def test_bytes_that_did_not_change_are_stored_once(recording: Path) -> None:
    assert (recording / "samples/1/root/proc/stat").read_bytes() == SECOND["/proc/stat"]
    assert not (recording / "samples/1/root/proc/version").exists()
    entries = json.loads((recording / "manifest.json").read_bytes())["entries"]
    kept = [each for each in entries if each["path"] == "/proc/version"]
    assert [each.get("stored_in") for each in kept] == [None, 0]
    assert all(each["size_bytes"] == len(b"Linux version 6.18.0\n") for each in kept)


def test_a_file_that_changes_back_is_found(tmp_path: Path) -> None:
    moments: List[Mapping[str, Content]] = [{"/proc/x": data} for data in (b"a\n", b"b\n", b"b\n", b"a\n")]
    assert _record(tmp_path / "r", moments, ["/proc/x"]) == _replay(tmp_path / "r", ["/proc/x"])


def test_the_first_answer_in_a_sample_stands(tmp_path: Path) -> None:
    class Changing(MemoryHost):
        answers = iter((b"1\n", b"2\n"))

        def reading(self, path: str, may_block: bool = False) -> Any:
            return super().reading(path)._replace(data=next(self.answers))

    host = RecordingHost(Changing([{"/proc/loadavg": b""}]), FolderWriter(str(tmp_path / "r")))
    assert [host.read("/proc/loadavg"), host.read("/proc/loadavg")] == [b"1\n", b"2\n"]
    host.finish()
    host.close()
    replay = RecordedHost(str(tmp_path / "r"))
    assert [replay.read("/proc/loadavg"), replay.read("/proc/loadavg")] == [b"1\n", b"1\n"]
    replay.close()


def test_an_errno_is_written_by_its_name(recording: Path) -> None:
    entries = json.loads((recording / "manifest.json").read_bytes())["entries"]
    found = {each["path"]: (each["status"], each["errno"]) for each in entries if each.get("errno")}
    assert found["/proc/2/stat"] == ("vanished", "ESRCH")
    assert found["/sys/class/hwmon/hwmon0/temp1_input"] == ("error", "EIO")


def test_a_name_that_cannot_be_stored_is_not_recorded_and_says_so(tmp_path: Path) -> None:
    names = ["/proc/a\nb", "/proc/" + "x" * 256, "/proc/\x1b[2J", "/" + "d/" * 40 + "x", "/proc/\ud800"]
    _record(tmp_path / "r", [dict.fromkeys(names, b"1\n")], names)
    host = RecordedHost(str(tmp_path / "r"))
    for name in names:
        with pytest.raises(ReadError) as caught:
            host.read(name)
        assert caught.value.failure == Failure(name, "not_recorded", None, "its name cannot be stored")
    host.close()


def test_only_the_owner_may_read_it(recording: Path) -> None:
    for folder, _, files in os.walk(recording):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        for name in files:
            assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600


def test_nothing_that_exists_is_written_into(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("folder", "link"):
        with pytest.raises(CannotRecord, match="exists already; name a folder that does not exist"):
            FolderWriter(str(tmp_path / name))
    with pytest.raises(CannotRecord, match="No such file or directory"):
        FolderWriter(str(tmp_path / "no/parent"))


def test_a_link_put_in_the_way_is_not_followed(tmp_path: Path) -> None:
    writer = FolderWriter(str(tmp_path / "r"))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "r/root").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "r/manifest.json").symlink_to(tmp_path / "elsewhere/stolen")
    for name in ("root/proc/stat", "manifest.json"):
        with pytest.raises(CannotRecord):
            writer.write(name, b"")
    writer.close()
    assert os.listdir(tmp_path / "elsewhere") == []


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../b", "", "a//b", "a\nb"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    writer = FolderWriter(str(tmp_path / "r"))
    with pytest.raises(CannotRecord):
        writer.write(name, b"")
    writer.close()
    assert os.listdir(tmp_path / "r") == []


def test_a_disk_that_is_full_is_an_error_and_leaves_no_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    host = RecordingHost(_host([FIRST]), FolderWriter(str(tmp_path / "r")))
    host.read("/proc/version")
    with monkeypatch.context() as patched:
        patched.setattr("kdiag.host.record.os.write", full)
        with pytest.raises(CannotRecord, match=r"No space left on device; .*counts as cut off"):
            host.read("/proc/stat")
    host.close()
    assert not (tmp_path / "r/manifest.json").exists()


def test_a_recording_that_was_cut_off_says_so_and_gives_what_it_has(tmp_path: Path) -> None:
    host = RecordingHost(_host([FIRST, SECOND]), FolderWriter(str(tmp_path / "r")))
    host.read("/proc/stat")
    host.advance(1.0)
    host.read("/proc/stat")
    host.close()
    replay = RecordedHost(str(tmp_path / "r"))
    assert replay.incomplete == "manifest.json is missing: the recording was cut off"
    assert replay.facts == FOREIGN
    assert replay.reading("/proc/stat") == ("/proc/stat", FIRST["/proc/stat"], None, None)
    assert replay.list("/proc") == ["stat"]
    assert replay.advance(1.0)
    assert replay.facts == FOREIGN._replace(wall_clock_ns=None)
    assert replay.read("/proc/stat") == SECOND["/proc/stat"]
    assert not replay.advance(1.0)
    replay.close()


def test_a_recording_that_was_ended_early_says_why(tmp_path: Path) -> None:
    host = RecordingHost(_host([FIRST]), FolderWriter(str(tmp_path / "r")))
    host.read("/proc/stat")
    host.finish("sigint")
    host.close()
    replay = RecordedHost(str(tmp_path / "r"))
    assert replay.incomplete == "the recording ended early: sigint"
    assert replay.read("/proc/stat") == FIRST["/proc/stat"]
    replay.close()


_component = (
    st.binary(min_size=1, max_size=8)
    .map(lambda name: name.decode("utf-8", "surrogateescape"))
    .filter(lambda name: components(name) is not None and "/" not in name)
)
_files = st.dictionaries(
    st.tuples(st.sampled_from(["/proc/sys", "/sys/fs", "/proc/1/net"]), _component).map("/".join),
    st.one_of(st.binary(max_size=40), st.sampled_from(sorted(errno.errorcode))),
    max_size=5,
)


@settings(max_examples=25, deadline=None)
@given(st.lists(_files, min_size=1, max_size=3))
def test_any_files_and_errnos_come_back_as_they_were(moments: List[Mapping[str, Content]]) -> None:
    paths = sorted({path for moment in moments for path in moment})
    with tempfile.TemporaryDirectory() as folder:
        answers = _record(Path(folder) / "r", moments, paths)
        assert _replay(Path(folder) / "r", paths) == answers
        assert _replay(_pack(Path(folder) / "r", Path(folder) / "r.tar", "w", "r"), paths) == answers
