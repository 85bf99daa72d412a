"""Looking at a host: one reading, two, or one after another, each pair judged and made into a snapshot."""

from typing import Dict, Iterator, List, Optional, Tuple

from kdiag.health.acquire import Scope, take_sample
from kdiag.health.check import Check, Thresholds, Verdict, judge
from kdiag.health.exit_code import exit_code
from kdiag.health.finding import Finding, NotApplicable, rank
from kdiag.health.sample import Cost, Sample
from kdiag.health.snapshot import HostName, ReadCost, Snapshot
from kdiag.health.table import FilledTable, Table, TableOptions, fill
from kdiag.health.window import Window
from kdiag.host.base import Facts, Host
from kdiag.records import NamedTuple

__all__ = ["Plan", "observe", "watch"]


#: A rest of the time that is asked for, shorter than this share of an interval, is not waited for.
_LEAST_SHARE = 0.1
_WRONG = ("warning", "critical")


class Plan(NamedTuple):
    """What to look at, for how long, and how to judge it."""

    checks: Tuple[Check, ...]
    tables: Tuple[Table, ...]
    interval_s: float = 1.0
    for_s: Optional[float] = None
    once: bool = False
    sections: Optional[Tuple[str, ...]] = None
    """Tables to fill; ``None`` means all but those that must be asked for."""
    options: TableOptions = TableOptions()
    thresholds: Optional[Thresholds] = None
    fail_on: str = "warning"
    strict: bool = False
    """Let a defect in a check raise, instead of making that check unknown."""


def observe(host: Host, plan: Plan) -> Snapshot:
    """Take one snapshot. With ``for_s``, each interval is judged and the worst of each finding is kept."""
    scope = Scope(True, plan.sections or (), plan.options.top)
    if plan.once:
        return _snapshot(host, plan, None, take_sample(host, scope), ())
    first = take_sample(host, scope._replace(last=False))
    before = first
    intervals: List[List[Verdict]] = []
    whole_s = left_s = plan.for_s if plan.for_s is not None else plan.interval_s
    while (not intervals or left_s >= _LEAST_SHARE * plan.interval_s) and host.advance(
        min(plan.interval_s, left_s)
    ):
        after = take_sample(host, scope, before)
        intervals.append(judge(Window(before, after), plan.checks, plan.thresholds, strict=plan.strict))
        left_s = whole_s - _elapsed_s(first, after, len(intervals) * plan.interval_s)
        before = after
    if not intervals:
        note = "the recording holds one sample: what needs two is given since boot"
        return _snapshot(host, plan, None, take_sample(host, scope), (note,))
    return _snapshot(host, plan, first, before, (), intervals if len(intervals) > 1 else None)


def watch(host: Host, plan: Plan) -> Iterator[Snapshot]:
    """Yield a snapshot for every interval, for ``for_s`` seconds or without end."""
    scope = Scope(True, plan.sections or (), plan.options.top)
    first = before = take_sample(host, scope)
    elapsed_s, intervals = 0.0, 0
    while plan.for_s is None or elapsed_s <= plan.for_s - _LEAST_SHARE * plan.interval_s:
        if not host.advance(plan.interval_s):
            return
        after = take_sample(host, scope, before)
        intervals += 1
        elapsed_s = _elapsed_s(first, after, intervals * plan.interval_s)
        yield _snapshot(host, plan, before, after, ())
        before = after


def _elapsed_s(first: Sample, last: Sample, slept_s: float) -> float:
    """Return the time between two samples: reading may take long too, where mounts do not answer."""
    return Window(first, last).seconds("/proc/uptime") or slept_s


def _snapshot(
    host: Host,
    plan: Plan,
    before: Optional[Sample],
    after: Sample,
    notes: Tuple[str, ...],
    intervals: Optional[List[List[Verdict]]] = None,
) -> Snapshot:
    window = Window(before, after)
    verdicts = judge(window, plan.checks, plan.thresholds, strict=plan.strict)
    if intervals is not None:
        verdicts = _worst_of([verdicts, *intervals])
    findings = [verdict for verdict in verdicts if isinstance(verdict, Finding)]
    findings.sort(key=lambda finding: -rank(finding.status))
    first = after if before is None else before
    essential = frozenset(each.id for each in plan.checks if each.essential)
    return Snapshot(
        _host_name(after),
        host.kind,
        host.root,
        first.facts.wall_clock_ns,
        None if window.before is None else window.seconds("/proc/uptime"),
        window.basis,
        tuple(findings),
        tuple(verdict for verdict in verdicts if isinstance(verdict, NotApplicable)),
        _tables(plan, window),
        tuple(failure for failure in after.failures.values() if failure.kind != "absent"),
        tuple(after.problems)
        if before is None
        else tuple(dict.fromkeys([*before.problems, *after.problems])),
        (*host.notes, *notes, *((window.note,) if window.note else ()), *_unknown_facts(after.facts)),
        _costs(after.costs if before is None else _added(before.costs, after.costs)),
        exit_code(verdicts, essential, plan.fail_on),
    )


def _tables(plan: Plan, window: Window) -> Tuple[FilledTable, ...]:
    def shown(table: Table) -> bool:
        return table.section in plan.sections if plan.sections is not None else not table.asked

    return tuple(fill(table, window, plan.options) for table in plan.tables if shown(table))


def _worst_of(runs: List[List[Verdict]]) -> List[Verdict]:
    """Keep the worst finding of each check and subject, and say in how many intervals it was seen.

    The first run is the one over the whole time; the others are its intervals, which can only add what is
    worse: one that could not be judged does not undo a verdict over the whole.
    """
    kept: Dict[Tuple[str, str], Verdict] = {}
    seen: Dict[Tuple[str, str, str], int] = {}
    for verdict in runs[0]:
        kept[verdict.id, verdict.subject if isinstance(verdict, Finding) else ""] = verdict
    for verdict in (verdict for run in runs[1:] for verdict in run):
        if not isinstance(verdict, Finding) or verdict.status in ("ok", "unknown"):
            continue
        seen_as = (verdict.id, verdict.subject, verdict.status)
        seen[seen_as] = seen.get(seen_as, 0) + 1
        other = kept.get((verdict.id, verdict.subject))
        if not isinstance(other, Finding) or rank(verdict.status) > rank(other.status):
            kept[verdict.id, verdict.subject] = verdict
    bad = {each.id for each in kept.values() if isinstance(each, Finding) and each.status in _WRONG}
    told = (_told(verdict, seen, len(runs) - 1) for verdict in kept.values())
    # "All disks are well" stands no more once one of them was not.
    return [
        each for each in told if not (isinstance(each, Finding) and each.status == "ok" and each.id in bad)
    ]


def _told(verdict: Verdict, seen: Dict[Tuple[str, str, str], int], intervals: int) -> Verdict:
    if not isinstance(verdict, Finding) or verdict.status not in _WRONG:
        return verdict
    times = seen.get((verdict.id, verdict.subject, verdict.status), 0)
    return verdict._replace(
        summary=f"{verdict.summary}; {verdict.status} in {times} of {intervals} intervals"
    )


def _host_name(sample: Sample) -> HostName:
    return HostName(
        sample.words.get("/proc/sys/kernel/hostname"),
        sample.words.get("/proc/sys/kernel/osrelease")
        or (sample.version.release if sample.version is not None else None),
        sample.os_release.pretty_name if sample.os_release is not None else None,
        sample.online_cpus,
        sample.meminfo.mem_total_kib if sample.meminfo is not None else None,
        sample.uptime.up_s if sample.uptime is not None else None,
    )


def _unknown_facts(facts: Facts) -> Tuple[str, ...]:
    names = {
        "clock ticks": facts.clock_ticks_per_s,
        "page size": facts.page_size_bytes,
        "byte order": facts.byte_order,
        "time of day": facts.wall_clock_ns,
    }
    unknown = [name for name, value in names.items() if value is None]
    if not unknown:
        return ()
    return (f"not known of this host: {', '.join(unknown)}; what depends on them is not shown",)


def _added(one: Dict[str, Cost], other: Dict[str, Cost]) -> Dict[str, Cost]:
    both = dict(one)
    for key, cost in other.items():
        so_far = both.get(key, Cost(0, 0, 0))
        both[key] = Cost(*(left + right for left, right in zip(so_far, cost)))
    return both


def _costs(costs: Dict[str, Cost]) -> Tuple[ReadCost, ...]:
    rows = [ReadCost(path, cost.reads, cost.bytes, cost.duration_ns / 1000) for path, cost in costs.items()]
    return tuple(sorted(rows, key=lambda row: -row.duration_us))
