"""Trials of files of /proc: on a child of one's own that sleeps, for a running task shows nothing."""

import errno
import os
import re
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Iterator

from kdiag.doctor.outcome import NotTried, Refused, refused_by_errno
from kdiag.host.base import ReadError
from kdiag.kernel.kallsyms import KALLSYMS, read_symbols

if TYPE_CHECKING:
    from kdiag.doctor.trials import Bench

__all__ = ["kallsyms", "proc_stack", "proc_syscall", "proc_wchan", "procfs", "psi"]

_ASLEEP_TIMEOUT_S = 1.0
_POLL_S = 0.002
_NO_WCHAN = "the kernel hides it, or cannot tell it (x86 before 5.16 without frame pointers)"
#: What stack, wchan and syscall show of a task that runs (or, always, to those who may not know).
_AWAKE = ("", "0", "running")
_CHILD = re.compile(r"^/proc/\d+/")


def procfs(bench: "Bench") -> str:
    """Read /proc/stat, and see whether the processes of others are shown."""
    host = bench.host
    try:
        host.read("/proc/stat")
        host.read("/proc/self/stat")
    except ReadError as error:
        raise refused_by_errno(error.failure.path, error.failure.errno, bench.euid) from None
    try:
        host.read("/proc/1/stat")
    except ReadError:
        return "but processes of others are hidden (hidepid)"
    return ""


def psi(bench: "Bench") -> str:
    """Read one of the pressure files."""
    path = "/proc/pressure/cpu"
    try:
        bench.host.read(path)
    except ReadError as error:
        if error.failure.errno == errno.EOPNOTSUPP:
            raise Refused(f"EOPNOTSUPP on {path}", "built in, but switched off", "boot with psi=1") from None
        raise _not_read(error, bench, "this kernel was built without it") from None
    return ""


def proc_stack(bench: "Bench") -> str:
    """Read the stack of a sleeping child."""
    with _sleeper(bench) as pid:
        stack = _read(bench, f"/proc/{pid}/stack", "this kernel was built without CONFIG_STACKTRACE")
    if not stack.strip():
        raise Refused(
            "/proc/PID/stack of a sleeping child is empty", "this kernel shows no stack of a sleeping task"
        )
    return ""


def proc_wchan(bench: "Bench") -> str:
    """Read where a sleeping child waits; 0 is what those see who may not know."""
    with _sleeper(bench) as pid:
        function = _read(bench, f"/proc/{pid}/wchan", "this kernel has no symbols").strip()
    if function in ("", "0"):
        raise Refused(f"{function or 'nothing'} in /proc/PID/wchan of a sleeping child", _NO_WCHAN)
    return "" if bench.euid == 0 else "of own processes"


def proc_syscall(bench: "Bench") -> str:
    """Read which system call a sleeping child is in."""
    with _sleeper(bench) as pid:
        words = _read(bench, f"/proc/{pid}/syscall", "this architecture does not show it").split()
    if not words or not words[0].lstrip("-").isdigit():
        raise Refused(f"{words[:1]} in /proc/PID/syscall of a sleeping child", "the kernel does not tell it")
    return "" if bench.euid == 0 else "of own processes"


def kallsyms(bench: "Bench") -> str:
    """Read the kernel's symbols, and see whether their addresses are zeros."""
    try:
        symbols = read_symbols(bench.host)
    except ReadError as error:
        raise _not_read(error, bench, "this kernel has no symbols") from None
    if symbols.hidden:
        raise Refused(f"all addresses in {KALLSYMS} are 0", "hidden by kernel.kptr_restrict or no CAP_SYSLOG")
    return f"{len(symbols)} symbols"


@contextmanager
def _sleeper(bench: "Bench") -> Iterator[int]:
    """Have a child that sleeps in the kernel; its PID is that of this process's own namespace."""
    if bench.host.root != "/":
        raise NotTried("not tried", "only for the machine's own /proc: with --root, PIDs may be others'")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(writer)
            os.read(reader, 1)  # ends by itself when the parent is gone
        finally:
            os._exit(0)
    os.close(reader)
    try:
        end = time.monotonic() + _ASLEEP_TIMEOUT_S
        while time.monotonic() < end:
            state = bench.host.read(f"/proc/{child}/stat").rpartition(b")")[2].split()[:1]
            if state == [b"S"]:
                break
            time.sleep(_POLL_S)
        yield child
    finally:
        os.close(writer)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _read(bench: "Bench", path: str, absent: str) -> str:
    """Read what a sleeping child shows; one that was woken in that moment shows nothing, so ask again."""
    end = time.monotonic() + _ASLEEP_TIMEOUT_S
    while True:
        try:
            text = bench.host.read(path).decode("utf-8", "replace")
        except ReadError as error:
            raise _not_read(error, bench, absent) from None
        if text.strip() not in _AWAKE or time.monotonic() >= end:
            return text
        time.sleep(_POLL_S)


def _not_read(error: ReadError, bench: "Bench", absent: str) -> Refused:
    number = error.failure.errno
    path = _CHILD.sub("/proc/PID/", error.failure.path)
    return refused_by_errno(path, number, bench.euid, absent if number == errno.ENOENT else "")
