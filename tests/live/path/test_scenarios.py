"""Calls of known kind and number, by every mechanism that works on this kernel."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator

import pytest

from tests.live.path.scenarios import (
    TREES,
    functions,
    path,
    program,
    saved_calls,
    totals,
    wait_until_it_traces,
)
from tests.live.scratch import Scratch, scratch
from tests.live.traced import kdiag, left_by, python, start_kdiag, tracefs

pytestmark = pytest.mark.needs("root", "tracefs")

each_tree = pytest.mark.parametrize("mechanism", TREES)
#: Where functions on the way are seen, too, and not only those at which layers meet.
each_full_tree = pytest.mark.parametrize("mechanism", ("function_graph", "stitch"))

_FAILING_OPENS = """
import os
for _ in range(7):
    try: os.open("/proc/version/x", os.O_RDONLY)
    except NotADirectoryError: pass
"""
_THREADS = """
import os, threading
def work():
    for _ in range(10):
        try: os.fsync(999)
        except OSError: pass
threads = [threading.Thread(target=work) for _ in range(50)]
for each in threads: each.start()
for each in threads: each.join()
"""
_FORKS = """
import os
for _ in range(5):
    if os.fork() == 0:
        for _ in range(3):
            try: os.fsync(999)
            except OSError: pass
        os._exit(0)
    os.wait()
"""
_REFUSED = """
import socket
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
made = socket.socket()
address = listener.getsockname()
try: made.connect(address)
except ConnectionRefusedError: pass
"""
_WAITS = """
import os, time
r, w = os.pipe()
if os.fork() == 0:
    time.sleep(0.4)
    os.write(w, b"x")
    os._exit(0)
os.read(r, 1)
os.wait()
"""


@pytest.fixture
def file() -> Iterator[str]:
    """Give a file of 64 KiB on a disk, written out."""
    where = scratch()
    if not isinstance(where, Scratch):
        pytest.skip(where)
    name = os.path.join(where.folder, f"path-{os.getpid()}")
    with open(name, "wb") as opened:
        opened.write(os.urandom(65536))
        os.fsync(opened.fileno())
    yield name
    os.unlink(name)


@pytest.fixture
def blocked() -> Iterator["subprocess.Popen[bytes]"]:
    """Give a process that waits for a pipe."""
    started = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if Path(f"/proc/{started.pid}/syscall").read_text().startswith("0 0x0 "):
            break
        time.sleep(0.01)
    yield started
    assert started.stdin is not None
    started.stdin.close()
    started.wait()


@each_tree
def test_failing_opens_are_counted_and_the_errno_is_right(mechanism: str) -> None:
    found = path(mechanism, "openat", "--failing", *program(_FAILING_OPENS))
    assert totals(found, "openat")["errors"]["ENOTDIR"] == 7
    assert (found["lost"], found["lost_calls"]) == (0, 0)


@each_full_tree
def test_a_file_that_is_there_is_opened_by_way_of_the_vfs(mechanism: str) -> None:
    found = path(mechanism, "openat", "--", "cat", "/proc/version")
    assert totals(found, "openat")["calls"] > totals(found, "openat")["failed"]
    assert "path_openat" in functions(found) or "alloc_empty_file" in functions(found)
    assert found["chosen"]["tree"][0]["duration_ns"] == found["chosen"]["duration_ns"] > 0
    assert "VFS" in found["layers_ns"]


@each_full_tree
def test_a_missing_file_is_said_to_be_missed_by_the_walk_along_its_path(mechanism: str) -> None:
    found = path(mechanism, "openat", "--failing", "--", "cat", "/nonexistent")
    (origin,) = [each for each in totals(found, "openat")["origins"] if each["errno"] == "ENOENT"]
    if mechanism == "stitch" and origin["certainty"] == "unknown":
        assert "last seen before it returned ENOENT" in origin["words"]  # before 6.5 files are freed later
    else:
        assert "path_openat" in [origin["function"], *origin["callers"]]


@each_full_tree
def test_a_read_from_the_page_cache_reaches_no_disk(mechanism: str, file: str) -> None:
    Path(file).read_bytes()
    found = path(mechanism, "read", "--", "dd", f"if={file}", "of=/dev/null", "bs=64k", "count=1")
    assert not [each for each in found["functions"] if each["function"].endswith("queue_rq")]
    assert not [each for each in found["off_cpu"] if each["state"] == "D"]


@each_full_tree
def test_a_direct_read_reaches_the_driver_and_sleeps_until_it_is_done(mechanism: str, file: str) -> None:
    found = path(
        mechanism, "read", "--", "dd", f"if={file}", "of=/dev/null", "iflag=direct", "bs=4k", "count=10"
    )
    names = [each["function"] for each in found["functions"]]
    assert [name for name in names if name.endswith("queue_rq")], names
    assert [name for name in names if name.startswith(("ext4_", "xfs_", "btrfs_"))]
    assert "block layer" in found["layers_ns"]
    slept = [each for each in found["off_cpu"] if each["state"] == "D"]
    assert slept  # though some are done before the task is asleep
    assert totals(found, "read")["failed"] == 0


@each_full_tree
def test_fsync_writes_to_the_disk_and_waits(mechanism: str, file: str) -> None:
    found = path(
        mechanism, "fsync", "--", "dd", "if=/dev/zero", f"of={file}", "bs=64k", "count=4", "conv=fsync"
    )
    assert totals(found, "fsync")["calls"] == 1
    names = functions(found)
    assert [name for name in names if name.endswith(("_sync_file", "_file_fsync"))], names
    assert [name for name in names if name.startswith("blk_")]
    assert [each for each in found["chosen"]["waits"] if each["state"] == "D"]
    assert sum(found["layers_ns"].values()) == found["chosen"]["duration_ns"]


@each_tree
def test_a_read_that_waits_for_a_pipe_says_where_and_how_long(mechanism: str) -> None:
    found = path(mechanism, "read", *program(_WAITS))
    chosen = found["chosen"]
    assert 300e6 < chosen["duration_ns"] < 5e9
    (wait,) = [each for each in chosen["waits"] if each["state"] == "S"]
    assert 300e6 < wait["duration_ns"] <= chosen["duration_ns"]
    assert chosen["layers_ns"]["waiting"] >= wait["duration_ns"] * 0.9
    if mechanism == "stitch":
        assert [name for name in wait["stack"] if name.endswith("pipe_read")]


@pytest.mark.parametrize("mechanism", ("stitch",))
def test_a_call_that_began_before_is_shown_where_it_sleeps_and_without_a_length(
    mechanism: str, blocked: "subprocess.Popen[bytes]"
) -> None:
    found = path(mechanism, "read", "-p", str(blocked.pid), "--for", "0.5")
    chosen = found["chosen"]
    assert (chosen["duration_ns"], chosen["retval"]) == (None, None)
    (wait,) = chosen["waits"]
    assert (wait["state"], wait["duration_ns"]) == ("S", None)
    assert [name for name in wait["stack"] if name.endswith("pipe_read")]
    assert chosen["args"].startswith("fd=0")


@each_full_tree
def test_a_refused_connection_goes_through_tcp(mechanism: str) -> None:
    found = path(mechanism, "connect", "--failing", *program(_REFUSED))
    assert totals(found, "connect")["errors"] == {"ECONNREFUSED": 1}
    assert "tcp_v4_connect" in functions(found)
    (origin,) = totals(found, "connect")["origins"]
    if mechanism == "stitch" and tracefs().exists("events/sock/inet_sk_error_report"):
        assert origin["certainty"] == "inferred" and "sk_error_report" in origin["function"]


@each_tree
def test_fifty_threads_are_all_followed(mechanism: str, tmp_path: Path) -> None:
    calls = saved_calls(mechanism, tmp_path / "saved", "fsync", *program(_THREADS))
    assert len(calls) == 500
    assert {call.errno for call in calls} == {9}
    assert len({call.tid for call in calls}) == 50


@each_tree
def test_children_that_are_born_are_followed(mechanism: str, tmp_path: Path) -> None:
    calls = saved_calls(mechanism, tmp_path / "saved", "fsync", *program(_FORKS))
    assert [call.errno for call in calls] == [9] * 15
    assert len({call.tid for call in calls}) == 5


@each_tree
def test_nobody_but_the_target_is_seen(mechanism: str, tmp_path: Path) -> None:
    loop = python("""
import os
while True: os.close(os.open("/proc/version", 0))
""")
    noise = subprocess.Popen(loop)
    try:
        calls = saved_calls(mechanism, tmp_path / "saved", "openat", "--", "cat", "/proc/version")
    finally:
        noise.kill()
        noise.wait()
    assert len({call.tid for call in calls}) == 1
    assert noise.pid not in {call.tid for call in calls}
    assert not [call for call in calls if "kdiag" in call.comm]


@each_tree
def test_two_at_once_see_each_its_own(mechanism: str, tmp_path: Path) -> None:
    if mechanism == "function_graph":
        pytest.skip("what is global in tracefs is one user's at a time")
    path(mechanism, "fsync", "--", "true")  # skipped where it does not work
    runs = [
        start_kdiag("path", "--backend", mechanism, "--json", "fsync", "--save", str(tmp_path / str(count)),
                    *program(_FORKS.replace("999", str(900 + count))))
        for count in range(2)
    ]  # fmt: skip
    for run in runs:
        out, err = run.communicate(timeout=180)
        assert run.returncode == 0, err
        assert '"calls": 15' in out


@each_tree
def test_beside_perf_both_see_everything(mechanism: str, tmp_path: Path) -> None:
    path(mechanism, "fsync", "--", "true")
    perf = ["perf", "stat", "-x,", "-e", "syscalls:sys_enter_fsync"]
    try:
        probe = subprocess.run([*perf, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("perf is not installed")
    if probe.returncode or "not" in probe.stderr:
        pytest.skip(f"perf cannot count here: {probe.stderr.strip()[:100]}")
    words = ("path", "--backend", mechanism, "fsync", "--save", str(tmp_path / "saved"), *program(_THREADS))
    done = subprocess.run(
        [*perf, "-o", str(tmp_path / "perf"), sys.executable, "-m", "kdiag", *words],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "fsync: 500 calls" in done.stdout
    counted = [line for line in (tmp_path / "perf").read_text().splitlines() if "sys_enter_fsync" in line]
    assert int(counted[0].partition(",")[0]) == 500


# Without tracefs


def test_samples_find_a_blocked_read(blocked: "subprocess.Popen[bytes]") -> None:
    found = path("samples", "read", "-p", str(blocked.pid), "--for", "0.5")
    (place,) = found["samples"]["places"]
    assert (place["syscall"], place["state"], place["threads"]) == ("read", "S", 1)
    assert place["samples"] == found["samples"]["samples"] > 3
    assert [name for name in place["stack"] if name.endswith("pipe_read")]


def test_without_the_stack_wchan_names_where_it_sleeps(blocked: "subprocess.Popen[bytes]") -> None:
    found = path("wchan", "read", "-p", str(blocked.pid), "--for", "0.3")
    (place,) = found["samples"]["places"]
    assert place["stack"] == [] and place["wchan"].endswith("pipe_read")


# What goes wrong


@each_tree
def test_a_process_that_does_not_exist_is_told(mechanism: str) -> None:
    path(mechanism, "fsync", "--", "true")  # skipped where it does not work
    gone = subprocess.Popen(["true"])
    gone.wait()
    done = kdiag("path", "--backend", mechanism, "read", "-p", str(gone.pid), "--for", "1")
    assert done.returncode == 3 and "Traceback" not in done.stderr
    assert f"no process {gone.pid}" in done.stderr


@each_tree
def test_a_process_that_dies_ends_the_trace(mechanism: str) -> None:
    path(mechanism, "fsync", "--", "true")
    doomed = subprocess.Popen(["sleep", "60"])
    run = start_kdiag("path", "--backend", mechanism, "--json", "read", "-p", str(doomed.pid))
    wait_until_it_traces(run)
    doomed.kill()
    doomed.wait()
    out, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    assert "ended" in out


@each_tree
def test_that_nobody_called_it_is_told_apart_from_that_it_cannot_be_seen(mechanism: str) -> None:
    found = path(mechanism, "fsync", "--", "true")
    assert found["calls"] == 0
    assert "nobody called it" in found["nothing"]


@each_tree
def test_ctrl_c_ends_it_with_the_summary(mechanism: str) -> None:
    path(mechanism, "fsync", "--", "true")
    run = start_kdiag(
        "path",
        "--backend",
        mechanism,
        "clock_nanosleep",
        "--",
        *python("""
import time
while True: time.sleep(0.01)
"""),
    )
    try:
        wait_until_it_traces(run)
    finally:
        run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    assert "clock_nanosleep:" in out and " 0 calls" not in out
    assert left_by(tracefs(), run.pid) == []


def test_all_calls_of_a_loop_are_summed_up_without_a_loss() -> None:
    done = kdiag("path", "--all", "--json", "--", "dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=50000")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    if found["mechanism"]["name"] != "raw_syscalls":
        pytest.skip(f"here they are seen by {found['mechanism']['name']}")
    assert found["lost"] == 0
    assert totals(found, "write")["calls"] >= 50_000 and totals(found, "read")["calls"] >= 50_000
    for name in ("read", "write"):
        numbers = totals(found, name)
        assert numbers["min_ns"] <= numbers["p50_ns"] <= numbers["p99_ns"] <= numbers["max_ns"]
