import json
import os
from pathlib import Path
from typing import Dict, List

import pytest

from lab import packages, setup
from lab.installed import find_installed, kernel_folder
from lab.kernels import KERNELS
from lab.packages import CannotFetch

NEW = "6.1.0-56-amd64"
OLD = "6.1.0-55-amd64"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KDIAG_LAB_CACHE", str(tmp_path))
    return tmp_path


class Suites:
    """Suites of Debian that answer from a table: name -> the packages they have, or what goes wrong."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: Dict[str, object]) -> None:
        self.fetched: List[str] = []
        suites = self

        class Suite:
            def __init__(self, name: str, folder: str) -> None:
                self.name = name

            def update(self) -> None:
                answer = answers.get(self.name, CannotFetch(f"{self.name} does not answer"))
                if isinstance(answer, Exception):
                    raise answer

            def search(self, pattern: str) -> str:
                return str(answers[self.name])

            def download(self, package: str, folder: str) -> str:
                os.makedirs(folder, exist_ok=True)
                suites.fetched.append(package)
                path = os.path.join(folder, f"{package}_1_amd64.deb")
                Path(path).write_text("deb")
                return path

        def unpack(deb: str, folder: str) -> None:
            boot = Path(folder, "boot")
            boot.mkdir(parents=True, exist_ok=True)
            (boot / f"vmlinuz-{NEW}").write_text("kernel")
            Path(folder, "lib", "modules", NEW).mkdir(parents=True)

        monkeypatch.setattr(setup, "Suite", Suite)
        monkeypatch.setattr(packages, "unpack", unpack)
        monkeypatch.setattr(packages, "version_of", lambda deb: "6.1.192-2")
        monkeypatch.setattr(setup, "_arrange", lambda folder, release: None)


def put(release: str) -> None:
    folder = Path(kernel_folder("6.1"))
    (folder / "boot").mkdir(parents=True)
    (folder / "boot" / f"vmlinuz-{release}").write_text("kernel")
    (folder / "installed.json").write_text(json.dumps({"release": release, "version": "1"}))


def set_up_61(said: List[str]) -> str:
    return setup.set_up_kernel(KERNELS["6.1"], said.append).release


def test_the_newest_kernel_is_fetched_and_then_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    suites = Suites(monkeypatch, {"bookworm-security": f"linux-image-{NEW}-unsigned - Linux"})
    said: List[str] = []
    assert set_up_61(said) == NEW
    assert set_up_61(said) == NEW
    assert suites.fetched == [f"linux-image-{NEW}-unsigned"]
    assert said[-1] == f"6.1: {NEW} is here"
    assert not os.listdir(os.path.join(os.environ["KDIAG_LAB_CACHE"], "downloads"))


def test_an_older_kernel_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    Suites(monkeypatch, {"bookworm-security": f"linux-image-{NEW}-unsigned - Linux"})
    put(OLD)
    assert set_up_61([]) == NEW
    found = find_installed("6.1")
    assert found is not None
    assert found.version == "6.1.192-2"


def test_the_next_suite_is_asked_where_the_first_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    Suites(monkeypatch, {"bookworm-security": "", "bookworm": f"linux-image-{NEW}-unsigned - Linux"})
    assert set_up_61([]) == NEW


def test_the_kernel_that_is_here_will_do_when_no_mirror_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    Suites(monkeypatch, {})
    put(OLD)
    said: List[str] = []
    assert set_up_61(said) == OLD
    assert said == [
        f"6.1: {OLD} is here; whether there is a newer one could not be told: "
        "bookworm-security does not answer; bookworm does not answer"
    ]


def test_what_cannot_be_had_is_named_and_the_rest_is_set_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Suites(monkeypatch, {"bookworm-security": f"linux-image-{NEW}-unsigned - Linux"})
    monkeypatch.setattr(setup, "set_up_tools", lambda say: [])
    monkeypatch.setattr(setup, "set_up_python", lambda repo, say: [])
    missing = setup.set_up(["6.1", "7.2"], str(tmp_path), lambda line: None)
    assert missing == [setup.Missing("kernel 7.2", "sid does not answer")]
    assert find_installed("6.1") is not None


def test_a_kernel_whose_unpacking_was_cut_off_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    put(NEW)
    os.unlink(os.path.join(kernel_folder("6.1"), "installed.json"))
    assert find_installed("6.1") is None
    suites = Suites(monkeypatch, {"bookworm-security": f"linux-image-{NEW}-unsigned - Linux"})
    assert set_up_61([]) == NEW
    assert suites.fetched == [f"linux-image-{NEW}-unsigned"]


def test_a_package_with_the_image_among_its_modules_is_brought_into_the_same_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = tmp_path / "usr" / "lib" / "modules" / "7.2.13"
    modules.mkdir(parents=True)
    for name in ("vmlinuz", "config", "modules.builtin"):
        (modules / name).write_text(name)
    depmod = tmp_path / "depmod"
    depmod.write_text('#!/bin/sh\ntouch "$2/lib/modules/$3/modules.dep"\n')
    depmod.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    setup._arrange(str(tmp_path), "7.2.13")
    assert sorted(os.listdir(tmp_path / "boot")) == ["config-7.2.13", "vmlinuz-7.2.13"]
    assert sorted(os.listdir(tmp_path / "lib" / "modules" / "7.2.13")) == ["modules.builtin", "modules.dep"]
    assert not (tmp_path / "usr").exists()


def test_modules_that_depmod_cannot_list_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib" / "modules" / "7.2.13").mkdir(parents=True)
    depmod = tmp_path / "depmod"
    depmod.write_text("#!/bin/sh\necho 'depmod: ERROR: no' >&2\nexit 1\n")
    depmod.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(CannotFetch, match="depmod: ERROR: no"):
        setup._arrange(str(tmp_path), "7.2.13")
