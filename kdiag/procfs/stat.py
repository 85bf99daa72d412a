"""``/proc/stat``: CPU time by state, and counts of interrupts, switches, forks and runnable threads.

Documented in Documentation/filesystems/proc.rst and proc(5), made by fs/proc/stat.c. CPU times are clock
ticks (USER_HZ, which the file does not tell) since boot; ``btime`` is seconds since 1970.

Columns of a ``cpu`` line by kernel: iowait since 2.5.41, irq and softirq since 2.6.0, steal since 2.6.11,
guest since 2.6.24, guest_nice since 2.6.33. The ``softirq`` line carries no names; its kinds are named here
only where there are at least the ten of include/linux/interrupt.h.

Traps. guest is inside user and guest_nice inside nice, so only the first eight columns add up to the time
that passed (and in a difference of two readings guest may exceed user a little). idle and iowait can go
back: a CPU that left and came back starts both at 0, and iowait is unreliable at any time (proc.rst). The
``cpu`` line sums all possible CPUs, ``cpuN`` lines stand for online ones only. ``procs_blocked`` counts the
tasks that wait for I/O (nr_iowait), not those in state D. ``procs_running`` and ``processes`` count threads.
``btime`` moves when the clock is set. After its total, ``intr`` has one number for each interrupt line of
the machine, thousands on big ones: they are not looked at.
"""

from typing import Dict, List, Mapping, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem, unsigned
from kdiag.records import NamedTuple

__all__ = ["CpuTimes", "SoftirqTotals", "Stat", "parse_stat"]


class CpuTimes(NamedTuple):
    """One ``cpu`` line. A column that the kernel does not print is ``None``; new ones are in ``extra``."""

    user_ticks: int
    nice_ticks: int
    system_ticks: int
    idle_ticks: int
    iowait_ticks: Optional[int] = None
    irq_ticks: Optional[int] = None
    softirq_ticks: Optional[int] = None
    steal_ticks: Optional[int] = None
    guest_ticks: Optional[int] = None
    guest_nice_ticks: Optional[int] = None
    extra: Tuple[int, ...] = ()

    @property
    def total_ticks(self) -> int:
        """All time of this CPU: the first eight columns, as guest time is inside user and nice already.

        >>> CpuTimes(100, 20, 30, 400, 5, 1, 2, 3, 90, 10).total_ticks
        561
        """
        late = (self.iowait_ticks, self.irq_ticks, self.softirq_ticks, self.steal_ticks)
        return sum(self[:4]) + sum(ticks for ticks in late if ticks is not None)


class SoftirqTotals(NamedTuple):
    """The ``softirq`` line: softirqs served since boot, in all and by kind (in the order of interrupt.h)."""

    total: int
    hi: Optional[int] = None
    timer: Optional[int] = None
    net_tx: Optional[int] = None
    net_rx: Optional[int] = None
    block: Optional[int] = None
    irq_poll: Optional[int] = None
    tasklet: Optional[int] = None
    sched: Optional[int] = None
    hrtimer: Optional[int] = None
    rcu: Optional[int] = None
    extra: Tuple[int, ...] = ()


class Stat(NamedTuple):
    """The whole file. ``cpu`` is the sum over all CPUs, ``cpus`` holds the online ones by CPU number."""

    cpu: Optional[CpuTimes]
    cpus: Mapping[int, CpuTimes]
    intr_total: Optional[int]
    ctxt: Optional[int]
    btime_s: Optional[int]
    processes: Optional[int]
    procs_running: Optional[int]
    procs_blocked: Optional[int]
    softirq: Optional[SoftirqTotals]
    extra: Mapping[str, str]
    problems: Tuple[Problem, ...] = ()


_TEN_ABSENT = (None,) * 10
_LONGEST_CPU_LINE = 2000
_COUNTS = (b"ctxt", b"btime", b"processes", b"procs_running", b"procs_blocked")


def parse_stat(data: bytes, path: str = "/proc/stat") -> Stat:
    r"""Parse ``/proc/stat``.

    >>> parsed = parse_stat(
    ...     b"cpu  1799 0 1116 112644 76 0 14 7 0 0\n"
    ...     b"cpu1 1469 0 697 55598 73 0 9 5 0 0\n"
    ...     b"intr 83288 0 0 1 12\n"
    ...     b"ctxt 178635\n"
    ...     b"btime 1795193367\n")
    >>> parsed.cpu.steal_ticks, parsed.cpus[1].idle_ticks, parsed.intr_total, parsed.procs_running
    (7, 55598, 83288, None)
    """
    problems: List[Problem] = []
    cpu: Optional[CpuTimes] = None
    cpus: Dict[int, CpuTimes] = {}
    intr_total: Optional[int] = None
    counts: Dict[bytes, int] = {}
    softirq: Optional[SoftirqTotals] = None
    extra: Dict[str, str] = {}
    for number, line in complete_lines(data, path, problems):
        keyword, _, rest = line.partition(b" ")
        if keyword[:3] == b"cpu":
            times = _parse_cpu(rest)
            cpu_number = unsigned(keyword[3:])
            if times is None or (cpu_number is None and keyword != b"cpu"):
                problems.append(problem(path, number, line, "cpu[N] followed by 4 or more numbers"))
            elif cpu_number is None:
                cpu = times
            else:
                cpus[cpu_number] = times
        elif keyword == b"intr":
            intr_total = unsigned(rest.partition(b" ")[0])
            if intr_total is None:
                problems.append(problem(path, number, line, "intr N ..."))
        elif keyword in _COUNTS:
            count = unsigned(rest)
            if count is None:
                problems.append(problem(path, number, line, f"{decode(keyword)} N"))
            else:
                counts[keyword] = count
        elif keyword == b"softirq":
            softirq = _parse_softirq(rest)
            if softirq is None:
                problems.append(problem(path, number, line, "softirq followed by numbers"))
        elif keyword:
            extra[decode(keyword)] = decode(rest)
        else:
            problems.append(problem(path, number, line, "a keyword and its numbers"))
    return Stat(
        cpu,
        cpus,
        intr_total,
        counts.get(b"ctxt"),
        counts.get(b"btime"),
        counts.get(b"processes"),
        counts.get(b"procs_running"),
        counts.get(b"procs_blocked"),
        softirq,
        extra,
        tuple(problems),
    )


def _parse_cpu(text: bytes) -> Optional[CpuTimes]:
    # Runs once for each of up to 8192 CPUs: one digit check for the whole line, where int() alone would
    # take "+5" and "1_0", and refuses a token of thousands of digits with an exception.
    columns = text.split()
    if len(columns) < 4 or len(text) > _LONGEST_CPU_LINE or not b"".join(columns).isdigit():
        return None
    ticks = list(map(int, columns))
    return CpuTimes._make([*ticks[:10], *_TEN_ABSENT[len(ticks) :], tuple(ticks[10:])])


def _parse_softirq(text: bytes) -> Optional[SoftirqTotals]:
    columns = [unsigned(token) for token in text.split()]
    counts = [count for count in columns if count is not None]
    if not counts or len(counts) != len(columns):
        return None
    total, *kinds = counts
    if len(kinds) < 10:
        return SoftirqTotals(total, extra=tuple(kinds))
    return SoftirqTotals._make([total, *kinds[:10], tuple(kinds[10:])])
