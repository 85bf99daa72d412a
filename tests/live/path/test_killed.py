"""kdiag killed in the midst of a trace of a path, again and again: tracefs is as it was, nothing runs on."""

import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from typing import Iterator

import pytest

from kdiag.ftrace.reap import reap
from kdiag.ftrace.tracefs import TraceFsError
from kdiag.host.live import LiveHost
from tests.live.path.scenarios import TREES, why_not_mechanism
from tests.live.traced import kdiag, left_by, python, start_kdiag, state_of, tracefs

pytestmark = pytest.mark.needs("root", "tracefs")

#: How often each mechanism is killed.
TIMES = int(os.environ.get("KDIAG_KILLS", "100"))


@pytest.fixture
def busy() -> Iterator[int]:
    """Give a process that makes system calls all the time."""
    started = subprocess.Popen(
        python("""
import os
while True: os.close(os.open("/proc/version", 0))
""")
    )
    yield started.pid
    started.kill()
    started.wait()


@pytest.mark.parametrize("mechanism", TREES)
def test_killed_at_any_moment_nothing_stays(mechanism: str, busy: int) -> None:
    reason = why_not_mechanism(mechanism)
    if reason:
        pytest.skip(f"{mechanism}: {reason}")
    reap(tracefs(), LiveHost())
    before = state_of(tracefs())
    chance = random.Random(TIMES)
    # From the start of the interpreter to well within the trace, which begins half-way.
    began_s = time.monotonic()
    kdiag("path", "--backend", mechanism, "openat", "--", "true")
    latest_s = 2 * (time.monotonic() - began_s)
    killed_while_tracing = 0
    for _ in range(TIMES):
        run = start_kdiag("path", "--backend", mechanism, "openat", "-p", str(busy), "--for", "60")
        with suppress(subprocess.TimeoutExpired):
            run.wait(chance.uniform(0, latest_s))
        killed_while_tracing += bool(left_by(tracefs(), run.pid))
        run.send_signal(signal.SIGKILL)
        out, err = run.communicate(timeout=30)
        assert run.returncode == -signal.SIGKILL, (out, err)
        for name in left_by(tracefs(), run.pid):
            _is_switched_off(f"instances/{name}")
    assert killed_while_tracing > TIMES // 5
    cleaned = kdiag("cleanup")
    assert cleaned.returncode == 0, cleaned.stderr
    assert state_of(tracefs()) == before


def _is_switched_off(instance: str) -> None:
    """Hold the kernel itself to have done it, before anybody cleans up.

    A new instance is switched on, but records nothing.
    """
    top, end = tracefs(), time.monotonic() + 5
    with suppress(TraceFsError):  # the next kdiag on this machine has removed it already
        while top.read(f"{instance}/tracing_on").strip() != "0":
            if top.read(f"{instance}/events/enable").strip() == "0":
                return
            assert time.monotonic() < end, instance
            time.sleep(0.01)
