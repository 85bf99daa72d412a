"""What dead sessions left behind, and removing it.

An instance ``kdiag-*`` whose lock nobody holds belongs to nobody who lives (:mod:`kdiag.ftrace.lock`): its
owner takes the lock before anyone else can look. Definitions of a group ``kdiag_*`` go with the instance of
that name: a session makes it before it defines any, and removes it after them. Journals of global writes are
replayed by whoever gets the lock of all that is global.
"""

import errno
import os
import re
from typing import List, Optional, Tuple

from kdiag.ftrace.instance import remove_instance
from kdiag.ftrace.journal import UnsafeFolder, leftovers, replay
from kdiag.ftrace.lock import GATE, GLOBAL, OWNER, LockHeld, is_held, take, take_soon
from kdiag.ftrace.tracefs import TraceFs, TraceFsError
from kdiag.host.base import Host

__all__ = ["dead_definitions", "group_of", "reap", "reap_journals", "reap_sessions"]

_GATE_TIMEOUT_S = 5.0
_GROUP = re.compile(r"kdiag_(\d+_\d+(?:_\d+)?)").fullmatch
_SYNTHETIC = re.compile(r"(kdiag_\d+_\d+(?:_\d+)??)_[a-zA-Z]\w*").fullmatch
_DEFINED = re.compile(r"[a-z]\d*:([^/\s]+)/(\S+)").match
#: Since 5.0 the first has them all; before, each kind is in its own.
_FILES = ("dynamic_events", "kprobe_events", "uprobe_events")


def reap(tracefs: TraceFs, host: Host) -> List[str]:
    """Undo what dead sessions left; return in words what was done, and what could not be."""
    return [*reap_sessions(tracefs.top), *reap_journals(tracefs.top, host)]


def reap_sessions(top: TraceFs) -> List[str]:
    """Remove instances and definitions of dead sessions."""
    try:
        names = [name for name in top.list("instances") if name.startswith("kdiag-")]
    except TraceFsError:
        return []
    definitions = _definitions(top)
    if not names and not definitions:
        return []
    try:
        gate = take_soon(top, GATE, _GATE_TIMEOUT_S)
    except LockHeld:
        return ["left-overs of dead sessions were not looked for: somebody holds the lock for that"]
    try:
        notes = [note for name in names for note in _reap_instance(top, name)]
        return notes + _reap_definitions(top, dead_definitions(top))
    finally:
        os.close(gate)


def reap_journals(top: TraceFs, host: Host) -> List[str]:
    """Put back what sessions changed globally that were killed."""
    try:
        if not leftovers():
            return []
        lock = take(top, GLOBAL)
    except LockHeld:
        return []  # its owner lives
    except (OSError, UnsafeFolder) as error:
        return [f"journals of dead sessions could not be read: {error}"]
    try:
        return replay(top, host)
    finally:
        os.close(lock)


def dead_definitions(top: TraceFs) -> List[Tuple[str, str, str]]:
    """Return (file, command that removes it, name) of each definition whose session is dead."""
    return [
        (file, command, name)
        for file, command, name, group in _definitions(top)
        if not _is_alive(top, group.replace("_", "-"))
    ]


def group_of(system: str, event: str) -> Optional[str]:
    """Return the session's group that an event belongs to, ``None`` if it is not kdiag's.

    >>> group_of("kdiag_7_100", "vfs_read"), group_of("synthetic", "kdiag_7_100_lat"), group_of("kd", "x")
    ('kdiag_7_100', 'kdiag_7_100', None)
    """
    if system == "synthetic":
        match = _SYNTHETIC(event)
        return match[1] if match else None
    return system if _GROUP(system) else None


def _definitions(top: TraceFs) -> List[Tuple[str, str, str, str]]:
    """Return (file, removing command, name, group) of all that kdiag defined, consumers first."""
    found: List[Tuple[str, str, str, str]] = []
    for name in _lines(top, "synthetic_events"):
        event = name.split("\t")[0].split(" ")[0]
        group = group_of("synthetic", event)
        if group:
            found.append(("synthetic_events", f"!{event}", event, group))
    known = set()
    for file in _FILES:
        for line in _lines(top, file):
            match = _DEFINED(line)
            group = None if match is None or match[1] == "synthetic" else group_of(match[1], match[2])
            if match is None or group is None or (match[1], match[2]) in known:
                continue
            known.add((match[1], match[2]))
            found.append((file, f"-:{match[1]}/{match[2]}", f"{match[1]}/{match[2]}", group))
    return found


def _lines(top: TraceFs, file: str) -> List[str]:
    try:
        return top.read(file).split("\n") if top.exists(file) else []
    except TraceFsError:  # it may be refused although definitions work; nothing is known to be left then
        return []


def _is_alive(top: TraceFs, instance: str) -> bool:
    try:
        return is_held(top.below(f"instances/{instance}"), OWNER)
    except TraceFsError:
        return False  # it is gone


def _reap_instance(top: TraceFs, name: str) -> List[str]:
    shown = top.path(f"instances/{name}")
    try:
        instance = top.below(f"instances/{name}")
        if is_held(instance, OWNER):
            return []
        try:
            remove_instance(top, name, timeout_s=0)
        except TraceFsError as error:
            if error.errno != errno.EBUSY:
                raise
            _remove_triggers(instance)
            remove_instance(top, name)
    except TraceFsError as error:
        if top.exists(f"instances/{name}"):
            return [f"{shown}: left by a kdiag that was killed, and could not be removed: {error}"]
    return [f"{shown}: removed; a kdiag that was killed left it"]


def _remove_triggers(instance: TraceFs) -> None:
    """Remove all triggers of a dead session's instance: a histogram that uses another event's keeps it busy.

    The instance is nobody else's, so what others must never do is done here: opening ``trigger`` with O_TRUNC
    removes them all, without knowing how they were written. Those that use a variable have to go first; which
    they are is found by trying.
    """
    waiting = _events_with_triggers(instance)
    for _ in range(3):
        still = []
        for path in waiting:
            instance.clear_triggers(path)
            if _has_trigger(instance, path):
                still.append(path)
        if not still:
            return
        waiting = list(reversed(still))


def _events_with_triggers(instance: TraceFs) -> List[str]:
    systems = ["synthetic"] if instance.exists("events/synthetic") else []
    try:
        systems += [name for name in instance.list("events") if name not in ("synthetic", "ftrace")]
    except TraceFsError:
        return []
    found: List[str] = []
    for system in systems:
        try:
            events = instance.list(f"events/{system}")
        except TraceFsError:
            continue
        paths = (f"events/{system}/{event}/trigger" for event in events if "." not in event)
        found += [path for path in paths if _has_trigger(instance, path)]
    return found


def _has_trigger(instance: TraceFs, path: str) -> bool:
    try:
        text = instance.read(path)
    except TraceFsError:
        return False
    return any(line and not line.startswith("#") for line in text.split("\n"))


def _reap_definitions(top: TraceFs, dead: List[Tuple[str, str, str]]) -> List[str]:
    notes: List[str] = []
    for file, command, name in dead:
        try:
            top.append(file, command + "\n")
            notes.append(f"{top.path(file)}: removed {name}; a kdiag that was killed left it")
        except TraceFsError as error:
            notes.append(f"{name}: left by a kdiag that was killed, and could not be removed: {error}")
    return notes
