"""How the CPUs spend their time, and how many tasks compete for them.

A busy CPU is not trouble by itself: utilisation alone is never more than info, and a warning needs pressure
beside it. Shares are over the window; averages since boot are shown but not judged.

The load averages count tasks that run or wait for a CPU, and tasks blocked in state D
(kernel/sched/loadavg.c). So load is split before it is judged, and is the weakest sign of all.
"""

from typing import Iterator

from kdiag.health.check import Case, DoesNotApply, check
from kdiag.health.figures.cpu import CpuUsage, cpu_usage
from kdiag.health.figures.load import blocked_tasks, runnable_tasks
from kdiag.health.finding import INSTANT, Finding
from kdiag.health.window import CannotJudge, known

__all__ = ["CHECKS"]

_STAT, _LOADAVG, _TASKS = "/proc/stat", "/proc/loadavg", "/proc/[pid]/stat"
_TOTAL = "d(user+nice+system+idle+iowait+irq+softirq+steal)"
_PER_CPU = "kdiag snapshot --section cpu --per-cpu"
_TOP = "kdiag snapshot --section top"
_SHOWN_CPUS = 20


def _found(case: Case, status: str, value: float, summary: str, *, cpu: str = "cpu") -> Finding:
    """Build a finding about the ``cpu`` line or a ``cpuN`` line."""
    # Of an average since boot not even an info is given; an ok becomes unknown, with the reason.
    status = "ok" if case.window.since_boot else status
    return case.finding(
        status, value, summary, case.evidence(_STAT, cpu), subject="" if cpu == "cpu" else cpu
    )


def _cpus(case: Case) -> int:
    return known(case.window.after, case.window.after.online_cpus, "/sys/devices/system/cpu/online")


def _each_cpu(usage: CpuUsage) -> CpuUsage:
    """Return ``usage`` if it has single CPUs in it."""
    if not usage.cpus:
        raise CannotJudge(_STAT, "no usable cpuN line in it")
    return usage


@check(
    "cpu.util",
    title="CPU utilisation",
    formula=f"1 - d(idle+iowait) / {_TOTAL}; warning if cpu.psi warns too and it is not mostly nice",
    unit="%",
    thresholds={"info_pct": 90},
    source="node-mixin 90 % (info), netdata 85 and 95 %",
    because="Busy CPUs are no trouble by themselves; when tasks wait for them too, there are too few.",
    next=_PER_CPU,
)
def util(case: Case) -> Iterator[Finding]:
    """Judge how much of the CPU time is used."""
    busy_pct = cpu_usage(case.window).all.busy_pct
    status = "ok"
    if busy_pct >= case.limit("info_pct"):
        waiting = case.status_of("cpu.psi") in ("warning", "critical")
        yielding = case.status_of("cpu.nice") == "info"
        status = "warning" if waiting and not yielding else "info"
    yield _found(case, status, busy_pct, f"the CPUs are busy {busy_pct:.1f}% of the time")


@check(
    "cpu.steal",
    title="CPU time stolen by the hypervisor",
    formula=f"d(steal) / {_TOTAL}",
    unit="%",
    thresholds={"warning_pct": 10, "critical_pct": 25},
    source="netdata 10 % over 20 minutes; the critical one is kdiag's own",
    because="The hypervisor does not give this guest the CPU that it asks for.",
    next=_PER_CPU,
)
def steal(case: Case) -> Iterator[Finding]:
    """Judge how long this guest wanted a CPU and the hypervisor ran something else."""
    steal_pct = known(case.window.after, cpu_usage(case.window).all.steal_pct, _STAT, "the column steal")
    yield _found(case, case.above(steal_pct), steal_pct, f"{steal_pct:.1f}% of the CPU time is stolen")


@check(
    "cpu.iowait",
    title="Idle CPUs with I/O under way",
    formula=f"d(iowait) / {_TOTAL}",
    unit="%",
    thresholds={"info_pct": 20},
    source="netdata 20 and 40 %; proc.rst calls the value not reliable, so it is never more than info",
    because="CPUs had nothing to run while a task that last ran on them waited for I/O; io.psi confirms it.",
    next="kdiag snapshot --section disks",
)
def iowait(case: Case) -> Iterator[Finding]:
    """Say how much of the time CPUs idled while I/O was under way."""
    iowait_pct = known(case.window.after, cpu_usage(case.window).all.iowait_pct, _STAT, "the column iowait")
    status = "info" if iowait_pct >= case.limit("info_pct") else "ok"
    yield _found(case, status, iowait_pct, f"the CPUs idle with I/O under way {iowait_pct:.1f}% of the time")


@check(
    "cpu.sys",
    title="CPU time in the kernel",
    formula="d(system) / d(user+nice+system), if these three are enough of the CPU time",
    unit="%",
    thresholds={"warning_pct": 75, "used_pct": 70},
    source="pcp, its rule cpu.system",
    because="The CPUs work for the kernel rather than for programs: system calls, faults, locks, reclaim.",
    next=_TOP,
)
def kernel_time(case: Case) -> Iterator[Finding]:
    """Judge the kernel's share of what tasks use, where they use much.

    nice belongs to it (batch work is work), and interrupts do not: they have checks of their own.
    """
    times = cpu_usage(case.window).all
    used_pct = times.usr_pct + times.nice_pct + times.guests_pct + times.sys_pct
    of_used_pct = 100 * times.sys_pct / used_pct if used_pct else 0.0
    status = case.above(of_used_pct) if used_pct >= case.limit("used_pct") else "ok"
    summary = f"the kernel has {of_used_pct:.1f}% of the CPU time that tasks use ({used_pct:.1f}% of all)"
    yield _found(case, status, of_used_pct, summary)


@check(
    "cpu.one_hot",
    title="One CPU fully busy, the others not",
    formula="the busiest CPU's 1 - d(idle+iowait)/d(total), and the same of all CPUs",
    unit="%",
    thresholds={"info_pct": 95, "all_at_most_pct": 50},
    source="pcp some_util 95 %; the other one is kdiag's own",
    because="One thread (or the interrupts of one device) has all that one CPU can give, and others idle.",
    next=_PER_CPU,
)
def one_hot(case: Case) -> Iterator[Finding]:
    """Find a CPU that is fully busy while most others are not."""
    usage = _each_cpu(cpu_usage(case.window))
    if len(usage.cpus) + len(usage.left_out) == 1:
        raise DoesNotApply("there is one CPU only")
    busiest = max(usage.cpus, key=lambda number: usage.cpus[number].busy_pct)
    busy_pct, all_pct = usage.cpus[busiest].busy_pct, usage.all.busy_pct
    hot = busy_pct >= case.limit("info_pct") and all_pct <= case.limit("all_at_most_pct")
    summary = f"cpu{busiest} is busy {busy_pct:.1f}% of the time, all CPUs together {all_pct:.1f}%"
    yield _found(case, "info" if hot else "ok", busy_pct, summary, cpu=f"cpu{busiest}" if hot else "cpu")


@check(
    "cpu.softirq_hot",
    title="One CPU busy with interrupts",
    formula="d(irq+softirq) / d(total) of each CPU",
    unit="%",
    thresholds={"warning_pct": 50},
    source="kdiag's own",
    because="Interrupts take most of this CPU: tasks on it stand still, and packets may be dropped.",
    next="kdiag snapshot --section interrupts",
)
def softirq_hot(case: Case) -> Iterator[Finding]:
    """Find the CPUs that serve interrupts and softirqs most of the time."""
    usage = _each_cpu(cpu_usage(case.window))
    served = []
    for number, times in usage.cpus.items():
        irq_pct = known(case.window.after, times.irq_pct, _STAT, "the column irq")
        soft_pct = known(case.window.after, times.soft_pct, _STAT, "the column softirq")
        served.append((irq_pct + soft_pct, -number, irq_pct))
    served.sort(reverse=True)
    hot = [] if case.window.since_boot else [each for each in served if case.above(each[0]) != "ok"]
    for both_pct, number, irq_pct in hot[:_SHOWN_CPUS]:
        summary = (
            f"cpu{-number} serves interrupts {both_pct:.1f}% of the time "
            f"({both_pct - irq_pct:.1f}% softirq, {irq_pct:.1f}% irq)"
        )
        yield _found(case, "warning", both_pct, summary, cpu=f"cpu{-number}")
    if len(hot) > _SHOWN_CPUS:
        both_pct = hot[_SHOWN_CPUS][0]
        summary = f"CPUs beyond these: {len(hot) - _SHOWN_CPUS}, busy with interrupts {both_pct:.1f}% at most"
        yield _found(case, "warning", both_pct, summary)
    if not hot:
        both_pct, number, _ = served[0]
        yield _found(
            case, "ok", both_pct, f"cpu{-number} serves most interrupts: {both_pct:.1f}% of its time"
        )


@check(
    "cpu.nice",
    title="CPU time of nice tasks",
    formula="d(nice) / d(total - idle - iowait), if the CPUs are busy enough for it to matter",
    unit="%",
    thresholds={"info_pct": 50, "busy_pct": 10},
    source="kdiag's own",
    because="Most of the CPU time goes to tasks that asked to yield to others (nice above 0): batch work.",
    next=_TOP,
)
def nice(case: Case) -> Iterator[Finding]:
    """Say whether what keeps the CPUs busy yields to everything else."""
    times = cpu_usage(case.window).all
    busy_pct, nice_pct = times.busy_pct, times.nice_pct + (times.gnice_pct or 0)
    of_busy_pct = 100 * nice_pct / busy_pct if busy_pct else 0.0
    mostly = of_busy_pct >= case.limit("info_pct") and busy_pct >= case.limit("busy_pct")
    summary = f"nice tasks have {of_busy_pct:.1f}% of the CPU time in use ({nice_pct:.1f}% of all)"
    yield _found(case, "info" if mostly else "ok", of_busy_pct, summary)


@check(
    "cpu.guest",
    title="CPU time of guests",
    formula=f"d(guest+guest_nice) / {_TOTAL}",
    unit="%",
    thresholds={"info_above_pct": 0},
    source="kdiag's own",
    because="This host runs virtual machines; user time includes theirs, and is shown without it.",
    next=_PER_CPU,
)
def guest(case: Case) -> Iterator[Finding]:
    """Say that virtual machines run here, and how much of user time is theirs."""
    times = cpu_usage(case.window).all
    known(case.window.after, times.guest_pct, _STAT, "the column guest")
    guests_pct = times.guests_pct
    summary = (
        f"guests of this host use {guests_pct:.1f}% of the CPU time, "
        f"other programs {times.usr_pct + times.nice_pct:.1f}%"
    )
    runs_guests = guests_pct > case.limit("info_above_pct")
    yield _found(case, "info" if runs_guests else "ok", guests_pct, summary)


@check(
    "cpu.runq",
    title="Run queue",
    formula="(procs_running - 1) / online CPUs, the lower of both readings (the 1 is the reader itself)",
    unit="per CPU",
    thresholds={"warning_above_per_cpu": 1, "critical_above_per_cpu": 3},
    source="Gregg: r of vmstat above the number of CPUs; the critical one is kdiag's own",
    because="More tasks want a CPU than there are CPUs: the others wait.",
    next=_TOP,
)
def run_queue(case: Case) -> Iterator[Finding]:
    """Judge how many tasks run or wait for a CPU. One count is chance, so both have to be high."""
    window, cpus = case.window, _cpus(case)
    if window.after.stat is None:
        raise CannotJudge(_STAT, window.after.why_missing(_STAT))
    now = known(window.after, runnable_tasks(window.after), _STAT, "procs_running")
    earlier = None if window.before is None else runnable_tasks(window.before)
    if earlier is None and now > case.limit("warning_above_per_cpu") * cpus:
        raise CannotJudge(
            _STAT, f"tasks that run or wait: {now} on {cpus} CPUs, which in one reading alone may be chance"
        )
    tasks = now if earlier is None else min(now, earlier)
    per_cpu = tasks / cpus
    status = "ok"
    for level in ("warning", "critical"):
        if per_cpu > case.limit(f"{level}_above_per_cpu"):
            status = level
    counted = f"{now}" if earlier is None else f"{earlier}, then {now}"
    summary = f"tasks that run or wait for a CPU: {counted}; CPUs: {cpus}"
    yield case.finding(status, per_cpu, summary, case.evidence(_STAT, "procs_running"), basis=INSTANT)


@check(
    "cpu.load",
    title="Load average",
    formula="load1, load5, load15 per online CPU; critical with cpu.psi or task.d_state, info if both are ok",
    unit="per CPU",
    thresholds={"load1_warning_per_cpu": 8, "load5_warning_per_cpu": 4, "load15_warning_per_cpu": 2},
    source="netdata: 8, 4 and 2 for each CPU",
    because="Many tasks run, wait for a CPU or are blocked (state D): load counts all of them alike.",
    next="kdiag snapshot --section load",
    essential=True,
)
def load(case: Case) -> Iterator[Finding]:
    """Judge the load averages, the weakest sign: by what pressure and blocked tasks say as well."""
    sample, cpus = case.window.after, _cpus(case)
    loads = sample.loadavg
    if loads is None:
        raise CannotJudge(_LOADAVG, sample.why_missing(_LOADAVG))
    averages = (("load1", loads.load1), ("load5", loads.load5), ("load15", loads.load15))
    per_cpu = {name: known(sample, value, _LOADAVG, name) / cpus for name, value in averages}
    shown = ", ".join(f"{value:.2f}" for _, value in averages)
    reached = [name for name in per_cpu if per_cpu[name] >= case.limit(f"{name}_warning_per_cpu")]
    status = "ok"
    if reached:
        others = {case.status_of("cpu.psi"), case.status_of("task.d_state")}
        status = "critical" if "critical" in others else "info" if others == {"ok"} else "warning"
    yield case.finding(
        status,
        per_cpu[reached[0] if reached else "load1"],
        f"load {shown} over 1, 5 and 15 min, CPUs: {cpus}; now {_parts(case)}",
        case.evidence(_LOADAVG),
        case.evidence(_STAT, "procs_running"),
        basis=INSTANT,
    )


def _parts(case: Case) -> str:
    running, blocked = runnable_tasks(case.window.after), blocked_tasks(case.window.after)
    of_running = "an unknown number" if running is None else f"{running}"
    if blocked is None:
        of_blocked = "an unknown number"
    else:
        of_blocked = f"{blocked.threads}" if blocked.all_seen else f"{blocked.threads} or more"
    return f"{of_running} run or wait for a CPU, {of_blocked} blocked in state D"


@check(
    "cpu.load_blocked",
    title="Load that is blocked tasks",
    formula="threads in state D / load1, if load1 is above the number of CPUs",
    unit="%",
    thresholds={"info_pct": 50, "load1_above_per_cpu": 1},
    source="kdiag's own",
    because="The load is tasks blocked in the kernel (storage, NFS), not tasks that want a CPU.",
    next="kdiag snapshot --section blocked",
)
def load_blocked(case: Case) -> Iterator[Finding]:
    """Say whether a high load is tasks in state D rather than work for the CPUs."""
    sample, cpus = case.window.after, _cpus(case)
    if sample.loadavg is None:
        raise CannotJudge(_LOADAVG, sample.why_missing(_LOADAVG))
    load1 = known(sample, sample.loadavg.load1, _LOADAVG, "load1")
    if load1 <= case.limit("load1_above_per_cpu") * cpus:
        summary = f"load1 is {load1:.2f}, no more than the CPUs ({cpus}) can run"
        yield case.finding("ok", None, summary, case.evidence(_LOADAVG), basis=INSTANT)
        return
    blocked = blocked_tasks(sample)
    if blocked is None:
        raise CannotJudge(_TASKS, "no task is seen")
    share_pct = 100 * blocked.threads / load1
    mostly = share_pct >= case.limit("info_pct")
    if not mostly and not blocked.all_seen:
        raise CannotJudge(
            _TASKS, f"load1 is {load1:.2f}, and not all threads are seen: some may be in state D"
        )
    summary = f"tasks blocked in state D: {blocked.threads}, load1 is {load1:.2f}"
    yield case.finding("info" if mostly else "ok", share_pct, summary, case.evidence(_LOADAVG), basis=INSTANT)


CHECKS = (
    run_queue,
    steal,
    kernel_time,
    softirq_hot,
    util,
    one_hot,
    iowait,
    nice,
    guest,
    load,
    load_blocked,
)
