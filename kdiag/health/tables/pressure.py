"""Pressure: the share of time lost waiting, over the kernel's own averages and exactly over this window."""

from typing import List, Optional

from kdiag.health.sample import Sample
from kdiag.health.table import Rows, Table, TableOptions
from kdiag.health.window import CannotJudge, Window
from kdiag.procfs.pressure import Pressure, PressureLine
from kdiag.records import NamedTuple

__all__ = ["TABLES", "PressureRow"]

_US_PER_S = 1_000_000
_RESOURCES = ("cpu", "memory", "io", "irq")


class PressureRow(NamedTuple):
    """One line of one pressure file; ``window_pct`` is exact, from the growth of ``total``."""

    resource: str
    kind: str
    avg10_pct: Optional[float]
    avg60_pct: Optional[float]
    avg300_pct: Optional[float]
    window_pct: Optional[float]


def _rows(window: Window, options: TableOptions) -> Rows:
    rows: List[PressureRow] = []
    for resource in _RESOURCES:
        for kind in ("some", "full"):
            line = _line(window.after, resource, kind)
            # `full` of cpu is undefined for a whole host, and printed as 0 (psi.c).
            if line is not None and (resource, kind) != ("cpu", "full"):
                rows.append(PressureRow(resource, kind, *line[:3], _window_pct(window, resource, kind)))
    if not rows:
        raise CannotJudge("/proc/pressure/cpu", window.after.why_missing("/proc/pressure/cpu"))
    return Rows(rows, window.basis)


def _line(sample: Sample, resource: str, kind: str) -> Optional[PressureLine]:
    pressure: Optional[Pressure] = getattr(sample, f"pressure_{resource}")
    line: Optional[PressureLine] = getattr(pressure, kind) if pressure is not None else None
    return line


def _window_pct(window: Window, resource: str, kind: str) -> Optional[float]:
    def total_us(sample: Sample) -> Optional[int]:
        line = _line(sample, resource, kind)
        return line.total_us if line is not None else None

    stalled_us_per_s = window.per_s(f"/proc/pressure/{resource}", total_us)
    return None if stalled_us_per_s is None else 100 * stalled_us_per_s / _US_PER_S


TABLES = (Table("pressure", "Pressure (time lost waiting)", PressureRow, _rows, {"window_pct": "%window"}),)
