"""What load is made of at one moment: tasks that run or wait for a CPU, and tasks blocked in state D.

The load averages (kernel/sched/loadavg.c) count both alike, so a load says nothing before it is split.
"""

from typing import Optional

from kdiag.health.figures.tasks import WHOLE_VIEW_PCT, share_in_sight_pct
from kdiag.health.sample import Sample
from kdiag.records import NamedTuple

__all__ = ["BlockedTasks", "blocked_tasks", "runnable_tasks"]


class BlockedTasks(NamedTuple):
    """How many threads are in state D. If not ``all_seen``, there may be more of them."""

    threads: int
    all_seen: bool


def runnable_tasks(sample: Sample) -> Optional[int]:
    """Return how many threads run or wait for a CPU, without the reader.

    Whoever reads ``/proc/stat`` is on a CPU meanwhile and counts itself among ``procs_running``.
    """
    if sample.stat is None or sample.stat.procs_running is None:
        return None
    # The counts of the CPUs are added up without a lock, so a reader that is moved meanwhile may be missed.
    return max(0, sample.stat.procs_running - 1)


def blocked_tasks(sample: Sample) -> Optional[BlockedTasks]:
    """Return how many threads are in state D, ``None`` if no task is seen at all.

    ``procs_blocked`` is not it: that counts what waits for I/O, in whatever state.
    """
    if not sample.tasks:
        return None
    leaders = sum(task.stat.state == "D" for task in sample.tasks.values())
    return BlockedTasks(leaders + len(sample.threads), _all_seen(sample))


def _all_seen(sample: Sample) -> bool:
    loads = sample.loadavg
    if sample.threads_skipped:
        return False
    if loads is None or loads.load1 is None or loads.total_threads is None:
        return True
    # A thread that stays blocked is in the load, so below 1 none is missed.
    seen_pct = share_in_sight_pct(sample)
    return loads.load1 < 1 or seen_pct is None or seen_pct >= WHOLE_VIEW_PCT
