"""CPU time by state, as mpstat shows it, and how often the kernel was at work."""

from typing import List, Optional, Tuple

from kdiag.health.figures.cpu import CpuUsage, cpu_usage
from kdiag.health.sample import Sample
from kdiag.health.table import Rows, Table, TableOptions
from kdiag.health.window import CannotJudge, Window
from kdiag.records import NamedTuple

__all__ = ["TABLES", "ActivityRow", "CpuRow"]

_STAT, _SCHEDSTAT = "/proc/stat", "/proc/schedstat"
_NS_PER_S = 1_000_000_000
_NAMED_CPUS = 8


class CpuRow(NamedTuple):
    """Shares of the time of one CPU, or of all, that add up to 100; user and nice are without guests."""

    cpu: str
    usr_pct: float
    nice_pct: float
    sys_pct: float
    iowait_pct: Optional[float]
    irq_pct: Optional[float]
    soft_pct: Optional[float]
    steal_pct: Optional[float]
    guest_pct: Optional[float]
    gnice_pct: Optional[float]
    idle_pct: float


class ActivityRow(NamedTuple):
    """Events of all CPUs, and the tasks that waited for one on average over the window."""

    context_switches_per_s: Optional[float]
    interrupts_per_s: Optional[float]
    softirqs_per_s: Optional[float]
    forks_per_s: Optional[float]
    waiting: Optional[float]


def _cpu_rows(window: Window, options: TableOptions) -> Rows:
    usage = cpu_usage(window)
    rows: List[CpuRow] = [CpuRow("all", *usage.all)]
    if options.per_cpu:
        rows.extend(CpuRow(f"{number}", *times) for number, times in sorted(usage.cpus.items()))
    notes = [_left_out(usage)] if usage.left_out else []
    if options.explain:
        notes += [
            "usr and nice are without guests; iowait is idle time with I/O under way, and not reliable; "
            "steal is time that the hypervisor gave to others; irq and soft serve interrupts."
        ]
    return Rows(rows, window.basis, tuple(notes))


def _left_out(usage: CpuUsage) -> str:
    reasons = [f"{number} ({usage.left_out[number]})" for number in sorted(usage.left_out)]
    more = len(reasons) - _NAMED_CPUS
    return f"left out: CPU {', '.join(reasons[:_NAMED_CPUS])}" + (f" and {more} more" if more > 0 else "")


def _activity_rows(window: Window, options: TableOptions) -> Rows:
    if window.after.stat is None:
        raise CannotJudge(_STAT, window.after.why_missing(_STAT))
    waited_ns_per_s = window.per_s(_SCHEDSTAT, _waited_ns)
    row = ActivityRow(
        window.per_s(_STAT, lambda sample: sample.stat.ctxt if sample.stat is not None else None),
        window.per_s(_STAT, lambda sample: sample.stat.intr_total if sample.stat is not None else None),
        window.per_s(_STAT, _softirqs),
        window.per_s(_STAT, lambda sample: sample.stat.processes if sample.stat is not None else None),
        None if waited_ns_per_s is None else waited_ns_per_s / _NS_PER_S,
    )
    notes: Tuple[str, ...] = ()
    if row.waiting is None:
        notes = (f"waiting: not known without {_SCHEDSTAT} ({window.after.why_missing(_SCHEDSTAT)})",)
    if options.explain:
        notes += ("forks count new threads too; waiting is how many tasks waited for a CPU on average",)
    return Rows([row], window.basis, notes)


def _softirqs(sample: Sample) -> Optional[int]:
    softirq = sample.stat.softirq if sample.stat is not None else None
    return softirq.total if softirq is not None else None


def _waited_ns(sample: Sample) -> Optional[int]:
    """Return how long tasks have waited for a CPU, summed over the tasks that waited at a time."""
    if sample.schedstat is None or not sample.schedstat.cpus:
        return None
    return sum(cpu.wait_ns for cpu in sample.schedstat.cpus.values())


TABLES = (
    Table("cpu", "CPU", CpuRow, _cpu_rows, {"cpu": "CPU"}),
    Table("cpu", "CPU activity", ActivityRow, _activity_rows),
)
