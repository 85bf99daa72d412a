"""Who else is tracing: other tracers of tracefs, and probes that others have defined."""

from typing import Dict, List

from kdiag.ftrace.other_tracers import other_tracers
from kdiag.ftrace.tracefs import TraceFs, TraceFsError
from kdiag.host.base import Host
from kdiag.records import NamedTuple

__all__ = ["Other", "others", "probes_of_others"]

#: Files of definitions; ``dynamic_events`` (since 5.0) lists all of them.
_DEFINITIONS = ("dynamic_events", "kprobe_events", "uprobe_events")
_OWN = "kdiag_"


class Other(NamedTuple):
    """A sign of another tracer: where, what, and whether kdiag has to keep away from what is shared."""

    path: str
    what: str
    blocks: bool


def others(tracefs: TraceFs, host: Host) -> List[Other]:
    """Return all signs of others; nothing is changed."""
    found = [Other(*each) for each in other_tracers(tracefs, host)]
    for file in _DEFINITIONS:
        try:
            text = tracefs.top.read(file)
        except TraceFsError:
            continue  # not on this kernel, or refused; its own trial says which
        groups = probes_of_others(text)
        if groups and not any("probes are defined" in other.what for other in found):
            told = ", ".join(f"{count} of {group}" for group, count in sorted(groups.items()))
            found.append(Other(tracefs.top.path(file), f"probes are defined: {told}", False))
    return found


def probes_of_others(definitions: str) -> Dict[str, int]:
    r"""Return how many probes there are by group, kdiag's own and synthetic events left out.

    >>> probes_of_others("p:app/open do_sys_open\nr2:kdiag_7_9/x vfs_read\np:app/close ksys_close\n")
    {'app': 2}
    """
    groups: Dict[str, int] = {}
    for line in definitions.split("\n"):
        head, _, name = line.partition(":")
        group, slash, _ = name.partition(" ")[0].partition("/")
        if slash and head != "s" and not group.startswith(_OWN):
            groups[group] = groups.get(group, 0) + 1
    return groups
