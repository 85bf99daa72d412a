"""What every format says about a snapshot in the same words: the verdict, what is not known, what helps.

The texts are raw: each format escapes them in its own way.
"""

import re
from typing import Callable, Dict, Iterable, List, NamedTuple, Sequence, Tuple, TypeVar

from kdiag.health.finding import SINCE_BOOT, Finding
from kdiag.health.snapshot import Snapshot
from kdiag.host.base import KINDS, Failure
from kdiag.report import units

__all__ = [
    "Group",
    "few",
    "finding_groups",
    "host_facts",
    "host_name",
    "label",
    "names",
    "not_judged",
    "not_read",
    "passed",
    "readings",
    "utc",
    "verdict",
]

_T = TypeVar("_T")
_K = TypeVar("_K")
_NS_PER_S = 1_000_000_000
#: The last second that ISO 8601 writes with four digits for the year.
_LAST_SECOND = 253_402_300_799
_SHOWN_NAMES = 8
_PID = re.compile(r"(?<=/)[0-9]+(?=/|$)")

#: What helps against each kind of failure.
_REMEDIES: Dict[str, str] = {
    "absent": "a kernel that is newer, or configured with it, has it",
    "vanished": "run it again",
    "denied": "root may read it",
    "unsupported": "switch it on at boot (for pressure files: psi=1)",
    "timed_out": "look for dead network mounts and tasks in D state",
    "not_recorded": "record the host again, with all its files",
    "error": "look into the kernel's log: dmesg",
}
_REMEDY_OF_ONE_READING = "take two readings (without --once)"


class Group(NamedTuple):
    """Names that have one reason in common, and what would help (empty where nothing is known to)."""

    reason: str
    remedy: str
    names: Tuple[str, ...]


def label(finding: Finding) -> str:
    """Return how a finding is called: its id, and what it is about unless that is the whole host."""
    return f"{finding.id} {finding.subject}" if finding.subject else finding.id


def names(findings: Iterable[Finding]) -> str:
    """Name some findings in a few words: ``mem.psi, fs.space /var, net.errors (3)``."""
    return few(
        [
            label(each[0]) if len(each) == 1 else f"{check_id} ({len(each)})"
            for check_id, each in _grouped(findings, lambda finding: finding.id).items()
        ]
    )


def few(words: Sequence[str], most: int = _SHOWN_NAMES) -> str:
    """Join the first few words and count the others.

    >>> few(["a", "b", "c"], most=2), few(["a", "b"], most=2)
    ('a, b and 1 more', 'a, b')
    """
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def host_name(snapshot: Snapshot) -> str:
    """Return the host's name, or say that it has none."""
    return snapshot.host.name or "(host without a name)"


def host_facts(snapshot: Snapshot) -> List[str]:
    """Return what is known of the host, and at the end what is not."""
    host = snapshot.host
    facts = (
        ("distribution", host.distribution, str),
        ("kernel", host.kernel, "Linux {}".format),
        ("CPUs", host.online_cpus, lambda count: f"{count} CPU" + ("s" if count != 1 else "")),
        ("memory", host.memory_kib, lambda kib: f"{units.size(kib * 1024)} memory"),
        ("uptime", host.uptime_s, lambda seconds: f"up {units.duration(seconds)}"),
    )
    known = [show(value) for _, value, show in facts if value is not None]
    unknown = [name for name, value, _ in facts if value is None]
    return known + ([f"not known: {', '.join(unknown)}"] if unknown else [])


def readings(snapshot: Snapshot) -> List[str]:
    """Return when, where and how often the host was read."""
    told = [utc(snapshot.started_ns) or "time not known"]
    if snapshot.kind == "recorded":
        told.append(f"recorded in {snapshot.root}")
    elif snapshot.kind == "live" and snapshot.root != "/":
        told.append(f"read below {snapshot.root}")
    if snapshot.basis == SINCE_BOOT:
        told.append(
            "one reading: rates are averages since boot" if snapshot.duration_s is None else "no rates"
        )
    elif snapshot.duration_s is not None:
        told.append(f"two readings {snapshot.duration_s:.1f} s apart")
    else:
        told.append("time between the readings not known")
    return told


def utc(wall_clock_ns: "int | None") -> str:
    return ""


def verdict(snapshot: Snapshot) -> Tuple[str, str]:
    """Return the worst status and one sentence: what is wrong, or that nothing is, and what is not known."""
    by_status = _grouped(snapshot.findings, lambda finding: finding.status)
    wrong = [
        f"{len(by_status[status])} {status}: {names(by_status[status])}"
        for status in ("critical", "warning")
        if status in by_status
    ]
    unknown = sorted({finding.id for finding in by_status.get("unknown", ())})
    return ("ok", "; ".join(wrong))
