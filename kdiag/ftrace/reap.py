"""What dead sessions left behind, and removing it.

An instance ``kdiag-*`` whose lock nobody holds belongs to nobody who lives (:mod:`kdiag.ftrace.lock`).
"""

import os
from typing import List

from kdiag.ftrace.lock import GATE, OWNER, LockHeld, is_held, take_soon
from kdiag.ftrace.tracefs import TraceFs, TraceFsError

__all__ = ["reap"]


def reap(tracefs: TraceFs) -> List[str]:
    """Remove what dead sessions left; return what was done, in words."""
    from kdiag.ftrace.session import remove_instance

    try:
        names = [name for name in tracefs.list("instances") if name.startswith("kdiag-")]
    except TraceFsError:
        return []
    if not names or tracefs.planned:
        return []
    notes: List[str] = []
    try:
        gate = take_soon(tracefs, GATE, 5.0)
    except LockHeld:
        return []
    try:
        for name in names:
            try:
                if not is_held(tracefs.below(f"instances/{name}"), OWNER):
                    remove_instance(tracefs, name)
                    notes.append(f"removed {name}, which a dead kdiag had left")
            except TraceFsError as error:
                notes.append(f"{name} could not be looked after: {error}")
    finally:
        os.close(gate)
    return notes
