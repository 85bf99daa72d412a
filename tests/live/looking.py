"""Running kdiag as a user does, in a process of its own, and reading its JSON.

:func:`looking` starts it and gives control back when it has taken its first reading and sleeps until the
second, so that a load can be made that lies between the two as a whole.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence

import pytest

__all__ = ["KDIAG", "Look", "Slept", "look", "looking", "skip_unless_all_switches_are_recorded"]

KDIAG = (sys.executable, "-m", "kdiag")
#: System calls in which a Python of any version sleeps: nanosleep, clock_nanosleep, select, pselect6.
_SLEEPS = {"x86_64": (35, 230, 23, 270), "aarch64": (101, 115, 72)}
_START_S = 120.0
_END_S = 300.0


class Slept(Exception):
    """kdiag woke up before the load was done: what it counted is not the whole load."""


class Look(NamedTuple):
    """One snapshot's JSON document, and how the run ended."""

    document: Dict[str, Any]
    exit_code: int
    stderr: str
    interval_s: float

    @property
    def duration_s(self) -> float:
        """Seconds between the two readings."""
        return float(self.document["duration_s"])

    def assert_within(self, per_s: float, least: float, most: float) -> None:
        """Hold a rate against what was done at least, and what the kernel counted at most.

        A rate is over the time between two reads of one file. That is no less than the interval, in which
        kdiag sleeps, and no more than the time between the reads of the file that is read first, which is
        ``duration_s``: the first reading takes some time, and loads the parsers. 1 % more is given way to,
        for /proc/uptime counts in 10 ms.
        """
        assert per_s * self.duration_s * 1.01 >= least, (per_s, self.interval_s, self.duration_s, least, most)
        assert per_s * self.interval_s * 0.99 <= most, (per_s, self.interval_s, self.duration_s, least, most)

    def rows(self, section: str, title: str) -> List[Dict[str, Any]]:
        """Return the rows of a table; that it says why there are none fails the test."""
        for table in self.document["tables"][section]:
            if table["title"] == title:
                assert table["missing"] is None, table
                rows: List[Dict[str, Any]] = table["rows"]
                return rows
        raise AssertionError(f"no table {title!r} in {section}")

    def row(self, section: str, title: str, **fields: Any) -> Dict[str, Any]:
        """Return the one row that has these values."""
        found = [row for row in self.rows(section, title) if fields.items() <= row.items()]
        assert len(found) == 1, (fields, self.rows(section, title))
        return found[0]

    def findings(self, check_id: str) -> List[Dict[str, Any]]:
        """Return what a check found."""
        return [found for found in self.document["findings"] if found["id"] == check_id]

    def finding(self, check_id: str, subject: Optional[str] = None) -> Dict[str, Any]:
        """Return the one finding of a check (on a subject)."""
        found = [each for each in self.findings(check_id) if subject in (None, each["subject"])]
        assert len(found) == 1, (check_id, subject, self.findings(check_id))
        return found[0]


def look(*words: str, command: Sequence[str] = KDIAG, interval_s: float = 1.0) -> Look:
    """Take a snapshot of the machine."""
    done = subprocess.run(
        [*command, "snapshot", "--json", "--interval", str(interval_s), *words],
        capture_output=True,
        text=True,
        timeout=_END_S,
        check=False,
    )
    return _read(done.stdout, done.stderr, done.returncode, interval_s)


class Looking:
    """A run of kdiag that is between its two readings."""

    def __init__(self, process: "subprocess.Popen[str]", interval_s: float) -> None:
        self._process = process
        self._interval_s = interval_s
        self.pid = process.pid

    def still(self) -> None:
        """Raise :class:`Slept` unless the second reading is still to come."""
        if not _sleeps(self._process.pid):
            raise Slept

    def result(self) -> Look:
        """Wait for the second reading, and return what was told."""
        stdout, stderr = self._process.communicate(timeout=_END_S)
        return _read(stdout, stderr, self._process.returncode, self._interval_s)


@contextlib.contextmanager
def looking(interval_s: float, *words: str, command: Sequence[str] = KDIAG) -> Iterator[Looking]:
    """Start a snapshot, and wait until its first reading is done."""
    process = subprocess.Popen(
        [*command, "snapshot", "--json", "--interval", str(interval_s), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline_s = time.monotonic() + _START_S
        while not _sleeps(process.pid):
            assert process.poll() is None and time.monotonic() < deadline_s, process.communicate()
            time.sleep(0.005)
        yield Looking(process, interval_s)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _sleeps(pid: int) -> bool:
    """Tell whether a process is in a system call that only sleeps, as /proc/PID/syscall shows it."""
    try:
        with open(f"/proc/{pid}/syscall", encoding="ascii") as shown:
            number = shown.read().split()[0]
    except OSError:
        return False
    return number.isdigit() and int(number) in _SLEEPS[os.uname().machine]


def _read(stdout: str, stderr: str, code: int, interval_s: float) -> Look:
    assert "Traceback" not in stderr, stderr
    assert stdout.startswith("{"), (code, stdout[:400], stderr)
    return Look(json.loads(stdout), code, stderr, interval_s)


def skip_unless_all_switches_are_recorded(document: Dict[str, Any]) -> None:
    """Judge no run of which kdiag itself says that this kernel did not record all switches."""
    for note in document["notes"]:
        if "does not record all switches" in note:
            assert document["lost"] > 0
            pytest.skip(note)
