"""A snapshot: findings and tables of a host, with what could not be read and what it cost."""

from typing import Optional, Tuple

from kdiag.health.finding import Finding, NotApplicable
from kdiag.health.table import FilledTable
from kdiag.host.base import Failure
from kdiag.procfs.text import Problem
from kdiag.records import NamedTuple

__all__ = ["HostName", "ReadCost", "Snapshot"]


class HostName(NamedTuple):
    """How the host is called in a report's header; ``None`` is unknown."""

    name: Optional[str]
    kernel: Optional[str]
    distribution: Optional[str]
    online_cpus: Optional[int]
    memory_kib: Optional[int]
    uptime_s: Optional[float]


class ReadCost(NamedTuple):
    """What reading one file, or a family of files, cost: how often, how many bytes, how long in all."""

    path: str
    reads: int
    bytes: int
    duration_us: float


class Snapshot(NamedTuple):
    """Everything that one run found out. ``findings`` are worst first."""

    host: HostName
    kind: str
    """``live``, ``recorded`` or ``memory``."""
    root: str
    started_ns: Optional[int]
    """Wall clock of the host at the first reading, nanoseconds since the epoch."""
    duration_s: Optional[float]
    """Between the first and the last reading; ``None`` for a single one."""
    basis: str
    """How rates are to be read: ``rate over 1.0 s`` or ``since boot``."""
    findings: Tuple[Finding, ...]
    not_applicable: Tuple[NotApplicable, ...]
    tables: Tuple[FilledTable, ...]
    failures: Tuple[Failure, ...]
    """Files that could not be read, and are on this kernel or may be."""
    problems: Tuple[Problem, ...]
    """Lines that could not be parsed."""
    notes: Tuple[str, ...]
    """What the reader must know: a reboot in between, an unknown page size, a partial view."""
    costs: Tuple[ReadCost, ...]
    """What each file cost to read, dearest first."""
    exit_code: int
    """0 ok or info, 1 warning, 2 critical, 3 could not judge."""
