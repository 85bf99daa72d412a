"""The control group that kdiag runs in and those above it that have limits: use, limits, pressure."""

from typing import Dict, List, Optional, Tuple

from kdiag.health.own_cgroup import (
    CpuGroup,
    MemoryGroup,
    OwnCgroup,
    PidsGroup,
    hidden_limit_bytes,
    least_cpus,
    least_memory,
    least_pids,
)
from kdiag.health.sample import Sample
from kdiag.health.table import Rows, Table, TableOptions
from kdiag.health.window import CannotJudge, Window
from kdiag.procfs.pressure import PressureLine
from kdiag.records import NamedTuple

__all__ = ["TABLES", "CgroupPressureRow", "CgroupRow"]

_SELF = "/proc/self/cgroup"
_US_PER_S = 1_000_000


class CgroupRow(NamedTuple):
    """One group; a limit that is not set is ``None``, as is one that is not known."""

    group: str
    cpus: Optional[float]
    """CPUs in use; v1 counts that elsewhere."""
    quota_cpus: Optional[float]
    throttled_pct: Optional[float]
    """Share of periods in which the quota ran out."""
    memory_bytes: Optional[int]
    working_set_bytes: Optional[int]
    limit_bytes: Optional[int]
    tasks: Optional[int]
    most_tasks: Optional[int]
    swap_bytes: Optional[int]


class CgroupPressureRow(NamedTuple):
    """Time that the tasks of the own group lost waiting."""

    resource: str
    some_avg10_pct: Optional[float]
    some_avg60_pct: Optional[float]
    some_window_pct: Optional[float]
    full_avg10_pct: Optional[float]
    full_avg60_pct: Optional[float]
    full_window_pct: Optional[float]


def _own(sample: Sample) -> OwnCgroup:
    if sample.cgroup is None:
        raise CannotJudge(_SELF, sample.why_missing(_SELF))
    return sample.cgroup


def _rows(window: Window, options: TableOptions) -> Rows:
    own = _own(window.after)
    cpu: Dict[str, CpuGroup] = {group.name: group for group in own.cpu}
    memory: Dict[str, MemoryGroup] = {group.name: group for group in own.memory}
    pids: Dict[str, PidsGroup] = {group.name: group for group in own.pids}
    names = [groups[0].name for groups in (own.cpu, own.memory, own.pids) if groups]
    names += [group.name for group in own.cpu if group.quota_cpus is not None]
    names += [group.name for group in own.memory if group.limit_bytes is not None]
    names += [group.name for group in own.pids if group.limit_tasks is not None]
    rows = [
        _row(window, name, cpu.get(name), memory.get(name), pids.get(name))
        for name in sorted(dict.fromkeys(names), key=_depth, reverse=True)
    ]
    # Of a root group mostly nothing is known: it has neither limits nor counters.
    known = [row for row in rows if any(value is not None for value in row[1:])]
    return Rows(known or rows, window.basis, tuple(_notes(own)))


def _depth(name: str) -> int:
    return len([part for part in name.split("/") if part])


def _row(
    window: Window,
    name: str,
    cpu: Optional[CpuGroup],
    memory: Optional[MemoryGroup],
    pids: Optional[PidsGroup],
) -> CgroupRow:
    used_us_per_s = _cpu_rate(window, cpu, "usage_us")
    periods_per_s = _cpu_rate(window, cpu, "nr_periods")
    throttled_per_s = _cpu_rate(window, cpu, "nr_throttled")
    return CgroupRow(
        name,
        None if used_us_per_s is None else used_us_per_s / _US_PER_S,
        cpu.quota_cpus if cpu is not None else None,
        100 * throttled_per_s / periods_per_s if periods_per_s and throttled_per_s is not None else None,
        memory.current_bytes if memory is not None else None,
        memory.working_set_bytes if memory is not None else None,
        memory.limit_bytes if memory is not None else None,
        pids.current if pids is not None else None,
        pids.limit_tasks if pids is not None else None,
        memory.swap_bytes if memory is not None else None,
    )


def _cpu_rate(window: Window, group: Optional[CpuGroup], field: str) -> Optional[float]:
    # Since boot these would be since the group was made, which may be a moment ago.
    if group is None or window.since_boot:
        return None
    path = group.files["stat"]

    def get(sample: Sample) -> Optional[int]:
        groups = sample.cgroup.cpu if sample.cgroup is not None else ()
        stat = next((each.stat for each in groups if each.files["stat"] == path), None)
        return None if stat is None else getattr(stat, field)

    return window.per_s(path, get)


def _notes(own: OwnCgroup) -> List[str]:
    told = [f"cgroup {own.layout}"]
    unlimited = []
    for what, least, groups in (
        ("CPU time", least_cpus(own.cpu), own.cpu),
        ("memory", least_memory(own.memory), own.memory),
        ("tasks", least_pids(own.pids), own.pids),
    ):
        if least is None and groups:
            unlimited.append(what)
        elif least is not None and least.name != groups[0].name:
            told.append(f"the least limit of {what} is set by {least.name}")
    if unlimited:
        told.append(f"no limit in sight of {', '.join(unlimited)}")
    hidden_bytes = hidden_limit_bytes(own.memory)
    if hidden_bytes is not None:
        told.append(f"a group out of sight limits memory to {hidden_bytes >> 20} MiB")
    notes = ["; ".join(told)]
    return notes + [f"{name}: {path}: {why}" for name, (path, why) in own.out_of_reach.items()]


def _pressure_rows(window: Window, options: TableOptions) -> Rows:
    own = _own(window.after)
    rows = [_pressure_row(window, path) for path, pressure in own.pressure.items() if pressure is not None]
    if not rows:
        for path in own.pressure:
            raise CannotJudge(path, window.after.why_missing(path))
        raise CannotJudge(*own.out_of_reach.get("pressure", ("", "cgroup v1 does not have it")))
    return Rows(rows, window.basis)


def _pressure_row(window: Window, path: str) -> CgroupPressureRow:
    def line(sample: Sample, kind: str) -> Optional[PressureLine]:
        pressure = sample.cgroup.pressure.get(path) if sample.cgroup is not None else None
        return None if pressure is None else getattr(pressure, kind)

    def of_kind(kind: str) -> Tuple[Optional[float], Optional[float], Optional[float]]:
        def total_us(sample: Sample) -> Optional[int]:
            found = line(sample, kind)
            return found.total_us if found is not None else None

        now = line(window.after, kind)
        lost_us_per_s = None if window.since_boot else window.per_s(path, total_us)
        window_pct = None if lost_us_per_s is None else 100 * lost_us_per_s / _US_PER_S
        return (now.avg10_pct, now.avg60_pct, window_pct) if now is not None else (None, None, None)

    resource = path.rpartition("/")[2].partition(".")[0]
    return CgroupPressureRow(resource, *of_kind("some"), *of_kind("full"))


TABLES = (
    Table(
        "cgroup",
        "Control groups of kdiag",
        CgroupRow,
        _rows,
        {"cpus": "CPUs", "quota_cpus": "quota"},
    ),
    Table(
        "cgroup_pressure",
        "Pressure in the control group of kdiag",
        CgroupPressureRow,
        _pressure_rows,
        {
            "some_avg10_pct": "some10",
            "some_avg60_pct": "some60",
            "some_window_pct": "%some",
            "full_avg10_pct": "full10",
            "full_avg60_pct": "full60",
            "full_window_pct": "%full",
        },
    ),
)
