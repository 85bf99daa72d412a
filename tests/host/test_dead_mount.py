"""On a mount that never answers: a FUSE file system whose daemon is there and says nothing.

Every call on it waits, killably, as on an NFS server that has gone. It is mounted in a mount namespace of its
own, so nobody else on this machine runs into it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import pytest

SCRIPT = """
import ctypes, json, os, sys, time
from kdiag.host.base import ReadError
from kdiag.host.live import LiveHost
from kdiag.host.open import open_host
from kdiag.host.recorded import RecordedHost
from kdiag.host.recording import BadRecording

dead, copy = sys.argv[1:]
for target in (dead, copy + "/sys"):
    fuse = os.open("/dev/fuse", os.O_RDWR)
    options = b"fd=%d,rootmode=40000,user_id=0,group_id=0" % fuse
    assert ctypes.CDLL(None).mount(b"dead", target.encode(), b"fuse", 6, options) == 0

def timed(call, *arguments):
    started_s = time.monotonic()
    try:
        told = repr(call(*arguments))
    except ReadError as error:
        told = str(error)
    except BadRecording as error:
        told = error.what
    return told, time.monotonic() - started_s

bounds = {"timeout_s": 0.2, "budget_s": 0.5}
live, recorded = LiveHost(**bounds), RecordedHost(copy, **bounds)
print(json.dumps({
    "statvfs": timed(live.statvfs, dead),
    "statvfs of another": timed(live.statvfs, "/"),
    "100 more": timed(lambda: [timed(live.statvfs, dead)[0] for _ in range(100)][-1]),
    "recorded file": timed(recorded.read, "/sys/kernel/x"),
    "recorded folder": timed(recorded.list, "/sys"),
    "another recorded file": timed(recorded.read, "/proc/stat"),
    "recording": timed(lambda: open_host(dead, **bounds)),
    "close": timed(lambda: (live.close(), recorded.close())),
}))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Any]:
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("mounting FUSE takes root and /dev/fuse")
    folder = tmp_path_factory.mktemp("dead")
    for name in ("dead", "copy/proc", "copy/sys"):
        (folder / name).mkdir(parents=True)
    (folder / "copy/proc/stat").write_bytes(b"btime 1\n")
    command = ["unshare", "--mount", sys.executable, "-c", SCRIPT, str(folder / "dead"), str(folder / "copy")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=Path(__file__).parents[2])
    if "unshare failed" in run.stderr or "Operation not permitted" in run.stderr:
        pytest.skip(f"no mount namespace here: {run.stderr.strip()}")
    assert run.returncode == 0, run.stderr
    answers: Dict[str, Any] = json.loads(run.stdout)
    return answers


def test_statvfs_ends_in_time_and_the_next_mount_is_asked(told: Dict[str, Any]) -> None:
    text, spent_s = told["statvfs"]
    assert text.endswith("/dead: no answer in time (gave up after 0.2 s)")
    assert 0.2 <= spent_s < 0.5
    assert told["statvfs of another"][0].startswith("FileSystemSize(")


def test_a_hundred_dead_mounts_cost_no_more_than_the_budget(told: Dict[str, Any]) -> None:
    text, spent_s = told["100 more"]
    assert text.endswith("not asked: 0.5 s already went on calls without an answer)'")
    assert spent_s < 0.7


def test_a_recording_that_never_answers_is_timed_out(told: Dict[str, Any]) -> None:
    assert told["recorded file"][0] == "/sys/kernel/x: no answer in time (gave up after 0.2 s)"
    assert told["recorded folder"][0] == "/sys: no answer in time (gave up after 0.2 s)"
    assert told["another recorded file"][0] == repr(b"btime 1\n")
    assert told["recording"][0] == "no answer in time (gave up after 0.2 s)"
    assert told["recording"][1] < 0.9


def test_closing_does_not_wait_for_it(told: Dict[str, Any]) -> None:
    assert told["close"][1] < 0.3
