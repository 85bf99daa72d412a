"""Memory in a bad state, or with bad settings: promised, dirty, kept by the kernel, broken, reserved."""

from typing import Callable, Iterator

from kdiag.health.check import Case, DoesNotApply, check
from kdiag.health.checks import memory_layout
from kdiag.health.figures.memory import (
    MEMINFO,
    VMSTAT,
    available_memory,
    folding_note,
    hugetlb_kib,
    lines_of,
    mib,
    swap_use,
    vmstat_rate,
)
from kdiag.health.finding import INSTANT, Finding
from kdiag.health.sample import Sample
from kdiag.health.window import CannotJudge, known
from kdiag.records import NamedTuple

__all__ = ["CHECKS"]

_SHORT = ("warning", "critical")
_EDAC = "/sys/devices/system/edac/mc"
_SYSCTL = "/proc/sys/vm"


@check(
    "mem.commit",
    title="Committed memory",
    formula="Committed_AS / CommitLimit, with vm.overcommit_memory=2 only",
    unit="%",
    thresholds={"warning_pct": 90, "critical_pct": 98},
    source="kdiag's own; overcommit-accounting.rst says where the limit binds",
    because="At the limit malloc(), mmap() and fork() fail with ENOMEM, however much memory is available.",
    next="ps -eo pid,vsz,comm --sort=-vsz | head",
)
def commit(case: Case) -> Iterator[Finding]:
    """Judge how near allocations are to the commit limit, where the kernel holds to it."""
    sample, path = case.window.after, f"{_SYSCTL}/overcommit_memory"
    mode = known(sample, sample.integers.get(path), path)
    if mode != 2:
        raise DoesNotApply(f"vm.overcommit_memory is {mode}: CommitLimit does not bind")
    memory = known(sample, sample.meminfo, MEMINFO)
    committed_kib = known(sample, memory.committed_as_kib, MEMINFO, "Committed_AS")
    limit_kib = known(sample, memory.commit_limit_kib, MEMINFO, "CommitLimit")
    if not limit_kib:
        raise CannotJudge(MEMINFO, "CommitLimit is 0")
    pct = 100 * committed_kib / limit_kib
    yield case.finding(
        case.above(pct),
        pct,
        f"{pct:.1f}% of what may be promised to programs is: {mib(committed_kib)} of {mib(limit_kib)}",
        *lines_of(sample, MEMINFO, "Committed_AS", "CommitLimit"),
        case.evidence(path),
        basis=INSTANT,
    )


class _Dirty(NamedTuple):
    """Dirty memory and the limits in force, in pages."""

    pages: int
    background: int
    limit: int

    @property
    def freerun(self) -> float:
        """From here on writers are slowed down (dirty_freerun_ceiling)."""
        return (self.background + self.limit) / 2


_DIRTY_KEYS = ("nr_dirty", "nr_writeback", "nr_dirty_background_threshold", "nr_dirty_threshold")


def _dirty(sample: Sample) -> _Dirty:
    """Return what counts as dirty where the kernel throttles: pages under writeback too."""
    vmstat = known(sample, sample.vmstat, VMSTAT)
    found = (
        vmstat.nr_dirty_pages,
        vmstat.nr_writeback_pages,
        vmstat.nr_dirty_background_threshold_pages,
        vmstat.nr_dirty_threshold_pages,
    )
    dirty, writeback, background, limit = (
        known(sample, value, VMSTAT, key) for key, value in zip(_DIRTY_KEYS, found)
    )
    if not limit:
        raise CannotJudge(VMSTAT, "nr_dirty_threshold is 0")
    return _Dirty(dirty + writeback, background, limit)


@check(
    "mem.dirty",
    title="Dirty memory",
    formula=(
        "(nr_dirty + nr_writeback) / nr_dirty_threshold, and over the mean of the two thresholds; "
        "critical only if io.psi agrees or is not known"
    ),
    unit="%",
    thresholds={"warning_pct_of_freerun": 100, "critical_pct": 95},
    source="kernel: dirty_freerun_ceiling in mm/page-writeback.c; the critical level is kdiag's own",
    because=(
        "Written data waits in memory for the disk, is lost if the host dies, "
        "and whoever writes more is put to sleep until some of it is on the disk."
    ),
    next="kdiag snapshot --section disks",
)
def dirty(case: Case) -> Iterator[Finding]:
    """Judge whether writers are slowed down for dirty memory."""
    found = _dirty(case.window.after)
    pct = 100 * found.pages / found.limit
    if pct >= case.limit("critical_pct"):
        calm = case.status_of("io.psi") in ("ok", "info")
        status, what = "warning" if calm else "critical", "near the limit, where writers wait"
    elif 100 * found.pages > case.limit("warning_pct_of_freerun") * found.freerun:
        status, what = "warning", "enough for writers to be slowed down"
    else:
        status, what = "ok", "writers run freely"
    yield case.finding(
        status,
        pct,
        f"{found.pages} pages are dirty or being written, {pct:.1f}% of the limit: {what}",
        *lines_of(case.window.after, VMSTAT, *_DIRTY_KEYS),
        basis=INSTANT,
    )


@check(
    "mem.dirty_stuck",
    title="Dirty memory that does not drain",
    formula="d(nr_written) / s, with nr_dirty + nr_writeback over the background threshold in both samples",
    unit="pages/s",
    thresholds={"warning_written_pages_per_s": 32},
    source="kdiag's own",
    because="The kernel ought to be writing it out and is not: a device or a file server does not take it.",
    next="kdiag snapshot --section blocked",
)
def dirty_stuck(case: Case) -> Iterator[Finding]:
    """Find dirty memory that nothing is written of."""
    window = case.window
    samples = [window.after] if window.before is None else [window.before, window.after]
    found = [_dirty(sample) for sample in samples]
    evidence = lines_of(window.after, VMSTAT, *_DIRTY_KEYS[:3], "nr_written")
    if any(each.pages <= each.background for each in found):
        summary = f"{found[-1].pages} pages are dirty or being written: the kernel need not hurry"
        yield case.finding("ok", None, summary, *evidence, basis=INSTANT)
        return
    rate = vmstat_rate(window, "nr_written", lambda vmstat: vmstat.nr_written_pages)
    status, note = case.below(rate.per_s, "warning_written_pages_per_s"), folding_note(window)
    if status != "ok" and note:
        raise CannotJudge(VMSTAT, f"{rate.per_s:.0f} pages/s of much dirty memory were written: {note}")
    yield case.finding(
        status,
        rate.per_s,
        f"{rate.per_s:.0f} pages/s were written, of {found[-1].pages} that are dirty or being written",
        *evidence,
    )


@check(
    "mem.slab",
    title="Kernel memory that cannot be reclaimed",
    formula="SUnreclaim / MemTotal; critical only with mem.available",
    unit="%",
    thresholds={"warning_pct": 10, "critical_pct": 25},
    source="kdiag's own",
    because="Objects of the kernel that nothing can drop: if the share grows, a driver or a subsystem leaks.",
    next="sudo kdiag snapshot --section slab",
)
def slab(case: Case) -> Iterator[Finding]:
    """Judge the share of slab memory that the kernel cannot give back."""
    sample = case.window.after
    memory = known(sample, sample.meminfo, MEMINFO)
    total_kib = known(sample, memory.mem_total_kib, MEMINFO, "MemTotal")
    kept_kib = known(sample, memory.sunreclaim_kib, MEMINFO, "SUnreclaim")
    if not total_kib:
        raise CannotJudge(MEMINFO, "MemTotal is 0")
    pct = 100 * kept_kib / total_kib
    status = case.above(pct)
    if status == "critical" and case.status_of("mem.available") not in _SHORT:
        status = "warning"
    yield case.finding(
        status,
        pct,
        f"{pct:.1f}% of memory is slab that cannot be reclaimed: {mib(kept_kib)} of {mib(total_kib)}",
        *lines_of(sample, MEMINFO, "SUnreclaim", "MemTotal"),
        basis=INSTANT,
    )


#: What EDAC counts: how it is called, how bad it is, and from how many on (a threshold's name).
_EDAC_COUNTS = {
    "ce_count": ("corrected", "warning", "corrected_warning"),
    "ue_count": ("uncorrected", "critical", "uncorrected_critical"),
}


@check(
    "mem.hwpoison",
    title="Memory errors of the hardware",
    formula="ce_count and ue_count of each EDAC controller since its driver was loaded; HardwareCorrupted",
    unit="errors",
    thresholds={"corrected_warning": 1, "uncorrected_critical": 1, "corrupted_warning_kib": 1},
    source="netdata: any error",
    because=(
        "Corrected errors announce a memory module that fails; "
        "uncorrected ones have destroyed data already. Replace the module."
    ),
    next="grep -s . /sys/devices/system/edac/mc/mc*/dimm*/dimm_*",
)
def hwpoison(case: Case) -> Iterator[Finding]:
    """Find errors that memory controllers have reported, and pages taken out of use."""
    sample = case.window.after
    counts = {path: count for path, count in sample.integers.items() if path.startswith(f"{_EDAC}/mc")}
    bad = False
    for path, count in sorted(counts.items()):
        controller, _, name = path[len(_EDAC) + 1 :].partition("/")
        kind, status, threshold = _EDAC_COUNTS[name]
        if count >= case.limit(threshold):
            bad = True
            summary = f"{count} {kind} memory errors were counted since the driver was loaded"
            yield case.finding(status, count, summary, case.evidence(path), subject=controller, basis=INSTANT)
    corrupted_kib = sample.meminfo.hardware_corrupted_kib if sample.meminfo is not None else None
    if corrupted_kib is not None and corrupted_kib >= case.limit("corrupted_warning_kib"):
        bad = True
        summary = f"{corrupted_kib} KiB were taken out of use as broken"
        yield case.finding(
            "warning", None, summary, case.evidence(MEMINFO, "HardwareCorrupted"), basis=INSTANT
        )
    unread = [path for path in sample.failures if path.startswith(_EDAC) and not sample.absent(path)]
    if unread:
        raise CannotJudge(unread[0], sample.why_missing(unread[0]))
    known(sample, sample.meminfo, MEMINFO)
    if bad:
        return
    if not counts and corrupted_kib is None:
        raise DoesNotApply(
            "no driver counts memory errors here, and the kernel takes no page out of use", MEMINFO
        )
    evidence = [case.evidence(path) for path in sorted(counts)[:4]]
    if corrupted_kib is not None:
        evidence.append(case.evidence(MEMINFO, "HardwareCorrupted"))
    summary = "no memory errors" if counts else "no page was taken out of use, but no driver counts errors"
    yield case.finding("ok", 0, summary, *evidence, basis=INSTANT)


@check(
    "mem.hugepages",
    title="Memory set apart for huge pages",
    formula="Hugetlb / MemTotal, and MemAvailable / MemTotal",
    unit="%",
    thresholds={"reserved_warning_pct": 80, "available_warning_pct": 3},
    source="hotsos: memory.yaml",
    because="Memory reserved for huge pages serves nothing else, used or not, and the rest is too little.",
    next="grep . /sys/kernel/mm/hugepages/*/*_hugepages",
)
def hugepages(case: Case) -> Iterator[Finding]:
    """Find hosts that huge pages leave no memory on."""
    sample = case.window.after
    memory = known(sample, sample.meminfo, MEMINFO)
    reserved_kib = hugetlb_kib(memory)
    if reserved_kib is None and memory.problems:
        raise CannotJudge(MEMINFO, "a part of it could not be parsed, and Hugetlb is not in the rest")
    if not reserved_kib:
        raise DoesNotApply("no memory is set apart for huge pages")
    available = available_memory(sample)
    pct = 100 * reserved_kib / available.total_kib
    if pct > 100:
        raise CannotJudge(MEMINFO, "Hugetlb is larger than MemTotal: a container's view of the host")
    bad = pct > case.limit("reserved_warning_pct") and available.pct < case.limit("available_warning_pct")
    free = memory.hugepages_free_pages
    unused = f", {free} pages of the default size of it unused" if free is not None else ""
    yield case.finding(
        "warning" if bad else "ok",
        pct,
        f"{pct:.1f}% of memory is set apart for huge pages{unused}; {available.pct:.1f}% is available",
        *lines_of(sample, MEMINFO, "Hugetlb", "HugePages_Total", "HugePages_Free", "MemAvailable"),
        basis=INSTANT,
    )


class _Setting(NamedTuple):
    """A setting below /proc/sys/vm, when it is odd, and what to say then."""

    name: str
    odd: Callable[[Case, int], bool]
    status: str
    summary: str
    because: str


def _swaps(case: Case) -> bool:
    return any(use.size_kib for use in swap_use(case.window.after))


_SETTINGS = (
    _Setting(
        "min_free_kbytes",
        lambda case, value: value < case.limit("min_free_warning_kib"),
        "warning",
        "the kernel keeps only {} KiB free for emergencies",
        "vm.rst: lower than 1024 the system becomes subtly broken, and prone to deadlock under high loads.",
    ),
    _Setting(
        "vfs_cache_pressure",
        lambda case, value: value == 0,
        "warning",
        "vm.vfs_cache_pressure is {}: dentries and inodes are never reclaimed",
        "vm.rst: this can easily lead to out-of-memory conditions.",
    ),
    _Setting(
        "zone_reclaim_mode",
        lambda case, value: value != 0 and len(case.window.after.numa_nodes) > 1,
        "info",
        "vm.zone_reclaim_mode is {}: a full node reclaims its cache before memory of another is used",
        "vm.rst: for file servers, and whatever lives by its cache, it should be left off.",
    ),
    _Setting(
        "panic_on_oom",
        lambda case, value: value != 0,
        "info",
        "vm.panic_on_oom is {}: running out of memory panics the host",
        "That is right for a cluster that fails over, and a surprise everywhere else.",
    ),
    _Setting(
        "swappiness",
        lambda case, value: value == 0 and _swaps(case),
        "info",
        "vm.swappiness is {}: nothing is swapped until free and file pages are nearly gone",
        "It is a balance from 0 to 200 between dropping file pages and swapping (equal cost at 100), "
        "not a share of memory from which on swapping begins.",
    ),
)


@check(
    "mem.config",
    title="Memory settings",
    formula=(
        "min_free_kbytes < 1024; vfs_cache_pressure = 0; swappiness = 0 with swap; "
        "zone_reclaim_mode on more than one node; panic_on_oom"
    ),
    unit="",
    thresholds={"min_free_warning_kib": 1024},
    source="kernel: vm.rst",
    because="Settings of vm that can do harm.",
    next="sysctl " + " ".join(f"vm.{setting.name}" for setting in _SETTINGS),
)
def config(case: Case) -> Iterator[Finding]:
    """Look for settings of which the kernel's documentation warns."""
    sample = case.window.after
    read, unknown = [], []
    bad = False
    for setting in _SETTINGS:
        path = f"{_SYSCTL}/{setting.name}"
        value = sample.integers.get(path)
        if value is None:
            # zone_reclaim_mode is only where the kernel knows of nodes.
            if not sample.absent(path):
                unknown.append(path)
            continue
        read.append(f"{setting.name} {value}")
        if setting.odd(case, value):
            bad = True
            yield case.finding(
                setting.status,
                value,
                setting.summary.format(value),
                case.evidence(path),
                subject=f"vm.{setting.name}",
                basis=INSTANT,
                because=setting.because,
                next=f"sysctl vm.{setting.name}",
            )
    if unknown:
        raise CannotJudge(unknown[0], sample.why_missing(unknown[0]))
    if not read:
        raise CannotJudge(_SYSCTL, "none of the settings is there")
    if not bad:
        summary = ", ".join(read)
        evidence = [case.evidence(f"{_SYSCTL}/{setting.name}") for setting in _SETTINGS]
        yield case.finding(
            "ok", None, summary, *(each for each in evidence if each.line is not None), basis=INSTANT
        )


CHECKS = (
    commit,
    dirty,
    dirty_stuck,
    slab,
    hwpoison,
    hugepages,
    config,
    *memory_layout.CHECKS,
)
