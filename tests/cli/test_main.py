"""The command line as a user meets it: exit codes, where output goes, and never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Optional

import pytest

from kdiag.cli import main
from kdiag.cli import run as runner
from kdiag.health.record import record
from kdiag.host import settings
from tests.health.overlay import host_of, quiet_overlay


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a recording of the quiet host."""
    folder = str(tmp_path_factory.mktemp("recordings") / "quiet")
    record(host_of(quiet_overlay()), folder, 1.0)
    return folder


def kdiag(*words: str, environment: Optional[Dict[str, str]] = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "kdiag", *words],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **(environment or {})},
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["snapshot", "--no-such"], "--no-such"),
        (["nonsense"], "nonsense"),
        (["snapshot", "stray"], "stray"),
        (["--interval", "soon"], "'soon' is not a number of seconds"),
        (["--interval"], "--interval"),
        (["--top", "0"], "--top"),
        (["--fail-on", "worst"], "--fail-on"),
        (["--once", "--watch"], "--once takes one reading"),
        (["--json", "--markdown"], "exclude each other"),
        (["--once", "--section", "nope"], "there is no section 'nope'; there are: findings, "),
        (["--once", "--thresholds", "/nonexistent.ini"], "/nonexistent.ini"),
        (["--root", "/nonexistent"], "/nonexistent"),
        (["explain", "cpu.nope"], "there is no check 'cpu.nope'"),
    ],
)
def test_wrong_use_is_exit_code_3_and_says_what_is_wrong_on_stderr(
    words: List[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 3
    output = capsys.readouterr()
    assert output.out == ""
    assert told in output.err
    assert "Traceback" not in output.err


def test_a_crash_is_exit_code_3_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def crash(values: object) -> int:
        raise RuntimeError("something impossible")

    monkeypatch.setitem(runner.RUNNERS, "snapshot", crash)
    assert main(["--once"]) == 3
    told = capsys.readouterr().err
    assert "RuntimeError: something impossible" in told and "Traceback" not in told
    with pytest.raises(RuntimeError):
        main(["--once", "--debug"])


def test_help_and_version_are_exit_code_0() -> None:
    helped, versioned = kdiag("--help"), kdiag("--version")
    assert helped.returncode == 0 and "snapshot" in helped.stdout
    assert versioned.returncode == 0 and versioned.stdout.startswith("kdiag")


def test_a_recorded_host_is_judged_offline(quiet: str) -> None:
    done = kdiag("--root", quiet, "--json")
    document = json.loads(done.stdout)
    assert done.returncode == document["exit_code"]
    assert document["schema"] == "kdiag/snapshot/1"
    assert document["host"]["name"] == "quiet"


def test_check_prints_one_line(quiet: str) -> None:
    done = kdiag("check", "--root", quiet)
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith("KDIAG ")


def test_check_prints_its_line_as_json_too(quiet: str) -> None:
    done = kdiag("check", "--root", quiet, "--json")
    document = json.loads(done.stdout)
    assert document["schema"] == "kdiag/check/1"
    assert document["exit_code"] == done.returncode
    assert f"{document['line']}\n" == kdiag("check", "--root", quiet).stdout


def test_a_closed_pipe_is_quiet(quiet: str) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "kdiag", "--root", quiet],
        stdout=write_end,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(write_end)
    assert done.stderr == ""


def test_a_locale_without_utf_8_prints_all_the_same(quiet: str) -> None:
    done = kdiag("--root", quiet, environment={"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert "Traceback" not in done.stderr and done.stdout.isascii() and done.stdout


def test_output_fits_80_and_120_columns(quiet: str) -> None:
    for columns in (80, 120):
        done = kdiag("--root", quiet, "--per-cpu", environment={"COLUMNS": str(columns)})
        assert max(map(len, done.stdout.splitlines())) <= columns


def test_a_bad_threshold_names_its_line(
    quiet: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = tmp_path / "t.ini"
    overrides.write_text("[cpu.psi]\navg60_warning_pct = many\n")
    assert main(["--once", "--root", quiet, "--thresholds", str(overrides)]) == 3
    assert f"{overrides}:2: avg60_warning_pct wants a number" in capsys.readouterr().err


def test_a_plain_snapshot_imports_neither_click_nor_tabulate_nor_json() -> None:
    program = (
        "import sys\nfrom kdiag.cli import main\nmain(sys.argv[1:])\n"
        "heavy = {'click', 'tabulate', 'json', 'argparse', 'dataclasses', 'subprocess', 'tempfile'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--once", "--section", "findings"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == "[]"


def test_sections_can_be_named_one_by_one_or_with_commas(quiet: str) -> None:
    one = kdiag("--root", quiet, "--section", "load", "--section", "cpu")
    other = kdiag("--root", quiet, "--section", "load,cpu")
    assert one.stdout == other.stdout
    assert "load15" in one.stdout and "%idle" in one.stdout and "Memory" not in one.stdout


def test_explain_shows_the_thresholds_that_hold_on_this_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "thresholds.ini"
    site.write_text("[fs.space]\nwarning_pct = 7\n")
    monkeypatch.setattr(settings, "SITE_THRESHOLDS", str(site))
    assert main(["explain", "fs.space"]) == 0
    assert "warning_pct = 7, critical_pct = 3" in capsys.readouterr().out
