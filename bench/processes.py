"""Bringing the host to a number of processes, with processes that only sleep."""

import contextlib
import os
import subprocess
import sys
from typing import Iterator

from bench.measure import CannotMeasure

__all__ = ["count_processes", "host_with"]

_SLEEPERS = os.path.join(os.path.dirname(__file__), "children", "sleepers.py")
#: PIDs, and tasks of this user, that are left to everybody else.
_SPARE = 2000
_PATIENCE_S = 60.0


def count_processes() -> int:
    """Return how many processes the host has now."""
    return sum(name.isdigit() for name in os.listdir("/proc"))


@contextlib.contextmanager
def host_with(total: int) -> Iterator[int]:
    """Add sleeping processes until the host has ``total``; yield how many it has then (it may have more).

    They end with the block, and also if the bench is killed in it.
    """
    missing = total - count_processes()
    if missing <= 0:
        yield count_processes()
        return
    _check_room(total)
    launcher = subprocess.Popen(
        [sys.executable, "-I", "-S", _SLEEPERS, str(missing)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the bench; the end of its pipe is for the launcher
    )
    assert launcher.stdin is not None and launcher.stdout is not None
    try:
        if launcher.stdout.readline() != b"ready\n":
            raise CannotMeasure(f"could not start {missing} sleeping processes")
        yield count_processes()
    finally:
        launcher.stdin.close()
        try:
            launcher.wait(_PATIENCE_S)
        finally:
            if launcher.returncode is None:
                launcher.kill()  # the kernel then kills the sleepers
                launcher.wait()
        launcher.stdout.close()


def _check_room(total: int) -> None:
    for path in ("/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"):
        with open(path, encoding="ascii") as file:
            most = int(file.read())
        if total + _SPARE > most:
            raise CannotMeasure(f"{total} processes are too many for this host: {path} is {most}")
