"""The kernel's own state of trust, and how much of the host this reader can see.

``sys.view`` finds no fault with the host: it says which checks had less to go by than they seem to, and what
would give them more. Some files can be another host's altogether (a container with lxcfs, a recording put
together from two), which shows where two files tell one number in two ways.
"""

from typing import TYPE_CHECKING, Callable, Iterator, List, Optional, Tuple

from kdiag.health.check import Case, check
from kdiag.health.figures.tasks import share_in_sight_pct, threads_in_sight
from kdiag.health.finding import INSTANT, Evidence, Finding
from kdiag.health.sample import Sample
from kdiag.health.window import CannotJudge
from kdiag.records import NamedTuple

if TYPE_CHECKING:
    from kdiag.procfs.mountinfo import Mount

__all__ = ["CHECKS", "TAINTS", "Taint"]

_TAINTED = "/proc/sys/kernel/tainted"
_LOADAVG = "/proc/loadavg"
_MOUNTINFO = "/proc/self/mountinfo"
_STATUS = "/proc/self/status"
_MEMINFO, _VMSTAT, _SWAPS, _STAT = "/proc/meminfo", "/proc/vmstat", "/proc/swaps", "/proc/stat"
_ONLINE = "/sys/devices/system/cpu/online"
_NODE_MEMINFO = "/sys/devices/system/node/node{}/meminfo"
_PRESSURES = ("/proc/pressure/cpu", "/proc/pressure/memory", "/proc/pressure/io")
_CAP_SYS_PTRACE, _CAP_SYS_ADMIN = 19, 21
_BYTES_PER_KIB = 1024


class Taint(NamedTuple):
    """One bit of ``/proc/sys/kernel/tainted``, and how bad it is."""

    bit: int
    letter: str
    meaning: str
    status: str


#: Documentation/admin-guide/tainted-kernels.rst; how bad each is, is kdiag's own.
TAINTS: Tuple[Taint, ...] = (
    Taint(0, "P", "proprietary module was loaded", "info"),
    Taint(1, "F", "module was force loaded", "warning"),
    Taint(2, "S", "kernel running on an out of specification system", "info"),
    Taint(3, "R", "module was force unloaded", "warning"),
    Taint(4, "M", "processor reported a Machine Check Exception", "critical"),
    Taint(5, "B", "bad page referenced or some unexpected page flags", "critical"),
    Taint(6, "U", "taint requested by userspace application", "info"),
    Taint(7, "D", "kernel died recently, i.e. there was an OOPS or BUG", "critical"),
    Taint(8, "A", "ACPI table overridden by user", "info"),
    Taint(9, "W", "kernel issued warning", "warning"),
    Taint(10, "C", "staging driver was loaded", "info"),
    Taint(11, "I", "workaround for bug in platform firmware applied", "info"),
    Taint(12, "O", "externally-built (out-of-tree) module was loaded", "info"),
    Taint(13, "E", "unsigned module was loaded", "info"),
    Taint(14, "L", "soft lockup occurred", "critical"),
    Taint(15, "K", "kernel has been live patched", "info"),
    Taint(16, "X", "auxiliary taint, defined for and used by distributions", "info"),
    Taint(17, "T", "kernel was built with the struct randomization plugin", "info"),
    Taint(18, "N", "an in-kernel test has been run", "info"),
)
_BY_BIT = {taint.bit: taint for taint in TAINTS}


def _mask(status: str) -> int:
    return sum(1 << taint.bit for taint in TAINTS if taint.status == status)


@check(
    "sys.taint",
    title="Taints of the kernel",
    formula="bits of /proc/sys/kernel/tainted",
    unit="bitmask",
    thresholds={"warning_mask": _mask("warning"), "critical_mask": _mask("critical")},
    source="bits: tainted-kernels.rst; how bad each is: kdiag's own",
    because="The kernel has noted that something happened to it, or was done to it, which may explain other "
    "trouble. A taint stays until the next boot.",
    next="dmesg | grep -iE 'taint|bug:|oops|warning:|mce|lockup'",
)
def taint(case: Case) -> Iterator[Finding]:
    """Decode the taints, all of them in one finding that is as bad as the worst."""
    after = case.window.after
    value = after.integers.get(_TAINTED)
    if value is None:
        raise CannotJudge(_TAINTED, after.why_missing(_TAINTED))
    evidence = case.evidence(_TAINTED)
    if value <= 0:
        yield case.finding("ok", value, "the kernel is not tainted", evidence, basis=INSTANT)
        return
    if value & int(case.limit("critical_mask")):
        status = "critical"
    elif value & int(case.limit("warning_mask")):
        status = "warning"
    else:
        status = "info"
    told = [_told_taint(bit) for bit in range(value.bit_length()) if value >> bit & 1]
    yield case.finding(status, value, f"tainted: {'; '.join(told)}", evidence, basis=INSTANT)


def _told_taint(bit: int) -> str:
    known = _BY_BIT.get(bit)
    return f"bit {bit} (not known to kdiag)" if known is None else f"{known.letter}: {known.meaning}"


class _Blind(NamedTuple):
    """Something that this reader cannot see or trust, what is not checked for it, and what would help."""

    summary: str
    because: str
    next: str
    evidence: Tuple[Evidence, ...]


@check(
    "sys.view",
    title="How much of the host is in view",
    formula="PSI, threads seen against those counted, container, lxcfs, privileges, files that should agree",
    unit="",
    thresholds={"seen_info_pct": 80, "disagreement_info_pct": 5},
    source="kdiag's own",
    because="What is out of view was not checked.",
    next="kdiag files",
)
def view(case: Case) -> Iterator[Finding]:
    """Say what limits this look at the host, one finding for each limit."""
    found = [(subject, look(case)) for subject, look in _LOOKS.items()]
    blind = [(subject, each) for subject, each in found if each is not None]
    for subject, each in blind:
        yield case.finding(
            "info",
            None,
            each.summary,
            *each.evidence,
            subject=subject,
            basis=INSTANT,
            because=each.because,
            next=each.next,
        )
    after = case.window.after
    for path, read in ((_MOUNTINFO, after.mountinfo), (_LOADAVG, after.loadavg)):
        if read is None:
            raise CannotJudge(path, after.why_missing(path))
    if not blind:
        yield case.finding("ok", None, "nothing is known to be out of view", basis=INSTANT)


def _no_pressure(case: Case) -> Optional[_Blind]:
    after = case.window.after
    failures = [after.failures.get(path) for path in _PRESSURES]
    if not all(each is not None and each.kind in ("absent", "unsupported") for each in failures):
        return None
    return _Blind(
        "pressure (PSI) is off: nothing tells whether work waits for CPU, memory or I/O",
        "The checks cpu.psi, mem.psi and io.psi were not made, and those that lean on them judge by less.",
        "boot with psi=1 (writes to the boot loader); a kernel without CONFIG_PSI cannot do it",
        tuple(Evidence(path, None, "") for path in _PRESSURES),
    )


def _tasks_out_of_sight(case: Case) -> Optional[_Blind]:
    after = case.window.after
    evidence = [case.evidence(_LOADAVG)]
    hiding = [mount for mount in _mounts(after) if mount.fs_type == "proc" and _hidepid(mount)]
    evidence.extend(case.evidence(_MOUNTINFO, str(mount.mount_id)) for mount in hiding[-1:])
    seen_pct = share_in_sight_pct(after)
    if after.loadavg is None or seen_pct is None or seen_pct >= case.limit("seen_info_pct"):
        return None
    total = after.loadavg.total_threads
    why = f" (/proc is mounted with {_hidepid(hiding[-1])})" if hiding else ""
    return _Blind(
        f"{threads_in_sight(after)} of {total} threads are in sight{why}",
        "Stuck and dead tasks, open files and top tasks were looked for among those in sight alone.",
        "run it as root, and in the host's PID namespace",
        tuple(evidence),
    )


def _hidepid(mount: "Mount") -> str:
    hiding = [option for option in mount.super_options if option.startswith("hidepid=")]
    return "" if not hiding or hiding[0] in ("hidepid=0", "hidepid=off") else hiding[0]


def _container(case: Case) -> Optional[_Blind]:
    after = case.window.after
    roots = [mount for mount in _mounts(after) if mount.mount_point == "/" and mount.fs_type == "overlay"]
    kernel_threads = any(task.stat.kernel_thread for task in after.tasks.values())
    # Where PID 1 can be seen, so can the kernel's own threads: they are missing in a PID namespace alone.
    own_pids = 1 in after.tasks and not kernel_threads
    if not roots and not own_pids:
        return None
    evidence = [case.evidence(_MOUNTINFO, str(mount.mount_id)) for mount in roots[:1]]
    signs = [
        sign for sign, shown in (("its root is an overlay", roots), ("no kernel thread", own_pids)) if shown
    ]
    return _Blind(
        f"this looks like a container ({', '.join(signs)})",
        "Load, memory, pressure and disks are the host's; tasks, mounts and network may be the container's "
        "alone, so those of the host were not checked.",
        "start it with the host's namespaces, and / of the host mounted: kdiag snapshot --root /host",
        tuple(evidence),
    )


def _lxcfs(case: Case) -> Optional[_Blind]:
    covered = [mount for mount in _mounts(case.window.after) if mount.fs_type == "fuse.lxcfs"]
    places = [mount.mount_point for mount in covered if mount.mount_point.startswith(("/proc/", "/sys/"))]
    if not places:
        return None
    return _Blind(
        f"lxcfs stands in for {', '.join(places)}",
        "Those files speak of the container, all others of the host; checks that use both mix the two.",
        "run it on the host",
        tuple(case.evidence(_MOUNTINFO, str(mount.mount_id)) for mount in covered),
    )


def _not_root(case: Case) -> Optional[_Blind]:
    after = case.window.after
    euid = after.facts.reader_euid
    status = after.self_status
    capabilities = status.cap_eff if status is not None else None
    needed = 1 << _CAP_SYS_PTRACE | 1 << _CAP_SYS_ADMIN
    if euid is None or (euid == 0 and (capabilities is None or capabilities & needed == needed)):
        return None
    who = f"run by uid {euid}" if euid else "run by root without CAP_SYS_PTRACE and CAP_SYS_ADMIN"
    return _Blind(
        f"{who}: where other users' tasks are stuck is hidden, and so are some files",
        "wchan, stack and system call of other users' tasks were not read, nor were files for root alone.",
        "run it as root",
        (case.evidence(_STATUS, "Uid"), case.evidence(_STATUS, "CapEff")),
    )


def _disagreement(case: Case) -> Optional[_Blind]:
    after = case.window.after
    if any(mount.fs_type == "fuse.lxcfs" for mount in _mounts(after)):
        return None  # said already, and the reason is known
    found = [each for each in (compare(case) for compare in _COMPARISONS) if each is not None]
    if not found:
        return None
    return _Blind(
        f"files of this host do not agree: {'; '.join(each.summary for each in found)}",
        "They may be of two hosts, or of a host and a container; checks that use both may be wrong.",
        "compare the lines given as evidence",
        tuple(evidence for each in found for evidence in each.evidence),
    )


class _Unlike(NamedTuple):
    """Two files that tell one thing differently."""

    summary: str
    evidence: Tuple[Evidence, ...]


def _free_memory(case: Case) -> Optional[_Unlike]:
    after = case.window.after
    page_bytes = after.facts.page_size_bytes
    if (
        after.meminfo is None
        or after.vmstat is None
        or page_bytes is None
        or after.vmstat.nr_free_pages is None
    ):
        return None
    pages_kib = after.vmstat.nr_free_pages * page_bytes // _BYTES_PER_KIB
    total_kib, free_kib = after.meminfo.mem_total_kib, after.meminfo.mem_free_kib
    if not total_kib or free_kib is None or _close(case, free_kib, pages_kib, total_kib):
        return None
    return _Unlike(
        f"MemFree is {free_kib} KiB, nr_free_pages makes {pages_kib} KiB",
        (case.evidence(_MEMINFO, "MemFree"), case.evidence(_VMSTAT, "nr_free_pages")),
    )


def _nodes_memory(case: Case) -> Optional[_Unlike]:
    after = case.window.after
    total_kib = after.meminfo.mem_total_kib if after.meminfo is not None else None
    nodes = [node.meminfo.mem_total_kib if node.meminfo is not None else None for node in after.numa_nodes]
    known = [kib for kib in nodes if kib is not None]
    if (
        not total_kib
        or not known
        or len(known) < len(nodes)
        or _close(case, sum(known), total_kib, total_kib)
    ):
        return None
    paths = [_NODE_MEMINFO.format(node.node) for node in after.numa_nodes]
    return _Unlike(
        f"MemTotal is {total_kib} KiB, that of all nodes {sum(known)} KiB",
        (case.evidence(_MEMINFO, "MemTotal"), *(case.evidence(path) for path in paths)),
    )


def _swap(case: Case) -> Optional[_Unlike]:
    after = case.window.after
    total_kib = after.meminfo.swap_total_kib if after.meminfo is not None else None
    if total_kib is None or after.swaps is None:
        return None
    areas_kib = sum(area.size_kib for area in after.swaps.areas)
    if _close(case, areas_kib, total_kib, max(areas_kib, total_kib)):
        return None
    return _Unlike(
        f"SwapTotal is {total_kib} KiB, all swap areas have {areas_kib} KiB",
        (case.evidence(_MEMINFO, "SwapTotal"), case.evidence(_SWAPS)),
    )


def _online_cpus(case: Case) -> Optional[_Unlike]:
    after = case.window.after
    online = after.cpu_online.cpus if after.cpu_online is not None else None
    if not online or after.stat is None or not after.stat.cpus or set(online) == set(after.stat.cpus):
        return None
    return _Unlike(
        f"{len(online)} CPUs are online, {_STAT} has {len(after.stat.cpus)}"
        + (", others" if len(online) == len(after.stat.cpus) else ""),
        (case.evidence(_ONLINE), case.evidence(_STAT, "cpu")),
    )


def _close(case: Case, one: int, other: int, whole: int) -> bool:
    return 100 * abs(one - other) <= case.limit("disagreement_info_pct") * whole


def _mounts(sample: Sample) -> "Tuple[Mount, ...]":
    return sample.mountinfo.mounts if sample.mountinfo is not None else ()


_LOOKS = {
    "pressure": _no_pressure,
    "tasks": _tasks_out_of_sight,
    "container": _container,
    "lxcfs": _lxcfs,
    "privileges": _not_root,
    "files": _disagreement,
}
_COMPARISONS: List[Callable[[Case], Optional[_Unlike]]] = [_free_memory, _nodes_memory, _swap, _online_cpus]

CHECKS = (taint, view)
