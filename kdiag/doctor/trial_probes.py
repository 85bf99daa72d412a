"""Trials of probes: one is defined at what getppid(2) runs through, and must fire when kdiag calls it."""

import errno
import os
from typing import TYPE_CHECKING, Tuple

from kdiag.doctor.outcome import NotTried, Refused, refused_by_tracefs
from kdiag.doctor.trial_events import RARE, recorded, run_child
from kdiag.ftrace.dynamic_events import DynamicEvents
from kdiag.ftrace.elf_symbols import BadElf, functions_of
from kdiag.ftrace.tracefs import TraceFsError
from kdiag.host.base import ReadError

if TYPE_CHECKING:
    from kdiag.doctor.trials import Bench

__all__ = ["eprobes", "fprobes", "kprobes", "kretprobes", "probe_profile", "uprobes"]

_NEVER_FIRED = "the probe could be defined, but never fired"
#: What the kernel says to a command that it does not know at all.
_UNKNOWN_COMMAND = (errno.EINVAL, errno.ECANCELED)


def kprobes(bench: "Bench") -> str:
    """Probe the begin of getppid(2)."""
    return _kernel_function(bench, "kprobe")


def kretprobes(bench: "Bench") -> str:
    """Probe the end of getppid(2)."""
    return _kernel_function(bench, "kretprobe")


def fprobes(bench: "Bench") -> str:
    """Probe the begin of getppid(2) through ftrace."""
    return _kernel_function(bench, "fprobe")


def eprobes(bench: "Bench") -> str:
    """Make an event of the end of a child."""
    with bench.session() as session:
        probes = DynamicEvents(session)
        try:
            system, event = probes.event_probe(*RARE, ["pid=$pid"])
        except TraceFsError as error:
            raise _not_defined(bench, error, "built without event probes") from None
        session.enable(system, event)
        text = recorded(session, run_child)
    if f" {event}:" not in text:
        raise Refused("a child's end was not seen", _NEVER_FIRED)
    return ""


def uprobes(bench: "Bench") -> str:
    """Probe the C library's getppid, as this Python calls it."""
    path, offset = _own_getppid(bench)
    with bench.session() as session:
        probes = DynamicEvents(session)
        try:
            system, event = probes.user_function("uprobe", path, offset, "getppid")
        except TraceFsError as error:
            raise _not_defined(bench, error, "built without uprobe events") from None
        session.enable(system, event)
        text = recorded(session, os.getppid)
    if f" {event}:" not in text:
        raise Refused(f"a call of getppid in {path} was not seen", _NEVER_FIRED)
    return ""


def probe_profile(bench: "Bench") -> str:
    """Read the counters of kprobes or uprobes, where there are such probes."""
    working = [name for name in ("kprobes", "uprobes") if bench.try_capability(name).works]
    if not working:
        raise Refused("there are neither kprobes nor uprobes", "there is nothing to count")
    for name in working:
        bench.tracefs.read(f"{name[:-1]}_profile")
    return f"of {' and '.join(working)}"


def _kernel_function(bench: "Bench", kind: str) -> str:
    refused = Refused("no name of getppid(2)", f"names of this machine ({bench.machine}) are not known")
    with bench.session() as session:
        probes = DynamicEvents(session)
        for symbol in bench.wrappers_of("getppid"):
            try:
                system, event = probes.kernel_function(kind, symbol)
            except TraceFsError as error:
                refused = _not_defined(bench, error, "")
                if error.errno in (errno.EPERM, errno.EACCES, errno.ENOENT) and not error.kernel_log:
                    break
                continue
            session.enable(system, event)
            if f" {event}:" not in recorded(session, os.getppid):
                raise Refused(f"a call of {symbol} was not seen", _NEVER_FIRED)
            return ""
    raise refused


def _not_defined(bench: "Bench", error: TraceFsError, why: str) -> Refused:
    if error.errno in _UNKNOWN_COMMAND and not error.kernel_log:
        return refused_by_tracefs(error, bench.euid, why or "this kernel does not know such probes")
    return refused_by_tracefs(error, bench.euid, why)


def _own_getppid(bench: "Bench") -> Tuple[str, int]:
    """Return the file that getppid comes from in this process, and where in it it begins."""
    try:
        maps = bench.host.read("/proc/self/maps").decode("utf-8", "surrogateescape")
    except ReadError as error:
        raise NotTried(str(error.failure), "where the C library lies is not known") from None
    paths = dict.fromkeys(
        line.split(None, 5)[5] for line in maps.split("\n") if " r-xp " in line and "/" in line
    )
    for path in paths:
        try:
            found = functions_of(path).get("getppid")
        except (BadElf, OSError):
            continue
        if found is not None:
            return path, found.offset
    raise NotTried("no getppid in any library of this process", "there is nothing to probe")
