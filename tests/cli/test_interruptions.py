"""Ctrl-C at any moment, readers that go away, full disks, streams that were never open, places that are gone.

Whatever happens there is no traceback, the exit code is 3 where there is no answer, and no process is left.
"""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Callable, Iterator, List, Optional

import pytest

from kdiag.cli import main
from kdiag.health.record import record
from kdiag.host import settings
from kdiag.host.live import LiveHost
from tests.cli.apart import apart
from tests.health.overlay import host_of, quiet_overlay

PROJECT = str(Path(__file__).parents[2])
KDIAG = [sys.executable, "-m", "kdiag"]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a recording of the quiet host."""
    folder = str(tmp_path_factory.mktemp("recordings") / "quiet")
    record(host_of(quiet_overlay()), folder, 1.0)
    return folder


def through_shell(command: str, *words: str, unbuffered: bool = False) -> "subprocess.CompletedProcess[str]":
    """Run kdiag as ``"$@"`` in a shell command."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    if unbuffered:
        environment["PYTHONUNBUFFERED"] = "1"
    return subprocess.run(
        ["sh", "-c", command, "sh", *KDIAG, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=PROJECT,
        env=environment,
    )


# Ctrl-C.


def interrupted_after(intervals: int) -> Callable[[LiveHost, float], bool]:
    """Return a way to go on to the next moment that is broken off by Ctrl-C after some."""
    left = [intervals]

    def advance(host: LiveHost, seconds: float) -> bool:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return True

    return advance


@pytest.mark.parametrize("words", [["snapshot"], ["check"], ["--json"], ["--for", "3"]])
def test_before_there_is_an_answer_an_interrupt_is_exit_code_3(
    words: List[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(LiveHost, "advance", interrupted_after(0))
    assert main(words) == 3
    assert capsys.readouterr() == ("", "kdiag: interrupted before there was anything to tell\n")


def test_an_interrupt_ends_a_watch_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(LiveHost, "advance", interrupted_after(2))
    assert main(["--watch", "--json", "--section", "load"]) == 0
    output = capsys.readouterr()
    assert (output.out.count("\n"), output.err) == (2, "")


def test_an_interrupted_recording_is_called_so_then_and_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "broken-off")
    with monkeypatch.context() as patched:
        patched.setattr(LiveHost, "advance", interrupted_after(0))
        assert main(["record", folder]) == 3
    assert capsys.readouterr() == ("", f"kdiag: interrupted: the recording in {folder} is not whole\n")
    main(["--root", folder])
    assert "note: the recording is not whole: the recording ended early: sigint" in capsys.readouterr().out


def test_a_real_interrupt_leaves_no_traceback_and_no_process() -> None:
    running = subprocess.Popen(
        [*KDIAG, "--watch", "--interval", "0.05", "--json", "--section", "load"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=PROJECT,
        start_new_session=True,
    )
    with running:
        assert running.stdout is not None and running.stderr is not None
        assert running.stdout.readline().startswith(b'{"schema": "kdiag/snapshot/1"')
        os.killpg(running.pid, signal.SIGINT)
        told = running.communicate(timeout=20)[1]
    assert (running.returncode, told) == (0, b"")
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)


# Readers that go away, and disks that are full.


def test_a_reader_that_has_read_enough_is_no_error(quiet: str) -> None:
    for words in (["--root", quiet, "--json"], ["--help"], ["explain"], ["files"]):
        done = through_shell('{ "$@"; echo "$?" >&2; } | head -c 1', *words)
        assert (len(done.stdout), done.stderr) == (1, "0\n")


@pytest.mark.parametrize("words", [["--root", "quiet"], ["check", "--root", "quiet"], ["--help"], ["files"]])
def test_a_full_disk_is_told_and_is_no_defect(words: List[str], quiet: str) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full")
    done = through_shell('"$@" > /dev/full', *[quiet if word == "quiet" else word for word in words])
    assert done.returncode == 3
    assert done.stderr == "kdiag: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize("unbuffered", [False, True])
def test_no_report_is_cut_off_in_silence(quiet: str, tmp_path: Path, unbuffered: bool) -> None:
    """A disk that takes the first kilobyte; PYTHONUNBUFFERED is what many containers set."""
    command = f'ulimit -f 2; "$@" > {tmp_path}/report'
    done = through_shell(command, "--root", quiet, "--json", unbuffered=unbuffered)
    assert done.returncode == 3
    assert done.stderr == "kdiag: cannot write to standard output: File too large\n"


@pytest.mark.parametrize(
    ("streams", "words", "code"),
    [
        (">&-", ["--root", "quiet"], 0),
        (">&- <&-", ["--interval", "0.05", "--fail-on", "never"], 0),
        ("2>&-", ["--root", "quiet"], 0),
        ("2>&-", ["--root", "/nonexistent"], 3),
        ("2>&-", ["--no-such"], 3),
        ("2>/dev/full", ["--root", "/nonexistent"], 3),
        ("<&- >&- 2>&-", ["check", "--root", "quiet"], 0),
        (">&-", ["--version"], 0),
    ],
)
def test_without_its_streams_the_exit_code_remains(
    streams: str, words: List[str], code: int, quiet: str
) -> None:
    done = through_shell(f'"$@" {streams}', *[quiet if word == "quiet" else word for word in words])
    assert done.returncode == code
    assert done.stderr == ""
    if code == 3:
        assert done.stdout == ""


def test_a_recording_does_not_land_in_a_closed_stream(tmp_path: Path, quiet: str) -> None:
    folder = str(tmp_path / "recorded")
    done = through_shell('"$@" <&- >&- 2>&-', "record", folder, "--root", quiet)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert main(["--root", folder, "--json"]) == main(["--root", quiet, "--json"])


# Where recordings are written.


def test_a_recording_that_fills_its_disk_says_so_and_counts_as_cut_off() -> None:
    mounted = "mount -t tmpfs -o size=64k small /mnt"
    done = apart("record", "/mnt/recorded", "--interval", "0.05", before=mounted)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("kdiag: /mnt/recorded/")
    assert "No space left on device; what is there so far has no manifest.json" in done.stderr


def test_nothing_that_exists_is_written_into(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "elsewhere")
    for name in ("folder", "file", "dangling"):
        assert main(["record", str(tmp_path / name)]) == 3
        assert capsys.readouterr().err == (
            f"kdiag: {tmp_path}/{name}: exists already; name a folder that does not exist\n"
        )
    for name, why in (("no/such", "No such file or directory"), ("file/below", "Not a directory")):
        assert main(["record", str(tmp_path / name)]) == 3
        assert capsys.readouterr().err == f"kdiag: {tmp_path}/{name}: {why}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "file", "folder"]


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_recording_is_for_its_owner_alone_whatever_the_umask(
    open_umask: None, quiet: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "recorded"
    assert main(["record", str(folder), "--root", quiet]) == 0
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
    assert modes == {0o700, 0o600}
    assert capsys.readouterr().err == ""


def test_the_name_of_a_recording_is_told_as_text_that_shows(
    quiet: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", f"{tmp_path}/a\x1b[31m\nb", "--root", quiet]) == 0
    assert f"{tmp_path}/a\\x1b[31m\\x0ab" in capsys.readouterr().out
    assert main(["record", f"{tmp_path}/a\x1b[31m\nb", "--root", quiet]) == 3
    assert capsys.readouterr().err.startswith(f"kdiag: {tmp_path}/a\\x1b[31m\\x0ab: exists already")


# Surroundings.


def test_in_a_folder_that_is_gone_kdiag_works_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], quiet: str
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main(["--root", quiet]) == 0
    for words in (["--root", "relative"], ["record", "relative", "--interval", "0.01"]):
        capsys.readouterr()
        assert main(words) == 3
        told = capsys.readouterr().err
        assert told.startswith("kdiag: relative: ") and "defect" not in told


@pytest.mark.parametrize("columns", ["20", "0", "-5", "wide", "99999999999", "", None])
def test_the_width_that_is_asked_for_may_be_nonsense(
    columns: Optional[str], quiet: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if columns is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", columns)
    assert main(["--root", quiet]) == 0
    assert max(map(len, capsys.readouterr().out.split("\n"))) <= (40 if columns == "20" else 120)


def test_an_empty_environment_is_enough(quiet: str) -> None:
    done = through_shell(f'exec env -i PYTHONPATH={PROJECT} "$@"', "--root", quiet)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("words", [["snapshot"], ["check"]])
def test_thresholds_of_the_site_that_are_wrong_stop_a_look_at_a_live_host_alone(
    words: List[str],
    quiet: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    site = tmp_path / "thresholds.ini"
    site.write_text("[cpu.psi]\navg60_warning_pct = many\n")
    monkeypatch.setattr(settings, "SITE_THRESHOLDS", str(site))
    assert main([*words, "--once"]) == 3
    assert f"{site}:2: avg60_warning_pct wants a number from 0 up, not 'many'" in capsys.readouterr().err
    assert main([*words, "--root", quiet]) == 0
    site.unlink()
    site.mkdir()
    assert main([*words, "--once"]) == 3
    assert f"{site}: not a regular file" in capsys.readouterr().err


def test_a_file_of_thresholds_that_cannot_be_read_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--once", "--thresholds", "/nonexistent.ini"]) == 3
    assert capsys.readouterr().err == "kdiag: thresholds: /nonexistent.ini: No such file or directory\n"
