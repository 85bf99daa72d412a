"""The limits of the control group that kdiag runs in, and of those above it that can be seen.

In a container these are what its programs meet, long before the limits of the host. How many tasks the groups
may have is judged together with the host's own limits of tasks.
"""

from typing import Any, Iterator, List, Optional, Tuple

from kdiag.health.check import Case, DoesNotApply, check
from kdiag.health.finding import INSTANT, SINCE_BOOT, Evidence, Finding, rank
from kdiag.health.own_cgroup import CpuGroup, MemoryGroup, hidden_limit_bytes
from kdiag.health.sample import Sample
from kdiag.health.subjects import worst_subjects
from kdiag.health.window import CannotJudge, known
from kdiag.procfs.cgroup_cpu import CgroupCpuStat
from kdiag.records import NamedTuple

__all__ = ["CHECKS"]

_SELF = "/proc/self/cgroup"
_BYTES_PER_MIB = 1 << 20


@check(
    "cg.cpu_throttle",
    title="CPU time taken away by a quota",
    formula="d(nr_throttled) / d(nr_periods) of cpu.stat, of each group with a quota",
    unit="%",
    thresholds={"warning_pct": 5, "critical_pct": 25, "min_periods": 5},
    source="kubernetes-mixin CPUThrottlingHigh 25 %; 5 % and the least number of periods are kdiag's own",
    because="The group used up its quota and stood still until the period ended: what it serves waits, "
    "however idle the host is.",
    next="kdiag snapshot --section cgroup",
)
def cpu_throttle(case: Case) -> Iterator[Finding]:
    """Judge the share of periods in which a quota ran out."""
    groups: Tuple[CpuGroup, ...] = _groups(case, "cpu")
    limited = [group for group in groups if group.quota_cpus is not None]
    found = [_judge_throttling(case, group) for group in limited]
    yield from _told(case, found)
    _demand_known(case, [(group.limit, group.files["quota"]) for group in groups])
    if not limited:
        raise DoesNotApply("no CPU quota is set on the groups in sight", _SELF)


def _judge_throttling(case: Case, group: CpuGroup) -> Finding:
    path = group.files["stat"]
    periods, throttled = _growth(case, path, "nr_periods"), _growth(case, path, "nr_throttled")
    share_pct = 100 * throttled / periods if periods else 0.0
    status = case.above(share_pct)
    if periods < case.limit("min_periods") and status != "ok":
        status = "info"
    return case.finding(
        status,
        share_pct,
        f"the quota of {group.quota_cpus:g} CPUs ran out in {throttled} of {periods} periods",
        case.evidence(path, "nr_periods"),
        case.evidence(path, "nr_throttled"),
        case.evidence(group.files["quota"]),
        *_pressure_evidence(case),
        subject=group.name,
    )


def _growth(case: Case, path: str, name: str) -> int:
    def get(sample: Sample) -> Optional[int]:
        stat = _cpu_stat(sample, path)
        return None if stat is None else getattr(stat, name)

    return case.window.delta(path, name, get)


def _cpu_stat(sample: Sample, path: str) -> Optional[CgroupCpuStat]:
    groups = sample.cgroup.cpu if sample.cgroup is not None else ()
    return next((group.stat for group in groups if group.files["stat"] == path), None)


def _pressure_evidence(case: Case) -> List[Evidence]:
    """Return how long all tasks of the own group waited for CPU at once, which throttling makes them do."""
    own = case.window.after.cgroup
    paths = [path for path in (own.pressure if own is not None else ()) if path.endswith("/cpu.pressure")]
    lines = [case.evidence(path, "full") for path in paths]
    return [line for line in lines if line.line is not None]


@check(
    "cg.memory",
    title="Memory limit of the control group",
    formula="(memory.current - inactive_file) / memory.max, of each group with a limit "
    "(v1: usage_in_bytes, total_inactive_file, limit_in_bytes)",
    unit="%",
    thresholds={"warning_pct": 90, "critical_pct": 95, "high_warning_pct": 100},
    source="kdiag's own; above memory.high the kernel slows the group down (cgroup-v2.rst)",
    because="At its limit the group reclaims, then has a task killed, with memory free on the host.",
    next="kdiag snapshot --section cgroup",
)
def memory(case: Case) -> Iterator[Finding]:
    """Judge the working set of each group against its limit."""
    groups: Tuple[MemoryGroup, ...] = _groups(case, "memory")
    limits = [(group, _limits(group)) for group in groups]
    hidden_bytes = hidden_limit_bytes(groups)
    if hidden_bytes is not None:
        own = groups[0].files["stat"]
        limits[0][1].append(
            _Limit(hidden_bytes, own, "hierarchical_memory_limit", "a limit set out of sight")
        )
    found = [_judge_memory(case, group, set_here) for group, set_here in limits if set_here]
    yield from _told(case, found)
    _demand_known(case, [(group.limit, group.files["limit"]) for group in groups])
    _demand_known(case, [(group.high, group.files["high"]) for group in groups if "high" in group.files])
    if not found:
        raise DoesNotApply("no memory limit is set on the groups in sight", _SELF)


class _Limit(NamedTuple):
    """A limit of memory, the line that says so, and how to call it."""

    value_bytes: int
    path: str
    key: str
    name: str


def _limits(group: MemoryGroup) -> List[_Limit]:
    limits = []
    if group.limit_bytes is not None:
        limits.append(_Limit(group.limit_bytes, group.files["limit"], "", "the limit"))
    if group.high is not None and group.high.value is not None:
        limits.append(_Limit(group.high.value, group.files["high"], "", "memory.high"))
    return limits


def _judge_memory(case: Case, group: MemoryGroup, limits: List[_Limit]) -> Finding:
    """Return the worst finding of a group with limits."""
    found = [_against(case, group, limit) for limit in limits]
    return max(found, key=lambda finding: rank(finding.status))


def _against(case: Case, group: MemoryGroup, limit: _Limit) -> Finding:
    sample, files = case.window.after, group.files
    if group.current_bytes is None:
        raise CannotJudge(files["current"], sample.why_missing(files["current"]))
    if group.stat is None or group.working_set_bytes is None:
        raise CannotJudge(files["stat"], sample.why_missing(files["stat"], "inactive_file"))
    share_pct = 100 * group.working_set_bytes / limit.value_bytes if limit.value_bytes else 100.0
    if limit.path == files.get("high"):
        status = case.above(share_pct, "high_warning_pct", "")
    else:
        status = case.above(share_pct)
    inactive = "total_inactive_file" if "total_inactive_file" in group.stat.values else "inactive_file"
    return case.finding(
        status,
        share_pct,
        f"the working set is {_mib(group.working_set_bytes)}, {share_pct:.1f}% of {limit.name} of "
        f"{_mib(limit.value_bytes)}",
        case.evidence(files["current"]),
        case.evidence(files["stat"], inactive),
        case.evidence(limit.path, limit.key),
        subject=group.name,
        basis=INSTANT,
    )


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / _BYTES_PER_MIB:.0f} MiB"


@check(
    "cg.oom",
    title="Tasks killed for want of memory in the control group",
    formula="d(oom_kill) of memory.events (v1: memory.oom_control)",
    unit="tasks",
    thresholds={"killed_critical": 1},
    source="kdiag's own",
    because="The kernel killed tasks of this group, mostly because it reached its memory limit.",
    next="dmesg | grep -i -A 1 oom-kill",
)
def oom(case: Case) -> Iterator[Finding]:
    """Judge kills between the samples; those before are told."""
    groups: Tuple[MemoryGroup, ...] = _groups(case, "memory")
    counted = [group for group in groups if group.events is not None]
    if not counted:
        _demand_known(case, [(None, groups[0].files["events"])])
        raise DoesNotApply("the memory of the groups in sight is not accounted for", _SELF)
    # The kills of a group are among those of the groups above it (v2): the lowest one tells best.
    killing = [group for group in counted if _kills(case, group)]
    if not killing:
        paths = [group.files["events"] for group in counted]
        evidence = [case.evidence(path, "oom_kill") for path in paths]
        yield case.finding("ok", 0.0, "no task was ever killed", *evidence, basis=INSTANT)
        return
    group, path = killing[0], killing[0].files["events"]
    total, line = _kills(case, group), case.evidence(path, "oom_kill")
    killed = (
        0 if case.window.since_boot else case.window.delta(path, "oom_kill", lambda at: _events(at, path))
    )
    if killed >= case.limit("killed_critical"):
        yield case.finding(
            "critical", killed, f"{killed} tasks were killed just now", line, subject=group.name
        )
    else:
        summary = f"{total} tasks were killed since the group was made"
        yield case.finding("info", total, summary, line, subject=group.name, basis=SINCE_BOOT)


def _kills(case: Case, group: MemoryGroup) -> int:
    path = group.files["events"]
    return known(case.window.after, _events(case.window.after, path), path, "oom_kill")


def _events(sample: Sample, path: str) -> Optional[int]:
    groups = sample.cgroup.memory if sample.cgroup is not None else ()
    events = (group.events for group in groups if group.files["events"] == path)
    return next((each.oom_kill for each in events if each is not None), None)


def _groups(case: Case, controller: str) -> Any:
    """Return the groups of a controller, the own one first; raise where there is nothing to judge."""
    sample = case.window.after
    own = sample.cgroup
    if own is None and sample.absent(_SELF):
        raise DoesNotApply("this kernel has no control groups", _SELF)
    if own is None:
        raise CannotJudge(_SELF, sample.why_missing(_SELF))
    if controller in own.out_of_reach:
        raise CannotJudge(*own.out_of_reach[controller])
    groups = getattr(own, controller)
    if not groups:
        raise DoesNotApply(f"this kernel has no {controller} controller", _SELF)
    return groups


def _demand_known(case: Case, limits: List[Tuple[object, str]]) -> None:
    """Raise for a limit that could not be read; one that is not there (root, no controller) is none."""
    sample = case.window.after
    for limit, path in limits:
        if limit is None and not sample.absent(path):
            raise CannotJudge(path, sample.why_missing(path))


def _told(case: Case, found: List[Finding]) -> Iterator[Finding]:
    """Yield what is wrong, or the finding that comes nearest to it."""
    bad = [finding for finding in found if finding.status != "ok"]
    yield from worst_subjects(case, bad)
    if found and not bad:
        yield max(found, key=lambda finding: finding.value or 0.0)._replace(subject="")


CHECKS = (cpu_throttle, memory, oom)
