"""kdiag beside a running trace-cmd: it works or says who is in its way, and trace-cmd keeps what it has."""

import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Iterator, Tuple

import pytest

from kdiag.ftrace.tracefs import TraceFs
from tests.live.traced import kdiag, tracefs

pytestmark = pytest.mark.needs("root", "tracefs")

_BEGIN_S, _END_S = 60, 120


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Tuple["subprocess.Popen[str]", Path]]:
    """Give a trace-cmd that records functions and events in the buffer of the top level."""
    if shutil.which("trace-cmd") is None:
        pytest.skip("trace-cmd is not installed")
    if tracefs().read("current_tracer") != "nop\n":
        pytest.skip("somebody else traces functions here")
    out = tmp_path / "trace.dat"
    # It mounts tracefs where that is not mounted, and leaves it so: in a mount namespace of its own.
    words = ["unshare", "-m", "trace-cmd", "record", "-q", "-o", str(out)]
    words += ["-p", "function", "-l", "vfs_read", "-e", "sched_switch"]
    started = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until_s = time.monotonic() + _BEGIN_S
    while not _records(tracefs()):
        if started.poll() is not None:
            pytest.skip(f"trace-cmd does not start here: {(started.communicate()[0] or '').strip()[:100]}")
        assert time.monotonic() < until_s, "trace-cmd does not begin"
        time.sleep(0.2)
    yield started, out
    if started.poll() is None:
        started.send_signal(signal.SIGINT)
        started.communicate(timeout=_END_S)


def _records(top: TraceFs) -> bool:
    return (
        top.read("current_tracer") == "function\n"
        and top.read("events/sched/sched_switch/enable").startswith("1")
        and top.read("tracing_on") == "1\n"
    )


def test_both_trace_at_once_and_each_keeps_its_own(
    recording: Tuple["subprocess.Popen[str]", Path],
) -> None:
    process, out = recording
    done = kdiag("path", "openat", "--", "true", timeout=300)
    assert done.returncode == 0, done.stderr
    assert "openat: " in done.stdout
    assert _records(tracefs())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=_END_S)
    assert process.returncode == 0
    report = subprocess.run(
        ["trace-cmd", "report", "-i", str(out)], capture_output=True, text=True, check=True, timeout=_END_S
    ).stdout
    assert "sched_switch:" in report
    assert "vfs_read" in report
    assert tracefs().read("current_tracer") == "nop\n"


def test_what_is_held_by_trace_cmd_is_said_where_it_is_asked_for(
    recording: Tuple["subprocess.Popen[str]", Path],
) -> None:
    if "function_graph" not in tracefs().read("available_tracers"):
        pytest.skip("this kernel has no function_graph")
    done = kdiag("path", "--backend", "function_graph", "openat", "--", "true", timeout=300)
    # In an instance (since 6.11) it works beside others; at the top level it may not be touched.
    assert (done.returncode, "the tracer function is set" in done.stderr) in ((0, False), (3, True)), (
        done.stderr
    )
    assert _records(tracefs())
