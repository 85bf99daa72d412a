import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

import pytest

from kdiag.host.base import Failure, ReadError
from kdiag.host.guard import MAX_STUCK, Guard

TIMEOUT_S = 0.2
MakeGuard = Callable[..., Guard]


def _open_and_read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)  # waits for a writer if it is a FIFO
    try:
        return os.read(descriptor, 100)
    finally:
        os.close(descriptor)


def _fail(number: int) -> None:
    raise OSError(number, os.strerror(number))


def _refuse(kind: str) -> None:
    raise ReadError(Failure("inside", kind, None, "for a reason"))


OPERATIONS: Dict[str, Callable[..., Any]] = {
    "die": os._exit,
    "fail": _fail,
    "kill": lambda number: os.kill(os.getpid(), number),
    "pid": os.getpid,
    "read": _open_and_read,
    "refuse": _refuse,
    "repeat": lambda data, times: data * times,
    "sleep": time.sleep,
}


@pytest.fixture
def make_guard() -> Iterator[MakeGuard]:
    made = []

    def make(**bounds: Any) -> Guard:
        made.append(Guard(OPERATIONS, **{"timeout_s": TIMEOUT_S, **bounds}))
        return made[-1]

    yield make
    for guard in made:
        guard.close()


def _failure(guard: Guard, operation: str, *arguments: Any) -> Failure:
    with pytest.raises(ReadError) as caught:
        guard.call("/asked", operation, *arguments)
    return caught.value.failure


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _is_alive_task(pid: int) -> bool:
    """Like the above, for children that only their own parent can collect: a zombie does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _wait_until(condition: Callable[[], bool], limit_s: float) -> bool:
    end_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.01)
    return True


def test_one_child_answers_call_after_call(make_guard: MakeGuard) -> None:
    guard = make_guard()
    pid = guard.call("/asked", "pid")
    assert pid != os.getpid()
    assert guard.call("/asked", "pid") == pid
    guard.close()
    assert not _is_alive(pid)


def test_an_answer_longer_than_a_pipe_holds_comes_whole(make_guard: MakeGuard) -> None:
    assert make_guard().call("/asked", "repeat", b"0123456789", 300_000) == b"0123456789" * 300_000


def test_failures_in_the_child_are_failures_of_the_path_asked_for(make_guard: MakeGuard) -> None:
    guard = make_guard()
    assert _failure(guard, "fail", errno.EACCES) == Failure("/asked", "denied", errno.EACCES)
    assert _failure(guard, "fail", errno.EIO) == Failure("/asked", "error", errno.EIO)
    assert _failure(guard, "refuse", "not_recorded") == Failure(
        "/asked", "not_recorded", None, "for a reason"
    )
    assert _failure(guard, "read", "with\0nul") == Failure("/asked", "error", None, "not a path")


def test_a_call_that_blocks_is_ended_in_time_and_the_next_is_answered(
    make_guard: MakeGuard, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "fifo")
    guard = make_guard()
    first = guard.call("/asked", "pid")
    started_s = time.monotonic()
    failure = _failure(guard, "read", str(tmp_path / "fifo"))
    assert failure == Failure("/asked", "timed_out", None, "gave up after 0.2 s")
    assert TIMEOUT_S <= time.monotonic() - started_s < TIMEOUT_S + 0.5
    assert not _is_alive(first)
    assert guard.call("/asked", "pid") != first


def test_once_the_budget_is_spent_nothing_is_asked_any_more(make_guard: MakeGuard) -> None:
    guard = make_guard(timeout_s=0.05, budget_s=0.12)
    started_s = time.monotonic()
    details = [_failure(guard, "sleep", 60).detail for _ in range(200)]
    assert time.monotonic() - started_s < 1
    asked = [detail for detail in details if detail.startswith("gave up")]
    assert 2 <= len(asked) <= 3
    assert set(details[len(asked) :]) == {"not asked: 0.12 s already went on calls without an answer"}


def test_quick_answers_cost_no_budget(make_guard: MakeGuard) -> None:
    guard = make_guard(timeout_s=1.0, budget_s=0.1)
    for _ in range(4000):
        guard.call("/asked", "pid")
    assert guard.call("/asked", "pid")


def test_budget_is_earned_back_while_nothing_is_asked(make_guard: MakeGuard) -> None:
    guard = make_guard(timeout_s=0.05, budget_s=0.05)
    assert _failure(guard, "sleep", 60).detail == "gave up after 0.05 s"
    assert _failure(guard, "pid").detail.startswith("not asked")
    guard.earn(1.0)
    assert guard.call("/asked", "pid")


def test_children_that_survive_being_killed_are_left_behind_and_bounded(
    make_guard: MakeGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What SIGKILL cannot end is a task in uninterruptible sleep; here the signal is just not sent.
    guard = make_guard(timeout_s=0.05)
    left_behind = []
    with monkeypatch.context() as patched:
        patched.setattr("kdiag.host.guard.os.kill", lambda pid, number: left_behind.append(pid))
        for _ in range(MAX_STUCK):
            assert _failure(guard, "sleep", 60).detail == "gave up after 0.05 s"
        started_s = time.monotonic()
        assert _failure(guard, "pid") == Failure(
            "/asked", "timed_out", None, "not asked: 3 children still hang in calls without an answer"
        )
        assert time.monotonic() - started_s < 0.5
    assert all(_is_alive(pid) for pid in left_behind)
    for pid in left_behind:
        os.kill(pid, signal.SIGKILL)
    assert _wait_until(lambda: not any(map(_is_alive_task, left_behind)), 2)
    assert guard.call("/asked", "pid") not in left_behind  # once they are gone, it goes on asking


def test_a_child_that_dies_is_an_error_and_replaced(make_guard: MakeGuard) -> None:
    guard = make_guard()
    assert _failure(guard, "die", 3) == Failure("/asked", "error", None, "the child that was asked has died")
    assert guard.call("/asked", "pid")


def test_a_child_that_died_between_calls_is_an_error_without_a_signal(make_guard: MakeGuard) -> None:
    guard = make_guard()
    os.kill(guard.call("/asked", "pid"), signal.SIGKILL)
    time.sleep(0.02)
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as a tool that is quiet on closed pipes has it
    try:
        assert _failure(guard, "pid").kind == "error"
    finally:
        signal.signal(signal.SIGPIPE, before)
    assert guard.call("/asked", "pid")


def test_a_path_too_long_for_a_kernel_is_refused(make_guard: MakeGuard) -> None:
    failure = _failure(make_guard(), "read", "/" + "x" * 5000)
    assert failure == Failure("/asked", "error", None, "the path is too long")


def test_an_interrupted_call_does_not_answer_the_next_one(make_guard: MakeGuard) -> None:
    guard = make_guard(timeout_s=2.0)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            guard.call("/asked", "sleep", 0.1)
    finally:
        signal.signal(signal.SIGALRM, before)
    time.sleep(0.1)
    assert guard.call("/asked", "repeat", b"a", 2) == b"aa"


def test_handlers_of_the_parent_do_not_run_in_the_child(make_guard: MakeGuard, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    before = signal.signal(signal.SIGTERM, lambda *_: ran.touch())
    try:
        failure = _failure(make_guard(), "kill", signal.SIGTERM.value)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert failure.detail == "the child that was asked has died"
    assert not ran.exists()


def test_the_child_outlives_ctrl_c_which_the_parent_decides_on(make_guard: MakeGuard) -> None:
    assert make_guard().call("/asked", "kill", signal.SIGINT.value) is None


def test_the_child_holds_nothing_that_the_parent_has_open(make_guard: MakeGuard) -> None:
    read_end, write_end = os.pipe()
    guard = make_guard()
    try:
        pid = guard.call("/asked", "pid")
        os.close(write_end)
        os.set_blocking(read_end, False)
        assert os.read(read_end, 1) == b""  # the last writer is gone although the child lives
        assert _is_alive(pid)
    finally:
        os.close(read_end)


def test_descriptors_are_given_back(make_guard: MakeGuard) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    guard = make_guard()
    guard.call("/asked", "pid")
    _failure(guard, "die", 1)
    guard.call("/asked", "pid")
    guard.close()
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "blocked in a call"])
def test_the_child_does_not_outlive_a_parent_that_is_killed(busy: bool, tmp_path: Path) -> None:
    # Blocked in a call it cannot see the pipe close; the alarm that it set before ends it.
    script = (
        "import os, sys, time\n"
        "from kdiag.host.guard import Guard\n"
        "def block():\n"
        "    print(os.getpid(), file=open(sys.argv[1], 'w'), flush=True)\n"
        "    time.sleep(60)\n"
        "def note():\n"
        "    print(os.getpid(), file=open(sys.argv[1], 'w'), flush=True)\n"
        "guard = Guard({'block': block, 'note': note}, timeout_s=0.3)\n"
        f"guard.call('/asked', {'block' if busy else 'note'!r})\n"
        "time.sleep(60)\n"
    )
    note = tmp_path / "pid"
    with subprocess.Popen([sys.executable, "-c", script, str(note)]) as parent:
        assert _wait_until(lambda: note.exists() and note.read_text().endswith("\n"), 10)
        parent.kill()
    assert _wait_until(lambda: not _is_alive_task(int(note.read_text())), 3)
