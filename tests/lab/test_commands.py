import signal
from pathlib import Path

import pytest

from lab import commands, matrix
from lab.commands import main


@pytest.fixture(autouse=True)
def empty_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDIAG_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(commands, "RESULTS", str(tmp_path / "results"))
    monkeypatch.setattr(matrix, "_compile", lambda python, repo: None)
    # Handlers of the process that runs the tests are not the lab's to replace.
    monkeypatch.setattr(signal, "signal", lambda number, handler: None)


def test_a_guest_whose_kernel_was_not_fetched_is_a_failure_that_says_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["run", "--kernel", "6.1", "--", "true"]) == 3
    assert capsys.readouterr().err == "lab: kernel 6.1 is not here; run: make lab-setup\n"


def test_a_lab_without_kernels_is_not_green(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "--guests", "6.1:default,7.2:psi0"]) == 1
    said = capsys.readouterr().out
    assert said.count("NOT RUN") == 2
    assert "6.1 default: kernel 6.1 is not here; run: make lab-setup" in said
    assert "2 guests: 0 well, 2 not" in said


def test_docs_are_not_written_from_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs"]) == 3
    assert capsys.readouterr().err == "lab: there are no results; run: make lab\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["setup", "--kernel", "6.18"], "there is no kernel '6.18'; known: 5.10, 6.1, 6.12, 7.2"),
        (["test", "--variant", "psi1"], "there is no variant 'psi1'; known: default, "),
        (["test", "--guests", "6.1"], "no guest is called '6.1'"),
        (["run", "--kernel", "6.1"], "give a command to be run in the guest after --"),
    ],
)
def test_what_the_tables_do_not_know_is_refused_by_name(arguments: "list[str]", told: str) -> None:
    with pytest.raises(SystemExit, match=told):
        main(arguments)
