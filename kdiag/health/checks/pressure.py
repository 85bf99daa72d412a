"""Pressure stall information: the share of time in which work waited for CPU, memory, I/O or interrupts.

PSI is time lost, so it ranks above utilisation, and utilisation above load: a host can be fully busy and
lose nothing. The averages are the kernel's own (10, 60 and 300 s), so one reading is enough.
"""

from typing import Iterator, Optional

from kdiag.health.check import Case, DoesNotApply, check
from kdiag.health.finding import INSTANT, Finding
from kdiag.health.window import CannotJudge, known
from kdiag.procfs.pressure import Pressure, PressureLine
from kdiag.records import NamedTuple

__all__ = ["CHECKS"]

_BELOW = "below marks pressure over 40 % red"
_IRQ = "/proc/pressure/irq"


class _Level(NamedTuple):
    """An average of a line, and the status that it gives when it reaches the threshold."""

    status: str
    kind: str
    average: str
    threshold: str


def _line(case: Case, pressure: Optional[Pressure], path: str, kind: str) -> PressureLine:
    """Return the ``some`` or ``full`` line, or say why it is not known and what would make it so."""
    sample = case.window.after
    failure = sample.failures.get(path)
    if failure is not None and failure.kind == "unsupported":
        raise CannotJudge(path, f"{sample.why_missing(path)}; PSI is off: boot with psi=1")
    if failure is not None and failure.kind == "absent":
        raise CannotJudge(
            path, "this kernel has no PSI file: it needs 4.20 or later with CONFIG_PSI, and psi=1"
        )
    if pressure is None:
        raise CannotJudge(path, sample.why_missing(path))
    line: Optional[PressureLine] = getattr(pressure, kind)
    return known(case.window.after, line, path, f"the line `{kind}`")


def _judge(case: Case, resource: str, what: str, *levels: _Level) -> Iterator[Finding]:
    """Give the status of the first level that is reached (they stand worst first), or ok for the last."""
    path = f"/proc/pressure/{resource}"
    pressure: Optional[Pressure] = getattr(case.window.after, f"pressure_{resource}")
    for level in levels:
        line = _line(case, pressure, path, level.kind)
        value = known(
            case.window.after,
            getattr(line, f"{level.average}_pct"),
            path,
            f"{level.average} of `{level.kind}`",
        )
        reached = value >= case.limit(level.threshold)
        if reached:
            break
    yield case.finding(
        level.status if reached else "ok",
        value,
        f"{what} in {value:.1f}% of the time ({level.kind} {level.average})",
        case.evidence(path, level.kind),
        basis=INSTANT,
    )


@check(
    "cpu.psi",
    title="CPU pressure",
    formula="some avg60, some avg10 of /proc/pressure/cpu",
    unit="%",
    thresholds={"avg60_warning_pct": 20, "avg10_critical_pct": 40},
    source=f"{_BELOW}; the warning is kdiag's own",
    because="Runnable tasks wait for a CPU, and whatever they serve gets slower.",
    next="kdiag snapshot --section top",
)
def cpu_psi(case: Case) -> Iterator[Finding]:
    """Judge how long runnable tasks waited for a CPU."""
    return _judge(
        case,
        "cpu",
        "tasks waited for CPU",
        _Level("critical", "some", "avg10", "avg10_critical_pct"),
        _Level("warning", "some", "avg60", "avg60_warning_pct"),
    )


@check(
    "mem.psi",
    title="Memory pressure",
    formula="full avg10, full avg60, some avg60 of /proc/pressure/memory",
    unit="%",
    thresholds={"some_avg60_warning_pct": 10, "full_avg60_warning_pct": 5, "full_avg10_critical_pct": 40},
    source=f"{_BELOW}; systemd-oomd kills at 60 % of full avg10; the warnings are kdiag's own",
    because="Tasks wait for memory to be reclaimed or read back: what they use does not fit any more.",
    next="kdiag snapshot --section reclaim",
)
def mem_psi(case: Case) -> Iterator[Finding]:
    """Judge how long tasks waited for memory, and how long all of them did at once."""
    return _judge(
        case,
        "memory",
        "tasks waited for memory",
        _Level("critical", "full", "avg10", "full_avg10_critical_pct"),
        _Level("warning", "full", "avg60", "full_avg60_warning_pct"),
        _Level("warning", "some", "avg60", "some_avg60_warning_pct"),
    )


@check(
    "io.psi",
    title="I/O pressure",
    formula="full avg60, full avg10 of /proc/pressure/io",
    unit="%",
    thresholds={"avg60_warning_pct": 10, "avg10_critical_pct": 40},
    source=f"{_BELOW}; the warning is kdiag's own",
    because="All tasks with something to do wait for I/O at once: nothing useful runs meanwhile.",
    next="kdiag snapshot --section disks",
)
def io_psi(case: Case) -> Iterator[Finding]:
    """Judge how long all tasks that had work waited for I/O."""
    return _judge(
        case,
        "io",
        "all tasks waited for I/O",
        _Level("critical", "full", "avg10", "avg10_critical_pct"),
        _Level("warning", "full", "avg60", "avg60_warning_pct"),
    )


@check(
    "cpu.irq_psi",
    title="Interrupt pressure",
    formula="full avg60 of /proc/pressure/irq",
    unit="%",
    thresholds={"avg60_warning_pct": 5, "avg60_critical_pct": 20},
    source="kdiag's own",
    because="Interrupt handlers take the CPU away from the tasks that run on it.",
    next="kdiag snapshot --section interrupts",
)
def irq_psi(case: Case) -> Iterator[Finding]:
    """Judge how long interrupts kept tasks from running."""
    sample = case.window.after
    failure = sample.failures.get(_IRQ)
    if failure is not None and sample.pressure_cpu is not None:
        if failure.kind == "absent":
            raise DoesNotApply(
                "this kernel has PSI, but does not count interrupts in it: that needs 6.1 or later "
                "with CONFIG_IRQ_TIME_ACCOUNTING"
            )
        if failure.kind == "unsupported":  # irq_time accounting is off, PSI is on (psi.c)
            raise CannotJudge(
                _IRQ, f"{sample.why_missing(_IRQ)}; the kernel does not account for the time of interrupts"
            )
    return _judge(
        case,
        "irq",
        "interrupts kept tasks from running",
        _Level("critical", "full", "avg60", "avg60_critical_pct"),
        _Level("warning", "full", "avg60", "avg60_warning_pct"),
    )


CHECKS = (cpu_psi, mem_psi, io_psi, irq_psi)
