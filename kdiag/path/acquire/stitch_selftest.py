"""Why no call was seen: nobody made one, or its events do not fire?

A child of kdiag makes the call itself, with arguments that no call accepts (all ones: a bad descriptor, a bad
address), followed as any target is.
"""

import os
import signal
import time
from typing import Mapping, Optional, Sequence

from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import TraceFs, TraceFsError
from kdiag.host.base import Host

__all__ = ["UNTRIED", "events_fire", "why_nothing"]

#: Calls that do something, wait, or cannot come back, even with arguments of all ones.
UNTRIED = frozenset(
    "fork vfork clone clone3 pause rt_sigreturn sigreturn sync vhangup reboot msgget setsid restart_syscall"
    " uretprobe uprobe exit exit_group".split()
)
_LONGEST_S = 2.0
_POLL_S = 0.01


def why_nothing(tracefs: TraceFs, host: Host, names: Sequence[str], numbers: Mapping[int, str]) -> str:
    """Say in words why no call of these names was seen."""
    tried = [name for name in names if name not in UNTRIED]
    if not tried:
        return (
            f"nobody called it, as far as its events tell ({', '.join(names)} cannot be tried without harm)"
        )
    found = {name: events_fire(tracefs, host, name, numbers) for name in tried}
    silent = [name for name, fires in found.items() if fires is False]
    if silent:
        return (
            f"the events of {', '.join(silent)} did not fire even for a call of kdiag's own;"
            " this kernel does not show it, and calls of 32-bit programs never have events"
        )
    if None in found.values():
        return "nobody called it, as far as its events tell"
    return "nobody called it: for a call of kdiag's own the events fired"


def events_fire(tracefs: TraceFs, host: Host, name: str, numbers: Mapping[int, str]) -> Optional[bool]:
    """Tell whether a call in a child of kdiag is recorded; ``None`` if that could not be tried."""
    number = next((number for number, each in numbers.items() if each == name), None)
    if number is None:
        return None
    try:
        with Session(tracefs, host, buffer_kib_per_cpu=64, deadline_s=10, label="selftest") as session:
            own = session.instance.exists(f"events/syscalls/sys_enter_{name}/enable")
            if own:
                session.enable("syscalls", f"sys_enter_{name}")
            else:
                session.enable("raw_syscalls", "sys_enter", filter=f"id == {number}")
            return _recorded(session, number)
    except (TraceFsError, OSError):
        return None


def _recorded(session: Session, number: int) -> bool:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    ones = [ctypes.c_long(-1)] * 6
    go_read, go_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(go_write)
            os.read(go_read, 1)
            libc.syscall(ctypes.c_long(number), *ones)
        finally:
            os._exit(0)
    os.close(go_read)
    try:
        session.follow([pid])
        session.start()
    finally:
        os.close(go_write)
        _reap(pid)
    session.stop()
    return sum(each.entries for each in session.stats()) > 0


def _reap(pid: int) -> None:
    """Wait for the child, and end it if it does not end."""
    end = time.monotonic() + _LONGEST_S
    while not os.waitpid(pid, os.WNOHANG)[0]:
        if time.monotonic() >= end:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return
        time.sleep(_POLL_S)
