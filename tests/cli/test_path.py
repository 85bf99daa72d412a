import json
from pathlib import Path
from typing import Tuple

import pytest

from kdiag.cli import main
from tests.ftrace.captures import CAPTURES

OPEN = str(CAPTURES / "7.2-full" / "openat-enoent.retval-args.txt")
READ = str(CAPTURES / "7.2-full" / "read-ext4.retval.txt")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> Tuple[int, str, str]:
    code = main(["path", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_recorded_graph_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--root", OPEN, "--nth", "2")
    assert (code, err) == (0, "")
    assert out.startswith("openat: 3 calls by whoever was traced; 3 failed: 3 ENOENT\n")
    assert "The call (number 2 of 3)" in out


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "openat", "--root", OPEN, "--failing", "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["schema"] == "kdiag/path/1"
    assert document["chosen"]["origin"]["function"] == "step_into_slowpath"


@pytest.mark.parametrize("ending", ["svg", "json", "folded"])
def test_a_file_is_written_as_its_ending_says(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"out.{ending}"
    code, _, err = run(capsys, "--root", OPEN, "-o", str(path))
    assert (code, err) == (0, f"kdiag: {path} written\n")
    assert path.stat().st_size > 100
    code, _, err = run(capsys, "--root", OPEN, "-o", str(path))
    assert code == 3
    assert "it exists (--force replaces it)" in err
    assert run(capsys, "--root", OPEN, "-o", str(path), "--force")[0] == 0


def test_two_captures_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "diff", OPEN, READ)
    assert code == 0
    assert "openat: ENOENT in 100 % of calls, now 0 %" in out
    code, out, _ = run(capsys, "diff", OPEN, READ, "--json")
    assert json.loads(out)["schema"] == "kdiag/path-diff/1"


@pytest.mark.parametrize(
    "words, said",
    [
        ((), "nothing says which call: name a system call, or give --function F, or --all"),
        (("openat",), "of whom? Give -- CMD, -p PID, --comm NAME or --cgroup PATH; or --for S"),
        (("openat", "--all"), "SYSCALL and --all do not go together"),
        (("openat", "read", "--", "true"), "one system call at a time, not openat read"),
        (("opnat", "--", "true"), "opnat: there is no such system call; near: openat"),
        (("diff", OPEN), "kdiag path diff A B compares two captures that --save made"),
        (("diff", "/nonexistent", OPEN), "/nonexistent/meta.json: it is not there"),
        (("openat", "-o", "x.png", "--", "true"), "x.png: what to write is told by the ending"),
        (("read", "--root", OPEN), f"{OPEN}: a capture of openat, not of read"),
        (("--root", OPEN, "--", "true"), f"{OPEN} is a capture: there is nothing to trace or to save"),
        (("--root", "/etc/passwd"), "/etc/passwd: it has no line of function_graph"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], words: Tuple[str, ...], said: str
) -> None:
    code, out, err = run(capsys, *words)
    assert (code, out) == (3, "")
    assert err.startswith(f"kdiag: {said}")


def test_a_run_that_fails_leaves_no_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    code, _, _ = run(capsys, "openat", "--save", str(folder), "--", "/nonexistent/command")
    assert code == 3
    assert not folder.exists()


def test_of_a_capture_that_is_cut_off_the_place_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "meta.json").write_text("{")
    code, out, err = run(capsys, "--root", str(tmp_path))
    assert (code, out) == (3, "")
    assert err.startswith(f"kdiag: {tmp_path}/meta.json: it is damaged: ")
