"""Which interrupts and softirqs come how often, and which CPU serves most of each.

Shown when it is asked for: reading ``/proc/interrupts`` is dear on a host with many CPUs. The kernel counts
both in 32 bits for each CPU (include/linux/irqdesc.h, include/linux/kernel_stat.h): a count may wrap.
"""

from heapq import nlargest
from typing import Callable, Dict, List, Mapping, Optional, Tuple

from kdiag.health.sample import Sample
from kdiag.health.table import Rows, Table, TableOptions
from kdiag.health.window import CannotJudge, Window, counter_delta
from kdiag.records import NamedTuple

__all__ = ["TABLES", "InterruptRow", "SoftirqRow"]

_INTERRUPTS, _SOFTIRQS = "/proc/interrupts", "/proc/softirqs"

#: By CPU number; a count that is not told by CPU (ERR, MIS) has the key ``None``.
_Counts = Mapping[Optional[int], int]


class InterruptRow(NamedTuple):
    """An interrupt: on all CPUs together, and on the busiest CPU of it, or on each."""

    irq: str
    all_per_s: float
    cpu: Optional[int]
    cpu_per_s: Optional[float]
    description: str


class SoftirqRow(NamedTuple):
    """A kind of softirq: on all CPUs together, and on the busiest CPU of it, or on each."""

    kind: str
    all_per_s: float
    cpu: Optional[int]
    cpu_per_s: Optional[float]


class _Rate(NamedTuple):
    """How often something came: in all, and on the CPUs on which it did, busiest first."""

    name: str
    all_per_s: float
    per_cpu: List[Tuple[float, Optional[int]]]


def _interrupt_rows(window: Window, options: TableOptions) -> Rows:
    came = _rates(window, _INTERRUPTS, _interrupts)
    read = window.after.interrupts
    described = {row.name: row.description for row in read.rows} if read is not None else {}
    rows = [
        InterruptRow(rate.name, rate.all_per_s, cpu, per_s, " ".join(described[rate.name].split()))
        for rate in nlargest(options.top, came, lambda rate: rate.all_per_s)
        for cpu, per_s in _shown(rate, options)
    ]
    return Rows(rows, window.basis, _notes(window, f"interrupts that came: {len(came)} of {len(described)}"))


def _softirq_rows(window: Window, options: TableOptions) -> Rows:
    came = _rates(window, _SOFTIRQS, _softirqs)
    rows = [
        SoftirqRow(rate.name, rate.all_per_s, cpu, per_s)
        for rate in sorted(came, key=lambda rate: -rate.all_per_s)
        for cpu, per_s in _shown(rate, options)
    ]
    return Rows(rows, window.basis, _notes(window))


def _shown(rate: _Rate, options: TableOptions) -> List[Tuple[Optional[int], Optional[float]]]:
    """Return the CPUs to show, with the rate of each: the busiest, or all."""
    chosen = rate.per_cpu if options.per_cpu else rate.per_cpu[:1]
    return [(cpu, None if cpu is None else per_s) for per_s, cpu in chosen]


def _notes(window: Window, *notes: str) -> Tuple[str, ...]:
    if window.since_boot:
        return (*notes, "counts wrap at 2^32 for each CPU, so an average since boot may be too low")
    return notes


def _interrupts(sample: Sample) -> Optional[Dict[str, _Counts]]:
    if sample.interrupts is None or not sample.interrupts.cpus:
        return None
    cpus = sample.interrupts.cpus
    return {
        row.name: {None: row.total} if row.per_cpu is None else dict(zip(cpus, row.per_cpu))
        for row in sample.interrupts.rows
    }


def _softirqs(sample: Sample) -> Optional[Dict[str, _Counts]]:
    if sample.softirqs is None or not sample.softirqs.cpus:
        return None
    cpus = sample.softirqs.cpus
    return {kind: dict(zip(cpus, counts)) for kind, counts in sample.softirqs.per_cpu.items()}


def _rates(
    window: Window, path: str, counts_of: Callable[[Sample], Optional[Dict[str, _Counts]]]
) -> List[_Rate]:
    """Return the rates of what came in the window; raises :class:`CannotJudge`."""
    after, seconds = counts_of(window.after), window.seconds(path)
    before = None if window.before is None else counts_of(window.before)
    if after is None:
        raise CannotJudge(path, window.after.why_missing(path))
    if window.before is not None and before is None:
        raise CannotJudge(path, f"{window.before.why_missing(path)} (in the first reading)")
    if not seconds:
        raise CannotJudge(path, "the time between the readings is not known")
    rates: List[_Rate] = []
    for name, counts in after.items():
        earlier = None if before is None else before.get(name)
        grown = sorted(_grown(earlier, counts), key=lambda each: -each[1])
        if grown:
            total = sum(delta for _, delta in grown)
            rates.append(_Rate(name, total / seconds, [(delta / seconds, cpu) for cpu, delta in grown]))
    return rates


def _grown(before: Optional[_Counts], after: _Counts) -> List[Tuple[Optional[int], int]]:
    """Return by CPU how often it came, where it did; an interrupt that is new counts from 0."""
    grown: List[Tuple[Optional[int], int]] = []
    for cpu, count in after.items():
        if before is None:
            delta: Optional[int] = count
        else:
            delta = counter_delta(before[cpu], count, "counter32") if cpu in before else None
        if delta:
            grown.append((cpu, delta))
    return grown


TABLES = (
    Table(
        "interrupts", "Interrupts", InterruptRow, _interrupt_rows, {"irq": "IRQ", "cpu": "CPU"}, asked=True
    ),
    Table("interrupts", "Softirqs", SoftirqRow, _softirq_rows, {"cpu": "CPU"}, asked=True),
)
