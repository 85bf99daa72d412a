import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Callable, Tuple

import pytest

from kdiag.host.live import LiveHost
from kdiag.host.target import CannotRun, NoSuchTarget, Target


def _code(text: str) -> Tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", text)


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_command_does_not_run_before_its_release(tmp_path: Path) -> None:
    made = tmp_path / "made"
    target = Target.start(LiveHost(), ["touch", str(made)])
    assert target.tids() == list(target.pids)
    time.sleep(0.05)
    assert not made.exists() and not target.ended()
    target.release()
    _until(target.ended)
    assert made.exists()
    assert target.exit_status == 0


@pytest.mark.parametrize(
    ("code", "status"),
    [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 128 + signal.SIGKILL)],
)
def test_how_a_command_ended_is_told_as_shells_do(code: str, status: int) -> None:
    target = Target.start(LiveHost(), _code(code))
    target.release()
    _until(target.ended)
    assert target.exit_status == status


def test_one_that_is_never_released_never_runs(tmp_path: Path) -> None:
    made = tmp_path / "made"
    target = Target.start(LiveHost(), ["touch", str(made)])
    assert target.end() == ""
    assert target.ended() and not made.exists()


def test_one_whose_kdiag_is_killed_never_runs(tmp_path: Path) -> None:
    made = tmp_path / "made"
    code = f"""
import os
from kdiag.host.live import LiveHost
from kdiag.host.target import Target
print(Target.start(LiveHost(), ["touch", {str(made)!r}]).pid, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    _until(lambda: not Path(f"/proc/{int(done.stdout)}").exists())
    assert not made.exists()


def test_what_cannot_be_run_says_why(tmp_path: Path) -> None:
    for argv, told in (([str(tmp_path / "nosuch")], "No such file"), ([str(tmp_path)], "Permission denied"),
                       (["a\0b"], "Invalid argument")):  # fmt: skip
        target = Target.start(LiveHost(), argv)
        with pytest.raises(CannotRun, match=told):
            target.release()
        assert target.ended()


def test_a_command_gets_usual_signals_and_no_descriptors_of_kdiag(tmp_path: Path) -> None:
    held = os.open(tmp_path, os.O_RDONLY | os.O_CLOEXEC)
    out = tmp_path / "out"
    script = f"cat /proc/self/status > {out}; ls -l /proc/self/fd > {out}.fd"
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        target = Target.start(LiveHost(), ["sh", "-c", script])
        target.release()
        _until(target.ended)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        os.close(held)
    status = dict(line.split(":", 1) for line in out.read_text().splitlines())
    assert not int(status["SigIgn"], 16) & (1 << (signal.SIGPIPE - 1))
    assert not int(status["SigBlk"], 16)
    assert not [
        line for line in Path(f"{out}.fd").read_text().splitlines() if line.endswith(f"-> {tmp_path}")
    ]


def test_standard_output_can_be_led_elsewhere(tmp_path: Path) -> None:
    out = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    try:
        target = Target.start(LiveHost(), ["echo", "here"], stdout=out)
        target.release()
        _until(target.ended)
    finally:
        os.close(out)
    assert (tmp_path / "out").read_text() == "here\n"


def test_one_that_still_runs_is_ended_and_that_is_told() -> None:
    target = Target.start(LiveHost(), ["sleep", "60"])
    target.release()
    assert target.end() == "it was sent SIGTERM"
    assert target.exit_status == 128 + signal.SIGTERM


def test_the_descriptor_of_a_process_can_be_read_when_it_ends() -> None:
    import select

    target = Target.start(LiveHost(), ["true"])
    ended = target.pidfd()
    if ended is None:
        target.end()
        pytest.skip("there is no pidfd_open(2) here")
    try:
        assert select.select([ended], [], [], 0)[0] == []
        target.release()
        assert select.select([ended], [], [], 30)[0] == [ended]
        _until(target.ended)
    finally:
        os.close(ended)


def test_all_threads_of_a_process_are_watched() -> None:
    done = threading.Event()
    threads = [threading.Thread(target=done.wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        target = Target.attach(LiveHost(), os.getpid())
        assert {thread.native_id for thread in threads} <= set(target.tids())
        assert not target.ended()
    finally:
        done.set()


def test_a_thread_is_watched_alone() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert thread.native_id is not None
        target = Target.attach(LiveHost(), thread.native_id)
        assert (target.tids(), target.shown) == ([thread.native_id], f"thread {thread.native_id}")
    finally:
        done.set()
        thread.join()
    _until(target.ended)
    assert target.tids() == []


def test_a_process_that_goes_has_ended_and_has_no_threads() -> None:
    child = subprocess.Popen(["sleep", "60"])
    target = Target.attach(LiveHost(), child.pid)
    assert (target.ended(), target.pid) == (False, child.pid)
    child.kill()
    _until(target.ended)  # a zombie has ended, too
    child.wait()
    assert target.tids() == []


def test_a_process_is_found_by_the_name_of_one_of_its_threads() -> None:
    code = "open('/proc/self/comm', 'w').write('kdiag-test-name'); print(flush=True); input()"
    child = subprocess.Popen(_code(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "\n"
    try:
        assert Target.named(LiveHost(), "kdiag-test-name").pids == (child.pid,)
        with pytest.raises(NoSuchTarget, match="no process is called 'kdiag-test-nam'"):
            Target.named(LiveHost(), "kdiag-test-nam")
    finally:
        child.communicate("\n")


def test_a_pid_that_nobody_has_is_told() -> None:
    with pytest.raises(NoSuchTarget, match="there is no process 4194305"):
        Target.attach(LiveHost(), 4194305)
