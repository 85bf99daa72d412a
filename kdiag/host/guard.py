"""A child that may hang in our place: calls that can block without end are made there, against the clock.

statvfs(2) on a dead network mount, ``/proc/PID/cmdline`` of a task whose memory is locked, a file of a FUSE
daemon that never answers: no thread and no signal handler gets a process out of such a call, so a forked
child makes it, and is killed when the answer is late. One child serves call after call and is forked again
only after it had to be killed.

Three bounds keep the whole run finite. One call gets ``timeout_s``. All slow calls together get
``budget_s``; after that further calls are refused at once. And a child in uninterruptible sleep outlives
even SIGKILL: it is left behind, never waited for, and with ``MAX_STUCK`` of them no further one is made,
since each counts in the load that is being diagnosed.
"""

import contextlib
import os
import time
from typing import Any, Callable, List, Mapping, Optional, Union

from kdiag.host.base import Failure, ReadError, kind_of_errno
from kdiag.records import NamedTuple

__all__ = ["MAX_STUCK", "Guard", "Operation"]

#: What the child can do, by name. Arguments and answers are what :mod:`marshal` takes; failures are raised.
Operation = Callable[..., Any]

#: Children left behind in uninterruptible sleep before the guard gives up.
MAX_STUCK = 3

_LENGTH_BYTES = 4
_MAX_FRAME_BYTES = 65 << 20
_CHUNK_BYTES = 64 << 10
#: An answer within this share of the timeout costs no budget.
_QUICK_SHARE = 0.1
_FAREWELL_S = 0.1


class _Child(NamedTuple):
    pid: int
    requests: int
    """Write end of the pipe to the child."""
    requests_read_end: int
    """Held open, never read: writing to a child that has died then cannot raise SIGPIPE."""
    answers: int


class Guard:
    """Makes calls in a killable child.

    >>> guard = Guard({"length": len, "sleep": time.sleep}, timeout_s=0.05)
    >>> guard.call("/proc/stat", "length", "abc")
    3
    >>> guard.call("/mnt/dead", "sleep", 60)
    Traceback (most recent call last):
        ...
    kdiag.host.base.ReadError: /mnt/dead: no answer in time (gave up after 0.05 s)
    >>> guard.close()
    """

    def __init__(
        self, operations: Mapping[str, Operation], *, timeout_s: float = 1.0, budget_s: float = 5.0
    ) -> None:
        self._operations = operations
        self._timeout_s = timeout_s
        self._budget_s = self._left_s = budget_s
        self._child: Optional[_Child] = None
        self._stuck: List[int] = []

    def call(self, path: str, operation: str, *arguments: Any) -> Any:
        """Return what the operation returns; raise its failure, or ``timed_out``, as that of ``path``."""
        refusal = self._refusal()
        if refusal:
            raise ReadError(Failure(path, "timed_out", None, f"not asked: {refusal}"))
        if self._child is None:
            try:
                self._child = self._fork()
            except OSError as error:
                raise ReadError(
                    Failure(path, "error", error.errno, "no child process to ask with")
                ) from error
        limit_s = min(self._timeout_s, self._left_s)
        started_s = time.monotonic()
        try:
            answer = _ask(self._child, (operation, arguments), started_s + limit_s)
        except BaseException as error:
            # Also after Ctrl-C: an answer that is still under way must not be taken for the next one.
            self._kill()
            if isinstance(error, TimeoutError):
                raise ReadError(
                    Failure(path, "timed_out", None, f"gave up after {round(limit_s, 2):g} s")
                ) from None
            if isinstance(error, (EOFError, ValueError)):
                raise ReadError(Failure(path, "error", None, str(error))) from error
            raise
        finally:
            spent_s = time.monotonic() - started_s
            if spent_s > self._timeout_s * _QUICK_SHARE:
                self._left_s = max(0.0, self._left_s - spent_s)
        failure, value = answer
        if failure is not None:
            raise ReadError(Failure(path, *failure))
        return value

    def earn(self, seconds: float) -> None:
        """Give back budget for time in which nothing was asked, so that a long watch goes on asking."""
        self._left_s = min(self._budget_s, self._left_s + seconds)

    def close(self) -> None:
        """End the child, and collect those that were left behind if they can be collected by now."""
        self._kill()

    def _refusal(self) -> str:
        if self._left_s < self._timeout_s * _QUICK_SHARE:
            return f"{self._budget_s:g} s already went on calls without an answer"
        if len(self._stuck) >= MAX_STUCK and self._child is None:
            self._reap()
            if len(self._stuck) >= MAX_STUCK:
                return f"{len(self._stuck)} children still hang in calls without an answer"
        return ""

    def _fork(self) -> _Child:
        import signal

        requests_read_end, requests = os.pipe()
        try:
            answers, answers_write_end = os.pipe()
        except OSError:
            os.close(requests_read_end)
            os.close(requests)
            raise
        # No handler of ours may run in the child: one that tidies up would tidy up the parent's things.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    _reset_signals()
                    _close_all_but(requests_read_end, answers_write_end)
                    os.chdir("/")  # so that a hanging child keeps no file system busy
                    signal.pthread_sigmask(signal.SIG_SETMASK, ())
                    _serve(self._operations, requests_read_end, answers_write_end, 1 + 2 * self._timeout_s)
                    status = 0
                finally:
                    os._exit(status)
        except OSError:
            for descriptor in (requests_read_end, requests, answers):
                os.close(descriptor)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            os.close(answers_write_end)
        return _Child(pid, requests, requests_read_end, answers)

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            for descriptor in (child.requests, child.requests_read_end, child.answers):
                os.close(descriptor)
            if not _is_gone(child.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, 9)
                self._stuck.append(child.pid)
        end_s = time.monotonic() + _FAREWELL_S
        self._reap()
        while child is not None and child.pid in self._stuck and time.monotonic() < end_s:
            time.sleep(0.0005)
            self._reap()

    def _reap(self) -> None:
        self._stuck = [pid for pid in self._stuck if not _is_gone(pid)]


def _is_gone(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:  # collected by someone else, or SIGCHLD is ignored
        return True


def _ask(child: _Child, request: Any, deadline_s: float) -> Any:
    """Send one request and return its answer; TimeoutError if it is late, EOFError if the child died."""
    import select

    frame = _framed(request)
    if len(frame) > select.PIPE_BUF:
        raise ValueError("the path is too long")  # a longer one could block the write to a dead child
    os.write(child.requests, frame)
    poller = select.poll()
    poller.register(child.answers, select.POLLIN)
    buffer = bytearray()
    wanted = _LENGTH_BYTES
    while len(buffer) < wanted:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0 or not poller.poll(left_s * 1000):
            raise TimeoutError
        chunk = os.read(child.answers, _CHUNK_BYTES)
        if not chunk:
            raise EOFError("the child that was asked has died")
        buffer += chunk
        if wanted == _LENGTH_BYTES and len(buffer) >= _LENGTH_BYTES:
            wanted += int.from_bytes(buffer[:_LENGTH_BYTES], "little")
            if wanted > _MAX_FRAME_BYTES:
                raise ValueError(f"the answer is longer than {_MAX_FRAME_BYTES >> 20} MiB")
    return _unframed(memoryview(buffer)[_LENGTH_BYTES:])


def _framed(message: Any) -> bytes:
    import marshal

    body = marshal.dumps(message)
    return len(body).to_bytes(_LENGTH_BYTES, "little") + body


def _unframed(body: Union[bytes, memoryview]) -> Any:
    import marshal

    return marshal.loads(body)  # noqa: S302 - both ends of the pipe are this process and its own child


# What follows runs in the child.


def _reset_signals() -> None:
    import signal

    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    # Ctrl-C goes to the whole group; the parent decides. SIGPIPE ends us if the parent is gone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _close_all_but(*kept: int) -> None:
    """Close what the parent has open: a hanging child must not hold the end of a pipeline, or a lock."""
    try:
        descriptors = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        descriptors = list(range(256))
    for descriptor in descriptors:
        if descriptor not in kept:
            try:
                os.close(descriptor)
            except OSError:  # the one that listed the folder
                continue


def _serve(operations: Mapping[str, Operation], requests: int, answers: int, alarm_s: float) -> None:
    """Answer until the parent closes its end; the alarm ends a call whose parent was killed meanwhile."""
    import signal

    while True:
        head = _read_exactly(requests, _LENGTH_BYTES)
        if head is None:
            return
        frame = _read_exactly(requests, int.from_bytes(head, "little"))
        if frame is None:
            return
        name, arguments = _unframed(frame)
        signal.setitimer(signal.ITIMER_REAL, alarm_s)
        failure = value = None
        try:
            value = operations[name](*arguments)
        except ReadError as error:
            failure = tuple(error.failure[1:])
        except OSError as error:
            failure = (kind_of_errno(error.errno), error.errno, "")
        except ValueError:  # a NUL in it, or surrogates that stand for no byte
            failure = ("error", None, "not a path")
        signal.setitimer(signal.ITIMER_REAL, 0)
        rest = memoryview(_framed((failure, value)))
        while rest:
            rest = rest[os.write(answers, rest) :]


def _read_exactly(descriptor: int, length: int) -> Optional[bytes]:
    """Read so many bytes, or return ``None`` at the end."""
    data = b""
    while len(data) < length:
        chunk = os.read(descriptor, length - len(data))
        if not chunk:
            return None
        data += chunk
    return data
