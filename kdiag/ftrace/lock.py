"""Locks on files of tracefs itself: they die with their process, and all containers share them.

=====================  =============================================================================
file                   who holds it
=====================  =============================================================================
``README``             who changes what is global: :class:`kdiag.ftrace.journal.GlobalState`
``available_tracers``  for a moment: who makes an instance, or removes those of the dead
``INSTANCE/trace_clock``  the session that owns the instance, as long as it lives
=====================  =============================================================================

A process id would not do: those of other PID namespaces cannot be judged, and ids are used again. Peers use
none of this (trace-cmd, perf ftrace, uftrace take no lock; perf-tools writes its PID into
``/var/tmp/.ftrace-lock``, which :func:`perf_tools_lock` looks at).
"""

import errno
import fcntl
import os
import time
from typing import Optional

from kdiag.ftrace.tracefs import TraceFs
from kdiag.host.base import Host, ReadError

__all__ = [
    "GATE",
    "GLOBAL",
    "OWNER",
    "PERF_TOOLS",
    "LockHeld",
    "is_held",
    "perf_tools_lock",
    "take",
    "take_soon",
]

GLOBAL, GATE, OWNER = "README", "available_tracers", "trace_clock"
PERF_TOOLS = "/var/tmp/.ftrace-lock"  # noqa: S108 - the name that perf-tools uses
_POLL_S = 0.01


class LockHeld(Exception):
    """Somebody else holds the lock."""


def take(tracefs: TraceFs, name: str) -> int:
    """Lock a file and return the descriptor that holds the lock; :exc:`LockHeld` if somebody else does."""
    descriptor = tracefs.open(name, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno != errno.EAGAIN:
            raise
        raise LockHeld(tracefs.path(name)) from None
    return descriptor


def take_soon(tracefs: TraceFs, name: str, timeout_s: float) -> int:
    """Do the same, and wait for a while where somebody else holds it."""
    end = time.monotonic() + timeout_s
    while True:
        try:
            return take(tracefs, name)
        except LockHeld:
            if time.monotonic() >= end:
                raise
        time.sleep(_POLL_S)


def is_held(tracefs: TraceFs, name: str) -> bool:
    """Tell whether somebody holds the lock (and do not keep it)."""
    try:
        os.close(take(tracefs, name))
    except LockHeld:
        return True
    return False


def perf_tools_lock(host: Host) -> Optional[int]:
    """Return the PID of the living perf-tools script that says it is tracing, ``None`` if there is none."""
    try:
        told = host.read(PERF_TOOLS).split()
        pid = int(told[0]) if told and told[0].isdigit() else 0
        if pid:
            host.read(f"/proc/{pid}/comm")
            return pid
    except ReadError:
        pass
    return None
