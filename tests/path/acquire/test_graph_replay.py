"""A failing call made once more by kdiag itself."""

import os
import time
from pathlib import Path

import pytest

from kdiag.path.acquire.graph_replay import Replay, is_repeatable, replay_of

OPENAT = {"dfd": 0xFFFFFF9C, "filename": 0x7FFE0000, "flags": os.O_RDONLY, "mode": 0}
MISSING = {"filename": "/nosuch"}


def test_a_look_up_is_repeated_with_the_same_arguments() -> None:
    again = replay_of("openat", OPENAT, MISSING)
    assert again is not None
    assert again.arguments == (-100, b"/nosuch\0", 0, 0)


@pytest.mark.parametrize("flag", [os.O_CREAT, os.O_TRUNC, os.O_TMPFILE])
def test_an_open_that_makes_or_empties_a_file_is_not_repeated(flag: int) -> None:
    assert replay_of("openat", {**OPENAT, "flags": flag}, MISSING) is None


def test_an_open_of_a_directory_is_repeated() -> None:
    assert replay_of("openat", {**OPENAT, "flags": os.O_DIRECTORY}, MISSING) is not None


def test_a_path_that_is_not_known_or_not_relative_to_the_working_directory_is_not_repeated() -> None:
    assert replay_of("openat", OPENAT, {}) is None
    assert replay_of("openat", {**OPENAT, "dfd": 5}, MISSING) is None


@pytest.mark.parametrize("syscall", ["unlink", "mkdir", "write", "connect", "execve", "kill"])
def test_a_call_that_does_something_is_not_repeated(syscall: str) -> None:
    assert not is_repeatable(syscall)
    assert replay_of(syscall, OPENAT, {"pathname": "/nosuch", **MISSING}) is None


def test_the_child_makes_the_call_only_when_it_is_told_to(tmp_path: Path) -> None:
    made = tmp_path / "made"
    mkdir = 83 if os.uname().machine == "x86_64" else None
    if mkdir is None:
        pytest.skip("the number of mkdir is known for x86_64 alone")
    Replay(mkdir, (os.fsencode(made) + b"\0", 0o700)).close()
    assert not made.exists()
    replay = Replay(mkdir, (os.fsencode(made) + b"\0", 0o700))
    time.sleep(0.05)
    assert not made.exists()
    replay.go()
    assert made.is_dir()
