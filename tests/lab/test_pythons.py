import sys
from pathlib import Path

import pytest

from lab.pythons import find_python
from lab.pythons import test_pythons as run_pythons

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_a_python_is_believed_only_when_it_says_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A shim of pyenv is there for every version that was ever installed, and fails when that is not chosen.
    shim = tmp_path / f"python{HERE}"
    shim.write_text("#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "none"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "none"))
    assert find_python(HERE) is None
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    assert find_python(HERE) == str(shim)


def test_a_machine_without_any_python_that_is_wanted_has_failed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_pythons(".", (), lambda line: None, wanted=("2.0",)) == 1
    assert capsys.readouterr().out == (
        "Python 2.0: absent: not on PATH, nor among the Pythons of pyenv and uv\n"
        "Pythons: 0 well, 0 not, 1 not to be had\n"
    )
