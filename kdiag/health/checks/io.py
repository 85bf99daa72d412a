"""Disks that keep requests waiting, and software RAID that lost a disk.

How busy a disk is says little: a device that serves many requests at once can be busy all the time and have
room left, and since 5.0 the kernel only samples it. What counts is how long requests wait, and how many do.
"""

from typing import Iterator, List, Optional, Tuple

from kdiag.health.check import Case, DoesNotApply, check
from kdiag.health.figures.disks import DISKSTATS, DiskRates, DiskView, is_layered, view_disks
from kdiag.health.finding import INSTANT, Evidence, Finding
from kdiag.health.subjects import shell_word, worst_subjects
from kdiag.health.window import CannotJudge
from kdiag.procfs.mdstat import MdArray, MdSync
from kdiag.procfs.text import decode
from kdiag.records import NamedTuple

__all__ = ["CHECKS"]

_MDSTAT = "/proc/mdstat"
_PRESSURE = "/proc/pressure/io"
#: Firmware RAID comes with an array that only holds the description of the others, and never starts.
_CONTAINER = "external:"


class _Wait(NamedTuple):
    """Reads or writes of a disk: how long each took, and how many were under way, both on average."""

    await_ms: float
    under_way: float
    what: str


@check(
    "io.disk",
    title="Disks that keep requests waiting",
    formula="d(read_ms)/d(reads), d(write_ms)/d(writes) and d(weighted_ms)/time of each whole disk; "
    "a long queue is critical if io.psi agrees",
    unit="ms",
    thresholds={
        "await_warning_ms": 100,
        "await_min_under_way": 0.5,
        "queue_warning": 10,
        "util_info_pct": 98,
    },
    source="awesome-prometheus-alerts 100 ms, node-mixin queue of 10, netdata 98 % utilisation; "
    "kdiag's own: waits are judged only where half a request or more is under way on average",
    because="Requests wait for this disk, and whoever made them waits with them.",
    next="kdiag snapshot --section disks",
)
def io_disk(case: Case) -> Iterator[Finding]:
    """Judge waiting times and queues of whole disks, and utilisation of those that rotate."""
    if case.window.since_boot:
        raise CannotJudge(
            DISKSTATS,
            case.window.note
            or "one reading tells no waiting times: their counters wrap, and nobody counts that",
        )
    views = [view for view in view_disks(case.window) if not is_layered(view.disk)]
    if not views:
        raise DoesNotApply("no disk was ever used", DISKSTATS)
    known = [(view, view.rates) for view in views if view.rates is not None and not view.unknown]
    unknown = [f"{view.disk.name}: {view.unknown}" for view in views if view.unknown]
    bad = [found for found in (_judge_disk(case, *each) for each in known) if found is not None]
    for finding in worst_subjects(case, bad):
        yield finding._replace(evidence=tuple(_evidence(case, finding)))
    if not known:
        raise CannotJudge(DISKSTATS, "; ".join(unknown))
    if not bad:
        yield _nothing_waits(case, known, unknown)


def _judge_disk(case: Case, view: DiskView, rates: DiskRates) -> Optional[Finding]:
    wait = _longest_wait(rates)
    because = ""
    if (rates.queue or 0) >= case.limit("queue_warning"):
        status = _by_pressure(case, "warning")
        summary = f"{rates.queue:.1f} requests are queued on average"
        if wait is not None:
            summary += f"; {wait.what} take {wait.await_ms:.1f} ms"
    elif wait is not None and _is_slow(case, wait):
        status = "warning"
        summary = f"{wait.what} take {wait.await_ms:.1f} ms; {wait.under_way:.1f} are under way on average"
    elif _stands_still(view, rates):
        status = _by_pressure(case, "info")
        summary = f"{view.disk.in_flight} requests are in the device, and none ended meanwhile"
        because = "The device does not answer, or the kernel lost count of its requests (some have)."
    elif _is_full_rotational(case, view, rates):
        status = "info"
        summary = f"it is busy {rates.util_pct:.0f}% of the time, and says that it rotates"
        because = (
            "A rotating disk serves one request at a time: there is little room left, but nothing waits long."
        )
    else:
        return None
    value = wait.await_ms if wait is not None else None
    return case.finding(status, value, summary, subject=view.disk.name, because=because)


def _evidence(case: Case, finding: Finding) -> Iterator[Evidence]:
    """Yield the lines that a finding rests on; to look them up only for those told keeps many disks cheap."""
    yield case.evidence(DISKSTATS, finding.subject)
    if finding.status == "critical":
        yield case.evidence(_PRESSURE, "full")


def _longest_wait(rates: DiskRates) -> Optional[_Wait]:
    waits = [
        _Wait(await_ms, under_way, what)
        for await_ms, under_way, what in (
            (rates.read_await_ms, rates.reading, "reads"),
            (rates.write_await_ms, rates.writing, "writes"),
        )
        if await_ms is not None and under_way is not None
    ]
    return max(waits, default=None)


def _is_slow(case: Case, wait: _Wait) -> bool:
    """One slow request in a second proves nothing; requests of which one is nearly always waiting do."""
    slow = wait.await_ms >= case.limit("await_warning_ms")
    return slow and wait.under_way >= case.limit("await_min_under_way")


def _stands_still(view: DiskView, rates: DiskRates) -> bool:
    if view.before is None or rates.ended_per_s:
        return False
    return bool(view.before.in_flight) and bool(view.disk.in_flight)


def _is_full_rotational(case: Case, view: DiskView, rates: DiskRates) -> bool:
    rotational = case.window.after.rotational.get(view.disk.name, False)
    return rotational and rates.util_pct is not None and rates.util_pct >= case.limit("util_info_pct")


def _by_pressure(case: Case, otherwise: str) -> str:
    return "critical" if case.status_of("io.psi") in ("warning", "critical") else otherwise


def _nothing_waits(case: Case, known: List[Tuple[DiskView, DiskRates]], unknown: List[str]) -> Finding:
    view, rates = max(known, key=lambda each: each[1].queue or 0.0)
    wait = _longest_wait(rates)
    summary = f"the longest queue is {rates.queue or 0.0:.1f} requests, on {view.disk.name}"
    if wait is not None:
        summary += f", where {wait.what} take {wait.await_ms:.1f} ms"
    if unknown:
        summary += f" (not judged: {'; '.join(unknown)})"
    return case.finding(
        "ok", wait.await_ms if wait else None, summary, case.evidence(DISKSTATS, view.disk.name)
    )


@check(
    "md.degraded",
    title="Software RAID that lost a disk",
    formula="wanted disks - working disks of each array; members that failed",
    unit="disks",
    thresholds={"failed_warning": 1, "missing_critical": 1},
    source="node-mixin NodeRAIDDegraded and NodeRAIDDiskFailure; arrays that did not start are kdiag's own",
    because="Another failure may lose the data of this array.",
    next="mdadm --detail, with the array's device",
)
def md_degraded(case: Case) -> Iterator[Finding]:
    """Judge the arrays of /proc/mdstat."""
    sample = case.window.after
    if sample.absent(_MDSTAT):
        raise DoesNotApply("this kernel has no software RAID in use: the md driver is not loaded")
    if sample.mdstat is None:
        raise CannotJudge(_MDSTAT, sample.why_missing(_MDSTAT))
    arrays, problems = sample.mdstat.arrays, sample.mdstat.problems
    bad = [found for found in (_judge_array(case, array) for array in arrays) if found is not None]
    yield from worst_subjects(case, bad)
    if problems:
        raise CannotJudge(_MDSTAT, f"line {problems[0].line} could not be read; wanted {problems[0].wanted}")
    if not arrays:
        raise DoesNotApply("there are no software RAID arrays")
    if not bad:
        names = ", ".join(array.name for array in arrays)
        evidence = [case.evidence(_MDSTAT, array.name) for array in arrays]
        yield case.finding("ok", 0.0, f"no array lost a disk: {names}", *evidence, basis=INSTANT)


def _judge_array(case: Case, array: MdArray) -> Optional[Finding]:
    missing = array.missing_disks or 0
    failed = [member.name for member in array.members if member.faulty]
    inactive = array.state != "active" and not any(_CONTAINER in word for word in array.extra)
    status, value, because = "warning", float(missing), ""
    if missing >= case.limit("missing_critical"):
        status = "critical"
        summary = (
            f"{missing} of {array.raid_disks} disks are missing from this {array.level}: [{array.places}]"
        )
    elif inactive:
        summary = f"the array is {array.state}: its data cannot be reached"
        because = "An array that did not start, mostly for want of members, serves nobody."
        if array.state == "broken":
            status = "critical"
    elif len(failed) >= case.limit("failed_warning"):
        value = float(len(failed))
        summary = "others took the place of members" if array.missing_disks == 0 else "members are faulty"
    else:
        return None
    if failed:
        summary += f"; failed: {', '.join(failed)}"
    if array.sync is not None:
        summary += f"; {_told(array.sync)}"
    return case.finding(
        status,
        value,
        summary,
        *_lines_of(case, array),
        subject=array.name,
        basis=INSTANT,
        because=because,
        next=f"mdadm --detail {shell_word('/dev/' + array.name)}",
    )


def _told(sync: MdSync) -> str:
    if sync.waiting is not None:
        return f"{sync.action} is {sync.waiting}"
    done = f" is at {sync.done_pct:g}%" if sync.done_pct is not None else ""
    left = f", {sync.finish_minutes:g} minutes to go" if sync.finish_minutes is not None else ""
    return f"{sync.action}{done}{left}"


def _lines_of(case: Case, array: MdArray) -> List[Evidence]:
    """Return the line of an array, and the one below it, which says how many disks work."""
    first = case.evidence(_MDSTAT, array.name)
    if first.line is None:
        return [first]
    below = case.window.after.raw[_MDSTAT].split(b"\n")[first.line]
    return [first, Evidence(_MDSTAT, first.line + 1, decode(below).strip())]


CHECKS = (io_disk, md_degraded)
