"""A made-up host with much that is wrong with it, and names that try to get out of hand."""

from typing import Dict, NamedTuple, Optional, Tuple

from kdiag.health.finding import INSTANT, SINCE_BOOT, Evidence, Finding, NotApplicable
from kdiag.health.snapshot import HostName, ReadCost, Snapshot
from kdiag.health.table import FilledTable
from kdiag.host.base import Failure
from kdiag.procfs.text import Problem, decode

RATE = "rate over 1.0 s"
#: ESC and a newline, as a mount point may hold them; and bytes that are not UTF-8.
HOSTILE_MOUNT = "/mnt/\x1b[2J\nCRITICAL all is well|\u202e`rm`"
LATIN_1 = decode(b"caf\xe9")


class DiskRow(NamedTuple):
    disk: str
    reads_per_s: Optional[float]
    read_kib_per_s: Optional[float]
    await_ms: Optional[float]
    util_pct: Optional[float]
    scheduler: Optional[str]


class TaskRow(NamedTuple):
    pid: int
    comm: str
    cpu_pct: Optional[float]
    rss_kib: Optional[int]
    run_delay_us: Optional[float]
    waits_in: str
    command: str


def finding(
    check_id: str,
    status: str,
    summary: str,
    *evidence: Evidence,
    subject: str = "",
    value: Optional[float] = None,
    unit: str = "%",
    thresholds: Optional[Dict[str, float]] = None,
    basis: str = INSTANT,
    because: str = "It is bad.",
    next: str = "look at it",
) -> Finding:
    return Finding(
        check_id,
        status,
        subject,
        value,
        unit,
        summary,
        "a / b",
        thresholds or {},
        evidence,
        basis,
        because,
        next,
        "own",
    )


def full_mount(subject: str, available_pct: float) -> Finding:
    return finding(
        "fs.space",
        "warning" if available_pct >= 3 else "critical",
        f"{available_pct:g}% of the space is left (warning below 10%)",
        Evidence("/proc/self/mountinfo", 31, "36 35 98:0 / /data rw - ext4 /dev/sdb1 rw"),
        subject=subject,
        value=available_pct,
        thresholds={"warning_pct": 10, "critical_pct": 3},
        because="Writes fail when the space is used up, and much software does not expect that.",
        next="du -xh --max-depth=1 on the mount point",
    )


def unknown(check_id: str, path: str, reason: str) -> Finding:
    return finding(
        check_id,
        "unknown",
        "not judged",
        Evidence(path, None, ""),
        because=f"{path}: {reason}",
    )


FINDINGS: Tuple[Finding, ...] = (
    finding(
        "mem.psi",
        "critical",
        "full avg10 is 43.1% (critical from 40%)",
        Evidence("/proc/pressure/memory", 2, "full avg10=43.10 avg60=12.00 avg300=3.18 total=2214798"),
        Evidence("/proc/vmstat", 77, "workingset_refault_anon 123456"),
        value=43.1,
        thresholds={"warning_pct": 5, "critical_pct": 40},
        because="All tasks at once wait for memory: the host spends its time reading back pages that it "
        "threw out a moment before, and gets nothing else done.",
        next="kdiag snapshot --section top, and look for the task whose memory grows",
    ),
    full_mount(HOSTILE_MOUNT, 2.5),
    finding(
        "io.psi",
        "warning",
        "full avg60 is 11.2% (warning from 10%)",
        Evidence("/proc/pressure/io", 2, "full avg10=20.00 avg60=11.20 avg300=1.00 total=99"),
        value=11.2,
        thresholds={"avg60_warning_pct": 10},
    ),
    *(full_mount(f"/data/{number}", 3.0 + number) for number in range(7)),
    finding(
        "mem.oom_kill",
        "info",
        "3 tasks were killed since boot",
        Evidence("/proc/vmstat", 42, "oom_kill 3"),
        value=3,
        unit="tasks",
        basis=SINCE_BOOT,
    ),
    unknown("cpu.psi", "/proc/pressure/cpu", "switched off in this kernel (EOPNOTSUPP)"),
    unknown("cpu.irq_psi", "/proc/pressure/irq", "switched off in this kernel (EOPNOTSUPP)"),
    unknown("proc.fd_limit", "/proc/1/limits", "not permitted (EACCES)"),
    finding("cpu.util", "ok", "12.0% of CPU time is used", value=12.0, unit="%", basis=RATE),
    finding("task.zombie", "ok", "no zombies", value=0, unit=""),
)

DISKS = FilledTable(
    "disks",
    "Disks",
    DiskRow._fields,
    {"await_ms": "await"},
    [
        DiskRow("sda", 120.4, 4096.0, 0.43, 12.0, "mq-deadline"),
        DiskRow(LATIN_1, None, None, None, None, None),
    ],
    RATE,
    ("Utilisation says little about disks that work on many requests at once.",),
    "",
)
TASKS = FilledTable(
    "top",
    "Top tasks",
    TaskRow._fields,
    {},
    [
        TaskRow(1, "systemd", 0.0, 12_288, 34.0, "ep_poll", "/sbin/init"),
        TaskRow(
            4_194_303,
            "木木 x\x1b]0;p",
            99.95,
            31_457_280,
            1_234_567.0,
            "folio_wait_bit_common",
            "java -Xmx30g -cp /opt/service/lib/a.jar:/opt/service/lib/b.jar com.example.Main --port 80",
        ),
    ],
    INSTANT,
    (),
    "",
)
SWAP = FilledTable("swap", "Swap", ("used_kib",), {}, (), "", (), "/proc/swaps: not permitted (EACCES)")

SICK = Snapshot(
    host=HostName("web-1", "6.1.0-18-amd64", "Debian GNU/Linux 12 (bookworm)", 8, 32_803_000, 273_600.0),
    kind="live",
    root="/",
    started_ns=1_763_659_081_250_000_000,
    duration_s=1.0004,
    basis=RATE,
    findings=FINDINGS,
    not_applicable=(NotApplicable("md.degraded", "there is no software RAID"),),
    tables=(DISKS, TASKS, SWAP),
    failures=(
        Failure("/proc/pressure/cpu", "unsupported", 95),
        Failure("/proc/pressure/irq", "unsupported", 95),
        *(Failure(f"/proc/{pid}/io", "denied", 13) for pid in range(1, 44)),
        Failure("/proc/swaps", "denied", 13),
    ),
    problems=(Problem("/proc/net/dev", 3, "eth\x1b0: 1 x", "17 fields"),),
    notes=("/proc/meminfo is that of the whole host, and this is a container.",),
    costs=(ReadCost("/proc/PID/stat", 200, 40_960, 5_321.5), ReadCost("/proc/stat", 2, 2_048, 61.0)),
    exit_code=2,
)

WELL = SICK._replace(
    findings=FINDINGS[-5:],
    tables=(),
    failures=(),
    problems=(),
    notes=(),
    exit_code=0,
)
