"""What every format says about a snapshot in the same words: the verdict, what is not known, what helps.

The texts may be hostile: each format escapes them in its own way.
"""

import re
import time
from typing import Any, Callable, Dict, Hashable, Iterable, Iterator, List, Optional, Sequence, Tuple, TypeVar

from kdiag.health.exit_code import NOT_JUDGED
from kdiag.health.finding import SINCE_BOOT, Finding, rank
from kdiag.health.snapshot import Snapshot
from kdiag.host.base import KINDS
from kdiag.records import NamedTuple
from kdiag.report import units
from kdiag.report.escape import printable
from kdiag.report.layout import shorten

__all__ = [
    "Group",
    "alike",
    "counted",
    "few",
    "grouped",
    "host_facts",
    "host_name",
    "label",
    "not_judged",
    "not_read",
    "passed",
    "readings",
    "tally",
    "utc",
    "verdict",
]

_T = TypeVar("_T")
_K = TypeVar("_K", bound=Hashable)
_NS_PER_S = 1_000_000_000
#: The last second whose year ISO 8601 writes with four digits.
_LAST_SECOND = 253_402_300_799
_SHOWN_NAMES = 8
_SHOWN_OF_A_CHECK = 4
_SUBJECT_WIDTH = 40
_TASK = r"(?<=^/proc/)[0-9]+|(?<=/task/)[0-9]+"
_ERRNO = r"\(E[0-9A-Z]+\b"

#: What helps against each kind of failure.
_REMEDIES: Dict[str, str] = {
    "absent": "a newer kernel, or one configured with it, may have it",
    "vanished": "run it again",
    "denied": "root may read it",
    "unsupported": "switch it on at boot (for pressure files: psi=1)",
    "timed_out": "look for dead network mounts and tasks in D state",
    "not_recorded": "record the host again, with this file",
    "error": "look into the kernel's log: dmesg",
}
#: How a status reads beside 1 and beside other numbers.
_TALLIED = {
    "critical": ("critical", "critical"),
    "warning": ("warning", "warnings"),
    "unknown": ("not judged", "not judged"),
    "info": ("info", "infos"),
}
_REMEDY_OF_ONE_READING = "take two readings (without --once)"
_REMEDY_OF_ONE_SAMPLE = "without --once, of a recording that holds two readings"
_REMEDY_OF_A_REBOOT = "run it again"
#: Fields of the host that the header tells, and how.
_HOST_FACTS: Dict[str, Callable[[Any], str]] = {
    "distribution": str,
    "kernel": "Linux {}".format,
    "online_cpus": lambda count: counted(count, "CPU", "CPUs"),
    "memory_kib": lambda kib: f"{units.cell('memory_kib', kib)} memory",
    "uptime_s": lambda seconds: f"up {units.duration(seconds)}",
}


class Group(NamedTuple):
    """Names that have one reason in common, and what may help (empty where nothing is known to)."""

    reason: str
    remedy: str
    names: Tuple[str, ...]


def label(finding: Finding) -> str:
    """Return how a finding is called: its id, and what it is about unless that is the whole host.

    Printable, and cut where the subject is long (a path may have 4096 bytes), for it stands among others.
    """
    subject = shorten(printable(finding.subject), _SUBJECT_WIDTH, "...")
    return f"{finding.id} {subject}" if subject else finding.id


def few(words: Sequence[str], most: int = _SHOWN_NAMES) -> str:
    """Join the first few words and count the others.

    >>> few(["a", "b", "c"], most=2), few(["a", "b"], most=2)
    ('a, b and 1 more', 'a, b')
    """
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def counted(count: int, one: str, many: str) -> str:
    """Return a number with the words that go with it.

    >>> counted(1, "check passed", "checks passed"), counted(0, "check passed", "checks passed")
    ('1 check passed', '0 checks passed')
    """
    return f"{count} {one if count == 1 else many}"


def grouped(things: Iterable[_T], key: Callable[[_T], _K]) -> Dict[_K, List[_T]]:
    """Put together what has the same key; groups and their members keep their order."""
    groups: Dict[_K, List[_T]] = {}
    for thing in things:
        groups.setdefault(key(thing), []).append(thing)
    return groups


def host_name(snapshot: Snapshot) -> str:
    """Return the host's name, or say that it is not known."""
    return snapshot.host.name or "(host name not known)"


def host_facts(snapshot: Snapshot) -> List[str]:
    """Return what is known of the host, and at the end what is not."""
    values = [(field, getattr(snapshot.host, field)) for field in _HOST_FACTS]
    known = [_HOST_FACTS[field](value) for field, value in values if value is not None]
    unknown = ", ".join(units.header(field) for field, value in values if value is None)
    return [*known, f"not known: {unknown}"] if unknown else known


def readings(snapshot: Snapshot) -> List[str]:
    """Return when, from where and how often the host was read."""
    told = [utc(snapshot.started_ns) or "time not known"]
    if snapshot.kind == "recorded":
        told.append(f"recorded in {snapshot.root}")
    elif snapshot.kind == "live" and snapshot.root != "/":
        told.append(f"read below {snapshot.root}")
    apart = "" if snapshot.duration_s is None else f"two readings {snapshot.duration_s:.1f} s apart"
    if snapshot.basis != SINCE_BOOT:
        told.append(apart or "two readings, the time between them not known")
    else:
        told.append(f"{apart or 'one reading'}: rates are averages since boot")
    return told


def utc(wall_clock_ns: Optional[int], form: str = "%Y-%m-%d %H:%M:%S UTC") -> Optional[str]:
    """Return a time of day, or ``None`` where it is not known or beyond the year 9999.

    >>> utc(1_763_659_081_250_000_000)
    '2025-11-20 17:18:01 UTC'
    """
    if wall_clock_ns is None or not 0 <= wall_clock_ns // _NS_PER_S <= _LAST_SECOND:
        return None
    return time.strftime(form, time.gmtime(wall_clock_ns // _NS_PER_S))


def alike(findings: Iterable[Finding]) -> List[List[Finding]]:
    """Put findings of one check together that share their reason and their next step."""
    return list(grouped(findings, lambda each: (each.id, each.status, each.because, each.next)).values())


def passed(snapshot: Snapshot) -> str:
    """Count the checks that found nothing but what is well, and those that have nothing to judge."""
    checks = grouped(snapshot.findings, lambda finding: finding.id).values()
    count = sum(all(finding.status == "ok" for finding in found) for found in checks)
    others = counted(len(snapshot.not_applicable), "does not apply", "do not apply")
    return f"{counted(count, 'check passed', 'checks passed')}, {others}"


def verdict(snapshot: Snapshot) -> Tuple[str, str]:
    """Return the worst status and one sentence: what is wrong, or that nothing is, and what is not known."""
    wrong = [*tally(snapshot.findings, "critical"), *tally(snapshot.findings, "warning")]
    not_known = tally(snapshot.findings, "unknown")
    if wrong:
        return max((finding.status for finding in snapshot.findings), key=rank), "; ".join(wrong + not_known)
    if snapshot.exit_code == NOT_JUDGED:
        return "unknown", "; ".join(["cannot tell whether anything is wrong", *not_known])
    return "ok", "; ".join(["nothing wrong found", *not_known])


def tally(findings: Iterable[Finding], status: str) -> List[str]:
    """Return one sentence that counts and names the findings of a status, or none if there are none."""
    found = [finding for finding in findings if finding.status == status]
    if not found:
        return []
    checks = grouped(found, lambda finding: finding.id)
    named = [
        label(each[0]) if len(each) == 1 else f"{check_id} ({len(each)})" for check_id, each in checks.items()
    ]
    return [f"{counted(len(found), *_TALLIED[status])}: {few(named)}"]


def not_judged(snapshot: Snapshot) -> List[Group]:
    """Group the unknown findings by their reason; each name is a check with the file that it lacks."""
    unknown = [finding for finding in snapshot.findings if finding.status == "unknown"]
    groups = grouped(unknown, lambda finding: (_reason(finding), _remedy(finding, snapshot)))
    return [
        Group(reason, remedy, tuple(_checks_with_files(found))) for (reason, remedy), found in groups.items()
    ]


def not_read(snapshot: Snapshot) -> List[Group]:
    """Group the files that could not be read by how they failed; those of many tasks count as one."""
    failures = grouped(
        snapshot.failures, lambda failure: (str(failure)[len(failure.path) + 2 :], failure.kind)
    )
    return [
        Group(reason, _remedy_of(kind, reason), tuple(_families([failure.path for failure in failed])))
        for (reason, kind), failed in failures.items()
    ]


def _reason(finding: Finding) -> str:
    """Return why a finding is unknown without the file's name, so that files can share a reason."""
    file = f"{finding.evidence[0].path}: " if finding.evidence else ""
    return finding.because[len(file) :] if finding.because.startswith(file) else finding.because


def _remedy(finding: Finding, snapshot: Snapshot) -> str:
    if finding.basis == SINCE_BOOT:
        if snapshot.duration_s is not None:
            return _REMEDY_OF_A_REBOOT
        return _REMEDY_OF_ONE_SAMPLE if snapshot.kind == "recorded" else _REMEDY_OF_ONE_READING
    reason = _reason(finding)
    return next((_remedy_of(kind, reason) for kind, told in KINDS.items() if reason.startswith(told)), "")


def _remedy_of(kind: str, reason: str) -> str:
    """Return what may help against a kind of failure; an error that is explained already needs no more."""
    if "the recording" in reason:  # it says nothing of the host that was recorded
        return _REMEDIES["not_recorded"]
    if kind == "error" and re.search(_ERRNO, reason) is None:
        return ""
    return _REMEDIES[kind]


def _checks_with_files(findings: Sequence[Finding]) -> Iterator[str]:
    """Name findings with the file that each lacks; a check with many subjects is named once."""
    for check_id, found in grouped(findings, lambda finding: finding.id).items():
        if len(found) > _SHOWN_OF_A_CHECK:
            yield f"{check_id} ({len(found)})"
            continue
        for finding in found:
            # An average since boot has its file, and lacks another reading of it.
            file = finding.evidence[0].path if finding.evidence and finding.basis != SINCE_BOOT else ""
            yield f"{label(finding)} ({file})" if file else label(finding)


def _families(paths: Sequence[str]) -> List[str]:
    """Name paths; those that differ in the task alone count as one family."""
    families = grouped(paths, lambda path: re.sub(_TASK, "PID", path))
    return [found[0] if len(found) == 1 else f"{family} ({len(found)})" for family, found in families.items()]
