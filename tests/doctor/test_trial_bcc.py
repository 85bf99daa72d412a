import os
import sys
from pathlib import Path

import pytest

from kdiag.doctor import trial_bcc
from kdiag.doctor.outcome import NotTried, Refused
from kdiag.doctor.trials import Bench, Trials
from kdiag.host.base import Host
from kdiag.host.memory import MemoryHost
from kdiag.host.open import open_host
from tests.ebpf.bcc.fake import make_python


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))


def bench(host: Host) -> Bench:
    return Bench(host, None, Trials(host).try_capability)


def test_it_has_compiled_loaded_and_attached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = make_python(
        tmp_path,
        f"""
        def attach(kind, name, function):
            open({str(tmp_path / "attached")!r}, "w").write(function.decode())
        """,
    )
    monkeypatch.setenv("KDIAG_BCC_PYTHON", python)
    told = trial_bcc.bcc(bench(open_host("/")))
    assert told == f"version 0.99 for {python}; compiled in 0.0 s with kdiag's own headers"
    assert (tmp_path / "attached").read_text() == "sched_process_exit"


def test_a_python_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDIAG_BCC_PYTHON", sys.executable)
    with pytest.raises(Refused) as raised:
        trial_bcc.bcc(bench(open_host("/")))
    assert raised.value.detail == "import: ModuleNotFoundError: No module named 'bcc'"
    assert raised.value.why == "it is not installed for this Python"
    assert "python3-bpfcc" in raised.value.remedy


def test_no_such_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDIAG_BCC_PYTHON", "/nonexistent")
    with pytest.raises(Refused) as raised:
        trial_bcc.bcc(bench(open_host("/")))
    assert (raised.value.detail, raised.value.why) == ("import", "/nonexistent: No such file or directory")


def test_a_compiler_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = make_python(
        tmp_path,
        """
        def compile(text, cflags, headers):
            raise Exception("Failed to compile BPF module <text>")
        """,
    )
    monkeypatch.setenv("KDIAG_BCC_PYTHON", python)
    with pytest.raises(Refused) as raised:
        trial_bcc.bcc(bench(open_host("/")))
    assert raised.value.detail == "compile: Exception: Failed to compile BPF module <text>"
    assert os.listdir(tmp_path / "tmp") == []


def test_a_recording_has_no_system_calls() -> None:
    with pytest.raises(NotTried):
        trial_bcc.bcc(bench(MemoryHost([{}])))
