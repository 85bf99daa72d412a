import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

from lab import guest
from lab.guest import GUEST_OUT, Request, closed_folder_above, qemu_command, request_text
from lab.installed import Installed
from lab.variants import VARIANTS

KERNEL = Installed("6.1", "6.1.0-56-amd64", "6.1.192-2", "/cache/kernels/6.1")


def asked(out: Path, variant: str = "default", disk: bool = False) -> Request:
    return Request(KERNEL, VARIANTS[variant], ("echo", "it's"), str(out), "/repo", disk=disk)


def left(out: Path, **files: str) -> None:
    for name, text in files.items():
        (out / name.replace("_", ".")).write_text(text)


def ended(out: Path, late: bool = False) -> guest.Ended:
    return guest._ended(asked(out), 12.0, late)


def test_a_guest_that_gave_its_status_back_ended_well(tmp_path: Path) -> None:
    left(tmp_path, status="3\n", release="6.1.0-56-amd64\n", booted="14.5\n", console_log="quiet\n")
    end = ended(tmp_path)
    assert (end.status, end.why, end.release, end.booted_s) == (3, None, "6.1.0-56-amd64", 14.5)


def test_a_guest_without_a_status_has_failed(tmp_path: Path) -> None:
    left(tmp_path, console_log="[ 1.0] reboot: Power down\n")
    end = ended(tmp_path)
    assert (end.status, end.why) == (None, "ended without the exit status of its command")


def test_a_guest_that_panicked_has_failed_even_with_a_status(tmp_path: Path) -> None:
    console = (Path(__file__).parent / "consoles" / "panic-6.1.txt").read_text()
    left(tmp_path, console_log=console, status="0\n")
    why = ended(tmp_path).why
    assert why is not None
    assert why.startswith("panic: ")
    assert "sysrq triggered crash" in why


def test_a_guest_that_did_not_end_in_time_has_failed(tmp_path: Path) -> None:
    left(tmp_path, console_log="")
    assert ended(tmp_path, late=True).why == "did not end within 600 s"


def test_a_guest_whose_variant_is_not_in_force_has_failed(tmp_path: Path) -> None:
    left(tmp_path, failed="the variant psi0 is not in force: ! cat\n", console_log="")
    end = ended(tmp_path)
    assert (end.status, end.why) == (None, "the variant psi0 is not in force: ! cat")


def test_a_warning_on_the_console_does_not_fail_a_guest(tmp_path: Path) -> None:
    left(tmp_path, status="0", console_log="WARNING: CPU: 0 PID: 9 at x.c:1\n")
    end = ended(tmp_path)
    assert end.why is None
    assert [trouble.kind for trouble in end.troubles] == ["warning"]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can pass through; pytest's own are closed."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_the_topmost_closed_folder_is_found(open_folder: Path) -> None:
    inner = open_folder / "open" / "closed" / "closed too" / "file"
    inner.parent.mkdir(parents=True)
    assert closed_folder_above(str(inner)) is None
    inner.parent.chmod(0o700)
    (open_folder / "open" / "closed").chmod(0o750)
    assert closed_folder_above(str(inner)) == str(open_folder / "open" / "closed")


def test_the_request_survives_the_shell(tmp_path: Path) -> None:
    request = asked(tmp_path, "unprivileged")
    text = request_text(request, str(tmp_path))
    names = ("LAB_PROOF", "LAB_FOLDER", "KDIAG_LAB_USER", "KDIAG_LAB_ROOT", "LAB_KERNEL")
    script = text + "".join(f'printf "%s\\0" "${name}"\n' for name in names)
    said = subprocess.run(["sh"], input=script, text=True, capture_output=True, check=True).stdout
    assert said.split("\0")[:-1] == [request.variant.proof, "/repo", "nobody", "/", "/cache/kernels/6.1"]


def test_the_interpreter_that_runs_the_lab_is_shown_to_the_guest(tmp_path: Path) -> None:
    shown, _ = guest._shown_and_covered(str(tmp_path))
    assert shown[0] == os.path.realpath(tmp_path)
    if not sys.base_prefix.startswith("/usr"):
        assert shown[1] == os.path.realpath(sys.base_prefix)


def test_a_folder_with_blanks_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "two words"
    folder.mkdir()
    with pytest.raises(ValueError, match="blanks in its name"):
        request_text(asked(tmp_path), str(folder))


def test_qemu_emulates_one_cpu_at_a_time_and_an_oops_ends_the_guest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest, "_virtme_run", lambda: "virtme-run")
    command = qemu_command(asked(tmp_path, "psi0"), None)
    assert "--qemu-opt=tcg,thread=single" in command
    assert f"--rwdir={GUEST_OUT}={tmp_path}" in command
    parameters = [command[place + 1] for place, word in enumerate(command) if word == "--kopt"]
    assert "oops=panic" in parameters
    assert "psi=0" in parameters
    assert "--disk" not in command
    assert "--disk" in qemu_command(asked(tmp_path), "/disk.img")
