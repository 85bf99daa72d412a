"""Memory that is available, what is reclaimed for it, and what is swapped.

Available memory is judged, free memory never: a healthy kernel fills what is free with cache. Swap that is
used is no fault either; what counts is the traffic to and from it, and whether anything waits. So a rate
that looks critical stays a warning while memory pressure is known to be low and enough is available.
"""

from typing import Iterator, List, Optional, Tuple

from kdiag.health.check import Case, DoesNotApply, check
from kdiag.health.figures.memory import (
    MEMINFO,
    SWAPS,
    VMSTAT,
    ZONEINFO,
    SwapUse,
    available_memory,
    folding_note,
    lines_of,
    mib,
    swap_use,
    vmstat_rate,
)
from kdiag.health.finding import INSTANT, Evidence, Finding, rank
from kdiag.health.sample import Sample
from kdiag.health.window import CannotJudge, known
from kdiag.procfs.text import decode
from kdiag.procfs.vmstat import VmStat
from kdiag.procfs.zoneinfo import Zone

__all__ = ["CHECKS"]

_SHORT = ("warning", "critical")
_COUPLED = "critical only if mem.psi or mem.available agrees, or mem.psi is not known"
_LARGEST_TASKS = "ps -eo pid,rss,comm --sort=-rss | head"
_MAX_ZONES = 20


def _calm(case: Case) -> bool:
    """Return true if nothing is known to wait for memory, and there is enough of it."""
    return case.status_of("mem.psi") in ("ok", "info") and case.status_of("mem.available") not in _SHORT


def _coupled(case: Case, status: str) -> str:
    return "warning" if status == "critical" and _calm(case) else status


def _with_notes(summary: str, *notes: str) -> str:
    told = "; ".join(note for note in notes if note)
    return f"{summary} ({told})" if told else summary


@check(
    "mem.available",
    title="Available memory",
    formula="MemAvailable / MemTotal; a warning is critical under critical_kib",
    unit="%",
    thresholds={"warning_pct": 10, "critical_pct": 5, "critical_kib": 102_400},
    source="earlyoom 10 and 5 %, netdata 10 %, node-mixin 90 % used, kubelet 100 MiB",
    because="This is what can be had without swapping; at its end the kernel reclaims, stalls and kills.",
    next=_LARGEST_TASKS,
    essential=True,
)
def available(case: Case) -> Iterator[Finding]:
    """Judge the memory that can be had without swapping."""
    sample = case.window.after
    memory = available_memory(sample)
    status = case.below(memory.pct)
    # 100 MiB is little on a host of some GiB, and plenty on one that has 256 MiB in all.
    if status == "warning" and memory.kib < case.limit("critical_kib"):
        status = "critical"
    summary = f"{memory.pct:.1f}% of memory is available: {mib(memory.kib)} of {mib(memory.total_kib)}"
    evidence = lines_of(sample, MEMINFO, "MemAvailable", "MemTotal")
    if memory.note:
        evidence += lines_of(sample, MEMINFO, "MemFree", "Active(file)", "Inactive(file)", "SReclaimable")
        evidence += lines_of(sample, ZONEINFO, "low")
    yield case.finding(status, memory.pct, _with_notes(summary, memory.note), *evidence, basis=INSTANT)


@check(
    "mem.free_note",
    title="Free memory, and why it may be low",
    formula="MemFree / MemTotal, beside MemAvailable / MemTotal; never worse than ok",
    unit="%",
    thresholds={"low_free_pct": 5, "enough_available_pct": 20},
    source="kdiag's own; earlyoom's README explains available and free",
    because="Free memory does nothing, so the kernel fills it with cache that it can drop at once.",
    next="kdiag snapshot --section memory --explain",
)
def free_note(case: Case) -> Iterator[Finding]:
    """Say that low free memory is normal where enough is available."""
    sample = case.window.after
    memory = available_memory(sample)
    meminfo = known(sample, sample.meminfo, MEMINFO)
    pct = 100 * known(sample, meminfo.mem_free_kib, MEMINFO, "MemFree") / memory.total_kib
    low = pct < case.limit("low_free_pct")
    if low and memory.pct < case.limit("enough_available_pct"):
        raise DoesNotApply("little memory is free, and little is available: mem.available judges that")
    summary = f"{pct:.1f}% of memory is free, {memory.pct:.1f}% is available"
    yield case.finding(
        "ok",
        pct,
        _with_notes(summary, "low free memory is normal: the rest of it is cache" if low else ""),
        *lines_of(sample, MEMINFO, "MemFree", "MemAvailable"),
        basis=INSTANT,
    )


@check(
    "mem.swap_used",
    title="Swap in use",
    formula="used / size of the areas in /proc/swaps, zram apart; worse than info only with mem.available",
    unit="%",
    thresholds={"warning_pct": 80, "critical_pct": 90},
    source="netdata 80 to 98 %, atop 80 %, systemd-oomd 90 % of both memory and swap",
    because=(
        "Used swap alone is no fault: it holds what nobody has asked for. "
        "But with memory short and swap full, the next allocation ends in the OOM killer."
    ),
    next="grep -s VmSwap /proc/[0-9]*/status | sort -rnk2 | head",
)
def swap_used(case: Case) -> Iterator[Finding]:
    """Judge how full swap is, on disks and in zram."""
    disk, zram = swap_use(case.window.after)
    if not disk.size_kib and not zram.size_kib:
        raise DoesNotApply("there is no swap area", MEMINFO, SWAPS)
    if disk.size_kib:
        yield _swap_finding(case, disk, "", "swap")
    if zram.size_kib:
        yield _swap_finding(case, zram, "zram", "zram swap, which takes memory as it fills,")


def _swap_finding(case: Case, use: SwapUse, subject: str, what: str) -> Finding:
    status, note = case.above(use.pct), ""
    if status != "ok":
        memory = case.status_of("mem.available")
        if memory == "unknown":
            raise CannotJudge(
                MEMINFO, f"{what} is used to {use.pct:.1f}%, but what memory is available is not known"
            )
        if memory not in _SHORT:
            status, note = "info", "which alone is no fault: enough memory is available"
    summary = f"{what} is used to {use.pct:.1f}%: {mib(use.used_kib)} of {mib(use.size_kib)}"
    sample = case.window.after
    evidence = (
        lines_of(sample, SWAPS, *use.names)
        if use.names
        else lines_of(sample, MEMINFO, "SwapTotal", "SwapFree")
    )
    return case.finding(
        status, use.pct, _with_notes(summary, note), *evidence, subject=subject, basis=INSTANT
    )


@check(
    "mem.swap_io",
    title="Swapping",
    formula=f"d(pswpin + pswpout) / s; {_COUPLED}",
    unit="pages/s",
    thresholds={"warning_pages_per_s": 1, "critical_pages_per_s": 10},
    source="atop: from 1/s on almost critical, critical from 10/s; PCP 5/s",
    because="Tasks wait for pages that were swapped out, or memory is taken from some to be given to others.",
    next="vmstat 1 5",
)
def swap_io(case: Case) -> Iterator[Finding]:
    """Judge the traffic to and from swap."""
    disk, zram = swap_use(case.window.after)
    if not disk.size_kib and not zram.size_kib:
        raise DoesNotApply("there is no swap area", MEMINFO, SWAPS)
    rate = vmstat_rate(case.window, "pswpin or pswpout", _swapped_pages)
    status = _coupled(case, case.above(rate.per_s, "warning_pages_per_s", "critical_pages_per_s"))
    note = ""
    if not disk.size_kib:
        note = "all of it zram: compressed in memory, not read from a disk"
        # An average since boot must stay unknown, so it is not softened into an info.
        if status in _SHORT and _calm(case) and not case.window.since_boot:
            status = "info"
    yield case.finding(
        status,
        rate.per_s,
        _with_notes(f"{rate.per_s:.1f} pages/s are swapped in or out", note, folding_note(case.window)),
        *lines_of(case.window.after, VMSTAT, "pswpin", "pswpout"),
    )


def _swapped_pages(vmstat: VmStat) -> Optional[int]:
    if vmstat.pswpin_pages is None or vmstat.pswpout_pages is None:
        return None
    return vmstat.pswpin_pages + vmstat.pswpout_pages


@check(
    "mem.majfault",
    title="Major page faults",
    formula=f"d(pgmajfault) / s; {_COUPLED}",
    unit="faults/s",
    thresholds={"warning_per_s": 500, "critical_per_s": 1000},
    source="node-mixin 500/s, awesome-prometheus-alerts 1000/s",
    because="Each makes a task wait for a disk: for programs and mapped files that were dropped, or swap.",
    next="ps -eo pid,maj_flt,comm --sort=-maj_flt | head",
)
def major_faults(case: Case) -> Iterator[Finding]:
    """Judge how many page faults had to read from a disk."""
    rate = vmstat_rate(case.window, "pgmajfault", lambda vmstat: vmstat.pgmajfault)
    yield case.finding(
        _coupled(case, case.above(rate.per_s, "warning_per_s", "critical_per_s")),
        rate.per_s,
        _with_notes(f"{rate.per_s:.0f} page faults/s read from a disk", folding_note(case.window)),
        case.evidence(VMSTAT, "pgmajfault"),
    )


@check(
    "mem.oom_kill",
    title="OOM kills",
    formula="growth of oom_kill in /proc/vmstat; info if it is above 0 since boot",
    unit="tasks",
    thresholds={"info_since_boot": 1, "critical_in_window": 1},
    source="PCP and netdata: any",
    because=(
        "The kernel killed tasks for want of memory, of the whole host or of a cgroup at its limit: "
        "the kernel log says which, and memory.events of a cgroup counts its own."
    ),
    next="dmesg | grep -i 'killed process'",
)
def oom_kill(case: Case) -> Iterator[Finding]:
    """Say whether the OOM killer has struck, and whether it does so now."""
    sample, evidence = case.window.after, case.evidence(VMSTAT, "oom_kill")
    vmstat = known(sample, sample.vmstat, VMSTAT)
    total = vmstat.oom_kill
    if total is None:
        raise CannotJudge(
            VMSTAT, "oom_kill is not in it: this kernel counts no OOM kills, its log names them"
        )
    if not case.window.since_boot:
        grown = case.window.delta(
            VMSTAT, "oom_kill", lambda each: None if each.vmstat is None else each.vmstat.oom_kill
        )
        if grown >= case.limit("critical_in_window"):
            summary = f"the OOM killer killed {_tasks(grown)} just now, {_tasks(total)} since boot"
            yield case.finding("critical", grown, summary, evidence)
            return
    status = "info" if total >= case.limit("info_since_boot") else "ok"
    killed = f"killed {_tasks(total)} since boot" if total else "has killed nothing since boot"
    yield case.finding(status, total, f"the OOM killer {killed}", evidence, basis=INSTANT)


def _tasks(count: int) -> str:
    return f"{count} task" if count == 1 else f"{count} tasks"


@check(
    "mem.direct_reclaim",
    title="Direct reclaim",
    formula=(
        "d(pgscan_direct) / d(pgscan by kswapd, direct, khugepaged and proactive), "
        f"judged from least_stalls_per_s of d(allocstall) / s on; {_COUPLED}"
    ),
    unit="%",
    thresholds={"warning_pct": 10, "critical_pct": 50, "least_stalls_per_s": 10},
    source="kdiag's own; vm.rst names allocstall under watermark_scale_factor",
    because=(
        "Tasks that allocate must free memory themselves, as kswapd does not keep up. "
        "A larger vm.watermark_scale_factor (a setting) wakes it earlier."
    ),
    next="kdiag snapshot --section reclaim",
)
def direct_reclaim(case: Case) -> Iterator[Finding]:
    """Judge how much of the reclaim is done by the tasks that want the memory."""
    window = case.window
    stalls = vmstat_rate(window, "allocstall", lambda vmstat: vmstat.allocstall_total)
    direct = vmstat_rate(window, "pgscan_direct", lambda vmstat: vmstat.pgscan_direct_total_pages)
    scanned = vmstat_rate(window, "pgscan_kswapd", _scanned_for_host_pages)
    share = 100 * direct.delta / scanned.delta if scanned.delta else 0.0
    enough = stalls.per_s >= case.limit("least_stalls_per_s")
    if scanned.delta:
        summary = (
            f"tasks that want memory looked at {share:.0f}% of the {scanned.per_s:.0f} pages/s looked at for "
            f"reclaim; {stalls.per_s:.0f} allocations/s had to wait for that"
        )
    else:
        summary = "no memory was reclaimed"
    yield case.finding(
        _coupled(case, case.above(share)) if enough else "ok",
        share,
        _with_notes(summary, folding_note(window)),
        *lines_of(
            window.after,
            VMSTAT,
            *("pgscan_direct", "pgscan_direct_normal", "pgscan_kswapd", "pgscan_kswapd_normal"),
            *("allocstall", "allocstall_normal", "allocstall_movable"),
        ),
    )


def _scanned_for_host_pages(vmstat: VmStat) -> Optional[int]:
    """Return the pages scanned for want of memory in the whole host, by who scanned them.

    The counts by kind of page take in what is reclaimed for the limit of a cgroup (shrink_inactive_list),
    which has nothing to do with the host's memory and would hide its share.
    """
    return vmstat._replace(pgscan_anon_pages=None, pgscan_file_pages=None).pgscan_total_pages


@check(
    "mem.watermark",
    title="Free pages against the zones' watermarks",
    formula=(
        "free / low and free / min of each zone with memory, the marks without their boost; one level "
        "lower (info, warning) unless mem.psi, mem.available or mem.direct_reclaim agrees"
    ),
    unit="% of low",
    thresholds={"low_pct": 100, "min_pct": 100},
    source="kernel: the watermarks of mm/page_alloc.c",
    because=(
        "Under low, kswapd frees memory; under min, only the kernel's own emergencies are served "
        "and everybody else must free memory first."
    ),
    next="grep -E '^Node|pages free|  (min|low|high) ' /proc/zoneinfo",
)
def watermark(case: Case) -> Iterator[Finding]:
    """Judge the free pages of each zone against what the kernel wants to keep."""
    sample = case.window.after
    zones = _judged_zones(sample)
    if not zones:
        raise CannotJudge(ZONEINFO, "no zone in it has memory of its own, free pages and watermarks")
    agreeing = ("mem.psi", "mem.available", "mem.direct_reclaim")
    short = any(case.status_of(other) in _SHORT for other in agreeing)
    bad: List[Tuple[str, Zone]] = []
    for zone in zones:
        low_pct, min_pct = _of_mark_pct(zone, zone.low_pages), _of_mark_pct(zone, zone.min_pages)
        if min_pct < case.limit("min_pct"):
            bad.append(("critical" if short else "warning", zone))
        elif low_pct < case.limit("low_pct"):
            # For a moment that is how reclaim works: kswapd wakes at low, and frees pages up to high.
            bad.append(("warning" if short else "info", zone))
    bad.sort(key=lambda each: -rank(each[0]))
    for status, zone in bad[:_MAX_ZONES]:
        yield case.finding(
            status,
            _of_mark_pct(zone, zone.low_pages),
            f"{zone.free_pages} pages are free (min {zone.min_pages}, low {zone.low_pages})",
            *_zone_evidence(sample, zone),
            subject=_zone_name(zone),
            basis=INSTANT,
        )
    if len(bad) > _MAX_ZONES:
        rest = f"{len(bad) - _MAX_ZONES} more zones are under a watermark"
        yield case.finding(bad[_MAX_ZONES][0], None, rest, Evidence(ZONEINFO, None, ""), basis=INSTANT)
    if not bad and sample.zoneinfo is not None and sample.zoneinfo.problems:
        raise CannotJudge(ZONEINFO, "a part of it could not be parsed")
    if not bad:
        tight = min(zones, key=lambda zone: _of_mark_pct(zone, zone.low_pages))
        yield case.finding(
            "ok",
            _of_mark_pct(tight, tight.low_pages),
            f"every zone is above its low watermark; {_zone_name(tight)} is nearest, "
            f"with {tight.free_pages} pages free (low {tight.low_pages})",
            *_zone_evidence(sample, tight),
            basis=INSTANT,
        )


def _judged_zones(sample: Sample) -> List[Zone]:
    return [
        zone
        for zone in known(sample, sample.zoneinfo, ZONEINFO).zones
        # Kernels older than the managed pages tell only of those present.
        if (zone.present_pages if zone.managed_pages is None else zone.managed_pages)
        and zone.free_pages is not None
        and min(_unboosted(zone, zone.min_pages), _unboosted(zone, zone.low_pages)) > 0
    ]


def _unboosted(zone: Zone, mark_pages: Optional[int]) -> int:
    """Return a watermark without the boost, which stands in all of them (zoneinfo_show_print).

    The kernel adds it for a while after fragmentation, so that more is reclaimed; it tells of no shortage.
    """
    return (mark_pages or 0) - zone.extra.get("boost", 0)


def _of_mark_pct(zone: Zone, mark_pages: Optional[int]) -> float:
    return 100 * (zone.free_pages or 0) / _unboosted(zone, mark_pages)


def _zone_name(zone: Zone) -> str:
    return f"node{zone.node}/{zone.name}"


def _zone_evidence(sample: Sample, zone: Zone) -> Tuple[Evidence, ...]:
    """Return the lines of this zone: the file has each key once for every zone."""
    found: List[Evidence] = []
    inside = False
    for number, line in enumerate(sample.raw[ZONEINFO].split(b"\n"), 1):
        words = [decode(word) for word in line.split()]
        if words[:1] == ["Node"]:
            inside = words[1:] == [f"{zone.node},", "zone", zone.name]
        elif inside and words[-2:-1] in (["free"], ["min"], ["low"]):
            found.append(Evidence(ZONEINFO, number, " ".join(words)))
            if len(found) == 3:
                break
    return tuple(found)


CHECKS = (
    available,
    free_note,
    swap_used,
    swap_io,
    major_faults,
    oom_kill,
    direct_reclaim,
    watermark,
)
