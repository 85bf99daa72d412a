"""What a check says: a finding with its evidence, or that it does not apply to this host.

Ids and field names are an interface: scripts and dashboards hold on to them.
"""

from typing import Mapping, Optional, Tuple

from kdiag.records import NamedTuple

__all__ = [
    "INSTANT",
    "SINCE_BOOT",
    "STATUSES",
    "Evidence",
    "Finding",
    "NotApplicable",
    "rank",
    "worst_status",
]

#: From best to worst, as an exit code sees them; ``unknown`` stands apart from both.
STATUSES = ("ok", "info", "unknown", "warning", "critical")

#: Bases of a value; the third is ``rate over N s``.
INSTANT = "instant"
SINCE_BOOT = "since boot"


class Evidence(NamedTuple):
    """Where a value stands: the file, its line from 1 (``None`` for a folder or statvfs), the raw text."""

    path: str
    line: Optional[int]
    raw: str

    def __str__(self) -> str:
        """Write it as ``path:line``.

        >>> str(Evidence("/proc/vmstat", 12, "oom_kill 3"))
        '/proc/vmstat:12'
        """
        return self.path if self.line is None else f"{self.path}:{self.line}"


class Finding(NamedTuple):
    """One verdict. ``subject`` is empty for the whole host, else the disk, mount, interface or task."""

    id: str
    status: str
    subject: str
    value: Optional[float]
    unit: str
    summary: str
    """What was seen, in one line: ``some avg60 is 23.1% (warning from 20%)``."""
    formula: str
    thresholds: Mapping[str, float]
    evidence: Tuple[Evidence, ...]
    basis: str
    """``instant``, ``rate over N s`` or ``since boot``."""
    because: str
    """Why it matters; for ``unknown``, why it could not be judged."""
    next: str
    """A command that only reads, unless it says that it writes."""
    source: str
    """Where the thresholds come from."""


class NotApplicable(NamedTuple):
    """A check that has nothing to judge on this host, and why."""

    id: str
    reason: str


def rank(status: str) -> int:
    """Return a number that grows with severity.

    >>> rank("critical") > rank("warning") > rank("unknown") > rank("info") > rank("ok")
    True
    """
    return STATUSES.index(status)


def worst_status(statuses: Tuple[str, ...]) -> str:
    """Return the most severe of some statuses, ``ok`` for none.

    >>> worst_status(("info", "warning", "unknown"))
    'warning'
    """
    return max(statuses, key=rank, default="ok")
