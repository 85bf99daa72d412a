"""An instance's name and its end, and the ids of threads that it traces by."""

import errno
import os
import signal
import time
from contextlib import contextmanager
from typing import Iterator, Sequence

from kdiag.ftrace.tracefs import TraceFs, TraceFsError
from kdiag.host.base import Host, ReadError
from kdiag.procfs.pid_stat import parse_pid_stat

__all__ = ["NotTornDown", "instance_name", "pids_are_the_kernels", "remove_instance", "signals_held"]

_RMDIR_TIMEOUT_S = 2.0
_RMDIR_POLL_S = 0.02
_INITIAL_PID_NAMESPACE = "pid:[4026531836]"
_HELD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class NotTornDown(Exception):
    """Something could not be undone; each of ``errors`` says what, ``kdiag cleanup`` can try again."""

    def __init__(self, errors: Sequence[Exception]) -> None:
        told = "\n".join(str(error) for error in errors)
        super().__init__(f"tracing was stopped, but not all could be undone; try `kdiag cleanup`:\n{told}")
        self.errors = tuple(errors)


def instance_name(host: Host) -> str:
    """Return the name for an instance of this process.

    The numbers are for people, and make names differ; whose it is tells the lock.
    """
    pid = host.facts.reader_pid or os.getpid()
    try:
        started = parse_pid_stat(host.read(f"/proc/{pid}/stat")).starttime_ticks
    except ReadError:
        started = None
    return f"kdiag-{pid}-{started or 0}"


def pids_are_the_kernels(host: Host) -> bool:
    """Tell whether ids in the host's procfs are those of the initial PID namespace, as in tracefs.

    Its process 1 tells: the initial namespace has a fixed number (PROC_PID_INIT_INO). Where that cannot be
    read, they are taken for the same.
    """
    try:
        return host.readlink("/proc/1/ns/pid") == _INITIAL_PID_NAMESPACE
    except ReadError:
        return True


def remove_instance(tracefs: TraceFs, name: str, timeout_s: float = _RMDIR_TIMEOUT_S) -> None:
    """Remove an instance, which may be busy for a moment longer; gone already is well."""
    end = time.monotonic() + timeout_s
    while True:
        try:
            tracefs.rmdir(f"instances/{name}")
            return
        except TraceFsError as error:
            if error.errno == errno.ENOENT:
                return
            if error.errno != errno.EBUSY or time.monotonic() >= end:
                raise
        time.sleep(_RMDIR_POLL_S)


@contextmanager
def signals_held() -> Iterator[None]:
    """Let signals that end kdiag wait until this is over: half a session could not be undone."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
