"""Pressure stall information: the share of time in which work waited for CPU, memory, I/O or interrupts.

PSI is time lost, so it ranks above utilisation, and utilisation above load: a host can be fully busy and
lose nothing. The averages are the kernel's own (10, 60 and 300 s), so one reading is enough.
"""

from typing import Iterator, Optional

from kdiag.health.check import Case, check
from kdiag.health.finding import INSTANT, Finding
from kdiag.health.window import CannotJudge, need
from kdiag.procfs.pressure import Pressure, PressureLine

__all__ = ["CHECKS"]

_BELOW = "below marks pressure over 40 % red"


def _line(case: Case, pressure: Optional[Pressure], path: str, kind: str) -> PressureLine:
    """Return the ``some`` or ``full`` line, or say why it is not known and what would make it so."""
    failure = case.window.after.failures.get(path)
    if failure is not None and failure.kind == "unsupported":
        raise CannotJudge(path, f"{failure}; PSI is off: boot with psi=1")
    if failure is not None and failure.kind == "absent":
        raise CannotJudge(
            path, "this kernel has no PSI file: it needs 4.20 or later with CONFIG_PSI, and psi=1"
        )
    read = need(pressure, path)
    line: Optional[PressureLine] = getattr(read, kind)
    return need(line, path, f"the line `{kind}`")


@check(
    "cpu.psi",
    title="CPU pressure",
    formula="some avg60, some avg10 of /proc/pressure/cpu",
    unit="%",
    thresholds={"avg60_warning_pct": 20, "avg10_critical_pct": 40},
    source=f"{_BELOW}; the warning is kdiag's own",
    because="Runnable tasks wait for a CPU: latency grows even if every CPU is useful.",
    next="kdiag snapshot --section top",
)
def cpu_psi(case: Case) -> Iterator[Finding]:
    """Judge how long runnable tasks waited for a CPU."""
    path = "/proc/pressure/cpu"
    some = _line(case, case.window.after.pressure_cpu, path, "some")
    avg10, avg60 = need(some.avg10_pct, path, "avg10"), need(some.avg60_pct, path, "avg60")
    if avg10 >= case.limit("avg10_critical_pct"):
        status, value, name = "critical", avg10, "avg10"
    elif avg60 >= case.limit("avg60_warning_pct"):
        status, value, name = "warning", avg60, "avg60"
    else:
        status, value, name = "ok", avg60, "avg60"
    yield case.finding(
        status,
        value,
        f"tasks waited for CPU in {value:.1f}% of the time (some {name})",
        case.evidence(path, "some"),
        basis=INSTANT,
    )


CHECKS = (cpu_psi,)
