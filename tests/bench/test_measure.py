import sys

import pytest

from bench.measure import CannotMeasure, by_turns, environment, run_once


def test_a_run_that_complains_is_no_measurement_even_with_a_good_exit_code() -> None:
    with pytest.raises(CannotMeasure, match="ended with 0: a defect"):
        run_once(["/bin/sh", "-c", "echo a defect >&2"])


def test_a_run_that_ends_otherwise_than_expected_is_no_measurement() -> None:
    assert run_once(["/bin/sh", "-c", "exit 2"], (0, 2)).cpu_s >= 0
    with pytest.raises(CannotMeasure, match="ended with 2"):
        run_once(["/bin/sh", "-c", "exit 2"])
    with pytest.raises(CannotMeasure, match="ended with -9"):
        run_once(["/bin/sh", "-c", "kill -9 $$"])


def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(CannotMeasure, match="/nonexistent: No such file or directory"):
        run_once(["/nonexistent"])


def test_the_cpu_of_children_counts() -> None:
    busy = f"{sys.executable} -c 'x = 0\nwhile x < 1_000_000: x += 1' & wait"
    alone, with_child = run_once(["/bin/sh", "-c", ":"]), run_once(["/bin/sh", "-c", busy])
    assert with_child.cpu_s > alone.cpu_s + 0.01


def test_commands_take_turns_and_the_first_round_is_not_counted(tmp_path: object) -> None:
    log = f"{tmp_path}/log"
    commands = {name: ["/bin/sh", "-c", f"printf {name} >> {log}"] for name in "ab"}
    series = by_turns(commands, 2, {})
    with open(log, encoding="ascii") as file:
        assert file.read() == "ababab"
    assert {name: len(each.runs) for name, each in series.items()} == {"a": 2, "b": 2}


def test_commands_run_without_the_variables_that_make_python_dearer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPATH", "/opt/kdiag")
    assert {name for name in environment() if name.startswith("PYTHON")} == {"PYTHONPATH"}
