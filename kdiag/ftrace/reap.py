"""What dead sessions left behind, and removing it.

An instance ``kdiag-*`` whose lock nobody holds belongs to nobody who lives (:mod:`kdiag.ftrace.lock`): its
owner takes the lock before anyone else can look. Journals of global writes are replayed by whoever gets the
lock of all that is global.
"""

import os
from typing import List

from kdiag.ftrace.journal import UnsafeFolder, leftovers, replay
from kdiag.ftrace.lock import GATE, GLOBAL, OWNER, LockHeld, is_held, take, take_soon
from kdiag.ftrace.tracefs import TraceFs, TraceFsError
from kdiag.host.base import Host

__all__ = ["reap"]

_GATE_TIMEOUT_S = 5.0


def reap(tracefs: TraceFs, host: Host) -> List[str]:
    """Undo what dead sessions left; return in words what was done, and what could not be."""
    top = tracefs.top
    return [*_reap_instances(top), *_reap_journals(top, host)]


def _reap_instances(top: TraceFs) -> List[str]:
    from kdiag.ftrace.session import remove_instance

    try:
        names = [name for name in top.list("instances") if name.startswith("kdiag-")]
    except TraceFsError:
        return []
    if not names:
        return []
    try:
        gate = take_soon(top, GATE, _GATE_TIMEOUT_S)
    except LockHeld:
        return ["left-overs of dead sessions were not looked for: somebody holds the lock for that"]
    notes: List[str] = []
    try:
        for name in names:
            try:
                if not is_held(top.below(f"instances/{name}"), OWNER):
                    remove_instance(top, name)
                    notes.append(f"{top.path('instances')}/{name}: removed; a kdiag that was killed left it")
            except TraceFsError as error:
                if top.exists(f"instances/{name}"):
                    notes.append(f"left behind by a kdiag that was killed, and could not be removed: {error}")
    finally:
        os.close(gate)
    return notes


def _reap_journals(top: TraceFs, host: Host) -> List[str]:
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
