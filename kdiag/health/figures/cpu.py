"""CPU time between two readings of ``/proc/stat``, as shares of one CPU or of all that add up to 100 %.

The columns are documented in Documentation/filesystems/proc.rst; what makes their difference hard:

- guest is inside user and guest_nice inside nice, so only eight columns are time that passed. All are read
  without a lock, so guest may grow by a tick more than user in one window.
- idle and iowait may step back a little at any time (proc.rst), user and nice on nohz_full CPUs
  (kcpustat_cpu_fetch() adds what was not accounted yet), steal where the hypervisor corrects it. Such a
  step counts as 0.
- A CPU that left and came back goes on with user, nice and system, but idle and iowait start at 0 again. By
  the drop it is told from a small step, and left out: with idle clamped to 0 it would look fully busy.
- The steal counter of a guest may jump far ahead when it is moved to another hypervisor.
- The ``cpu`` line has the same troubles summed up. It is used where no CPU is left out, else the others are
  added up.
"""

from functools import lru_cache
from typing import Dict, Iterable, List, Mapping, Optional, Union

from kdiag.health.sample import Sample
from kdiag.health.window import CannotJudge, Window
from kdiag.procfs.stat import CpuTimes, Stat
from kdiag.records import NamedTuple

__all__ = ["CpuShares", "CpuUsage", "cpu_usage", "elapsed_ticks", "growth", "shares"]

_PATH = "/proc/stat"
#: A column that drops by as much as this did not merely step back. (node_exporter's measure as well.)
_RESTART_S = 3
#: USER_HZ where it is not known: the least of all architectures (alpha and ia64 have 1024).
_LEAST_TICKS_PER_S = 100
#: More than this many times the time that passed, and a second, is no CPU time but a counter that jumped.
_JUMP_FACTOR = 2


class CpuShares(NamedTuple):
    """Per cent of the time of one CPU, or of all, by state as mpstat names them; they add up to 100.

    ``usr`` and ``nice`` are without guests. A state that the kernel does not tell is ``None``.
    """

    usr_pct: float
    nice_pct: float
    sys_pct: float
    iowait_pct: Optional[float]
    irq_pct: Optional[float]
    soft_pct: Optional[float]
    steal_pct: Optional[float]
    guest_pct: Optional[float]
    gnice_pct: Optional[float]
    idle_pct: float

    @property
    def busy_pct(self) -> float:
        """What is neither idle nor waiting for I/O; stolen time counts, as a task wanted it."""
        return max(0.0, 100 - self.idle_pct - (self.iowait_pct or 0))

    @property
    def guests_pct(self) -> float:
        """What guests of this host used, nice or not."""
        return (self.guest_pct or 0) + (self.gnice_pct or 0)


class CpuUsage(NamedTuple):
    """Shares of all CPUs together, and of each; ``left_out`` says of the others why they are not in it."""

    all: CpuShares
    cpus: Mapping[int, CpuShares]
    left_out: Mapping[int, str]
    ticks: int
    """Time that passed on all CPUs together."""


def growth(before: CpuTimes, after: CpuTimes, restart_ticks: int) -> Optional[CpuTimes]:
    """Return how much each column grew, or ``None`` if one dropped by ``restart_ticks`` or more.

    >>> growth(CpuTimes(10, 0, 5, 900, 4), CpuTimes(30, 0, 5, 970, 3), 300)[:5]
    (20, 0, 0, 70, 0)
    >>> growth(CpuTimes(10, 0, 5, 900), CpuTimes(30, 0, 5, 12), 300) is None
    True
    """
    grown: List[Optional[int]] = []
    for old, new in zip(before[:10], after[:10]):
        if old is None or new is None:
            grown.append(None)
        elif old - new >= restart_ticks:
            return None
        else:
            grown.append(max(0, new - old))
    return CpuTimes._make([*grown, ()])


def shares(times: CpuTimes) -> Optional[CpuShares]:
    """Return the share of each state, ``None`` if no time passed.

    >>> shares(CpuTimes(50, 10, 20, 100, 10, 4, 4, 2, 30, 0)).usr_pct   # 30 of the 50 were a guest's
    10.0
    """
    total = times.total_ticks
    if not total:
        return None

    def pct(ticks: Optional[int]) -> Optional[float]:
        return None if ticks is None else 100 * ticks / total

    guest = None if times.guest_ticks is None else min(times.guest_ticks, times.user_ticks)
    guest_nice = None if times.guest_nice_ticks is None else min(times.guest_nice_ticks, times.nice_ticks)
    return CpuShares(
        100 * (times.user_ticks - (guest or 0)) / total,
        100 * (times.nice_ticks - (guest_nice or 0)) / total,
        100 * times.system_ticks / total,
        pct(times.iowait_ticks),
        pct(times.irq_ticks),
        pct(times.softirq_ticks),
        pct(times.steal_ticks),
        pct(guest),
        pct(guest_nice),
        100 * times.idle_ticks / total,
    )


@lru_cache(maxsize=1)  # a dozen checks and tables ask for the same window, which may have thousands of CPUs
def cpu_usage(window: Window) -> CpuUsage:
    """Return how the CPUs spent a window (or their time since boot); raises :class:`CannotJudge`."""
    after = _stat(window.after)
    before = None if window.before is None else _stat(window.before)
    grown: Dict[int, CpuTimes] = {}
    left_out: Dict[int, str] = {}
    most = _most_ticks(window)
    numbers = after.cpus if before is None else sorted({*before.cpus, *after.cpus})
    for number in numbers:
        times = _grown(before, after, number, _restart_ticks(window))
        if isinstance(times, str):
            left_out[number] = times
        elif most is not None and times.total_ticks > most:
            left_out[number] = "its counters jumped"
        else:
            grown[number] = times
    total = _total(before, after, grown, left_out, _restart_ticks(window))
    all_shares = shares(total)
    if all_shares is None:
        raise CannotJudge(_PATH, "no CPU time passed between the readings")
    cpus: Dict[int, CpuShares] = {}
    for number, times in grown.items():
        of_cpu = shares(times)
        if of_cpu is None:
            left_out[number] = "its counters stood still"
        else:
            cpus[number] = of_cpu
    return CpuUsage(all_shares, cpus, left_out, total.total_ticks)


def elapsed_ticks(window: Window) -> Optional[float]:
    """Return how many clock ticks passed in a window (or since boot), ``None`` if nothing tells.

    Where the clock tick is not known (a bare copy of /proc), the CPUs' own time is: that of all of them,
    divided by their number.
    """
    ticks_per_s = window.after.facts.clock_ticks_per_s
    seconds = window.seconds(_PATH)
    if ticks_per_s and seconds:
        return ticks_per_s * seconds
    try:
        usage = cpu_usage(window)
    except CannotJudge:
        return None
    return usage.ticks / len(usage.cpus) if usage.cpus else None


def _stat(sample: Sample) -> Stat:
    if sample.stat is None:
        raise CannotJudge(_PATH, sample.why_missing(_PATH))
    return sample.stat


def _restart_ticks(window: Window) -> int:
    return _RESTART_S * (window.after.facts.clock_ticks_per_s or _LEAST_TICKS_PER_S)


def _most_ticks(window: Window) -> Optional[float]:
    """Return what one CPU cannot pass in a window, ``None`` if that is not known."""
    ticks_per_s, seconds = window.after.facts.clock_ticks_per_s, window.seconds(_PATH)
    if window.before is None or not ticks_per_s or not seconds:
        return None
    return ticks_per_s * (_JUMP_FACTOR * seconds + 1)


def _grown(before: Optional[Stat], after: Stat, number: int, restart_ticks: int) -> Union[CpuTimes, str]:
    """Return how much the columns of one CPU grew, or why that is not known."""
    if before is None:
        return after.cpus[number]
    if number not in before.cpus or number not in after.cpus:
        return "it was not online all the time"
    times = growth(before.cpus[number], after.cpus[number], restart_ticks)
    return "its counters began anew: it left and came back" if times is None else times


def _total(
    before: Optional[Stat],
    after: Stat,
    grown: Mapping[int, CpuTimes],
    left_out: Mapping[int, str],
    restart_ticks: int,
) -> CpuTimes:
    if left_out or after.cpu is None:
        return _sum(grown.values())
    if before is None:
        return after.cpu
    total = None if before.cpu is None else growth(before.cpu, after.cpu, restart_ticks)
    return _sum(grown.values()) if total is None else total


def _sum(all_times: Iterable[CpuTimes]) -> CpuTimes:
    """Add up the columns of some CPUs; what one of them does not have, the sum does not have."""
    columns = list(zip(*(times[:10] for times in all_times)))
    if not columns:
        raise CannotJudge(_PATH, "no CPU has usable times in it")
    return CpuTimes._make([*(None if None in column else sum(column) for column in columns), ()])
