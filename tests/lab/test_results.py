import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Optional, Tuple

import pytest

from lab.console import Trouble
from lab.guest import Ended
from lab.results import Outcome, Row, outcomes_of, read_row, row_of, write_row

REPO = Path(__file__).parents[2]


def line(test: str, phase: str, outcome: str = "passed", reason: Optional[str] = None) -> str:
    return json.dumps({"test": test, "phase": phase, "outcome": outcome, "reason": reason, "s": 1.0})


def started(test: str) -> str:
    return json.dumps({"test": test, "started": True})


def whole(test: str, outcome: str = "passed", reason: Optional[str] = None) -> str:
    lines = [started(test), line(test, "setup"), line(test, "call", outcome, reason), line(test, "teardown")]
    return "\n".join(lines)


def finished(status: int) -> str:
    return json.dumps({"finished": status})


def ended(status: Optional[int] = 0, why: Optional[str] = None, console: str = "") -> Ended:
    return Ended(status, why, "6.1.0-56-amd64", 100.0, 14.0, console, "", ())


def row(tmp_path: Path, *lines: str, end: Optional[Ended] = None) -> Row:
    (tmp_path / "tests.jsonl").write_text("\n".join(lines))
    return row_of("6.1", "6.1.192-2", "default", end or ended(), str(tmp_path))


def counts(one: Row) -> Tuple[int, int, int]:
    return one.count("passed"), one.count("failed"), one.count("skipped")


def test_a_test_is_as_well_as_its_worst_phase() -> None:
    lines = [
        whole("a"),
        whole("b", "failed", "assert 1 == 2"),
        *(started("c"), line("c", "setup", "skipped", "PSI: off"), line("c", "teardown")),
        *(
            started("d"),
            line("d", "setup"),
            line("d", "call"),
            line("d", "teardown", "failed", "left a mount"),
        ),
        *(started("e"), line("e", "setup", "failed", "no disk"), line("e", "teardown")),
        finished(1),
    ]
    assert outcomes_of("\n".join(lines)) == (
        (
            Outcome("a", "passed", None, 3.0),
            Outcome("b", "failed", "assert 1 == 2", 3.0),
            Outcome("c", "skipped", "PSI: off", 2.0),
            Outcome("d", "failed", "left a mount", 3.0),
            Outcome("e", "failed", "no disk", 2.0),
        ),
        1,
    )


def test_a_line_that_the_crash_cut_off_is_left_out() -> None:
    tests, status = outcomes_of(whole("a") + "\n" + started("b")[:-4])
    assert [test.test for test in tests] == ["a"]
    assert status is None


def test_a_guest_whose_tests_passed_or_were_skipped_is_well(tmp_path: Path) -> None:
    one = row(tmp_path, whole("a"), whole("b", "skipped", "takes root"), finished(0))
    assert (one.well, one.why, counts(one)) == (True, None, (1, 0, 1))


def test_a_guest_in_which_a_test_failed_is_not_well(tmp_path: Path) -> None:
    one = row(tmp_path, whole("a"), whole("b", "failed", "x"), finished(1), end=ended(status=1))
    assert (one.well, one.why, counts(one)) == (False, None, (1, 1, 0))


def test_a_guest_in_which_no_test_ran_is_not_well(tmp_path: Path) -> None:
    assert row(tmp_path, finished(5), end=ended(status=5)).why == "pytest found no test"
    assert row(tmp_path).why == "pytest did not come to its end (exit status 0)"
    os.unlink(tmp_path / "tests.jsonl")
    gone = row_of("6.1", "", "default", ended(), str(tmp_path))
    assert (gone.well, gone.why) == (False, "pytest did not come to its end (exit status 0)")


def test_a_guest_in_which_every_test_was_skipped_is_not_well(tmp_path: Path) -> None:
    one = row(tmp_path, whole("a", "skipped", "takes root"), finished(0))
    assert (one.well, one.why) == (False, "no test passed")


def test_a_guest_that_crashed_is_not_well_though_all_tests_so_far_passed(tmp_path: Path) -> None:
    console = "boot\n" + (Path(__file__).parent / "consoles" / "panic-6.1.txt").read_text()
    end = ended(None, "panic: Kernel panic - not syncing: sysrq triggered crash", console)
    one = row(tmp_path, whole("a"), started("tests/live/test_b.py::test_c"), end=end)
    assert one.why == (
        "panic: Kernel panic - not syncing: sysrq triggered crash, while tests/live/test_b.py::test_c ran"
    )
    assert not one.well
    assert "Kernel panic - not syncing: sysrq triggered crash" in one.console_end


def test_a_status_that_contradicts_the_tests_is_not_well(tmp_path: Path) -> None:
    assert row(tmp_path, whole("a"), finished(0), end=ended(status=137)).why == (
        "the command ended with status 137"
    )
    assert row(tmp_path, whole("a"), finished(1), end=ended(status=1)).why == (
        "pytest says that something failed, and no test did"
    )


def test_reasons_of_skips_are_counted_most_frequent_first(tmp_path: Path) -> None:
    lines = [whole(name, "skipped", "takes  root") for name in "ab"]
    one = row(tmp_path, whole("c", "skipped", "no PSI"), *lines, whole("d"), finished(0))
    assert list(one.skips().items()) == [("takes root", 2), ("no PSI", 1)]


def test_a_row_is_read_back_as_it_was_kept(tmp_path: Path) -> None:
    end = ended()._replace(troubles=(Trouble("warning", "WARNING: CPU: 0", False),))
    one = row(tmp_path, whole("a"), whole("b", "failed", "x\ny"), finished(1), end=end)
    assert one.warnings == ("WARNING: CPU: 0",)
    path = str(tmp_path / "row.json")
    write_row(one, path)
    assert read_row(path) == one


TESTS = """\
import pytest

def test_well(): pass
def test_bad(): assert 1 + 1 == 3, "sum"
@pytest.mark.skip(reason="not here")
def test_skipped(): pass
@pytest.fixture
def broken(): raise ValueError("no fixture")
def test_of_a_broken_fixture(broken): pass
@pytest.mark.xfail(reason="known")
def test_known(): assert False
"""


def test_pytest_itself_reports_so(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "test_import.py").write_text("import no_such_module\n")
    arguments = ["-p", "lab.pytest_report", "-p", "no:cacheprovider", "-q", "--continue-on-collection-errors"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *arguments,
            f"--rootdir={tmp_path}",
            "-c",
            os.devnull,
            str(tmp_path),
        ],
        cwd=REPO,
        env={**os.environ, "KDIAG_LAB_OUT": str(tmp_path), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    tests, status = outcomes_of((tmp_path / "tests.jsonl").read_text())
    told = {
        test.test.rsplit("::", 1)[-1]: (test.outcome, (test.reason or "").splitlines()[:1]) for test in tests
    }
    assert status == 1
    broken = told.pop("test_import.py")
    assert broken[0] == "failed"
    assert told == {
        "test_well": ("passed", []),
        "test_bad": ("failed", ["AssertionError: sum"]),
        "test_skipped": ("skipped", ["not here"]),
        "test_of_a_broken_fixture": ("failed", ["ValueError: no fixture"]),
        "test_known": ("skipped", ["known"]),
    }


@pytest.mark.parametrize("status", [2, 3, 4])
def test_a_pytest_that_did_not_run_is_told(tmp_path: Path, status: int) -> None:
    one = row(tmp_path, whole("a"), finished(status), end=ended(status=status))
    assert one.why is not None
    assert one.why.startswith("pytest ")
