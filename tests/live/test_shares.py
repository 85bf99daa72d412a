"""Shares of time under a load that keeps every CPU busy, against the kernel's own counts of the same tasks.

A share is held between two counts that this test takes itself: one over a time that lies within kdiag's
window, and one over a time around it. 3 clock ticks are given way to (10 ms each; the kernel counts in whole
ones), and what ``Look.assert_within`` says.
"""

import contextlib
import os
import time
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple

import pytest

from tests.live import loads
from tests.live.looking import Look, Slept, looking

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
ALLOWED_TICKS = 3
CPUS = os.cpu_count() or 1
WINDOW_S = 2.0
TRIES = 3


class Counts(NamedTuple):
    """What the kernel has counted so far."""

    ticks: Dict[int, int]
    """User and system time of each burning process."""
    user_ticks: Dict[int, int]
    """Of these, the user time: the system time of a nice task counts as system time."""
    delay_ns: Dict[int, int]
    """How long each was ready to run and did not."""
    stall_us: int
    """Time in which some task waited for a CPU."""
    all_nice_ticks: int
    """Time of all nice tasks, whoever they are."""

    def since(self, before: "Counts") -> "Counts":
        """Return what was counted since an earlier time."""
        return Counts(
            {pid: self.ticks[pid] - before.ticks[pid] for pid in self.ticks},
            {pid: self.user_ticks[pid] - before.user_ticks[pid] for pid in self.user_ticks},
            {pid: self.delay_ns[pid] - before.delay_ns[pid] for pid in self.delay_ns},
            self.stall_us - before.stall_us,
            self.all_nice_ticks - before.all_nice_ticks,
        )


class Busy(NamedTuple):
    """A snapshot of a busy machine, and what was counted within its window and around it."""

    look: Look
    plain: List[loads.Child]
    nice: List[loads.Child]
    inner: Counts
    outer: Counts

    def assert_share(self, pct: float, pids: List[int]) -> None:
        """Hold a share of one CPU's time against what was counted for some processes."""
        self.look.assert_within(
            pct / 100 * TICKS_PER_S,
            sum(self.inner.ticks[pid] for pid in pids) - ALLOWED_TICKS,
            sum(self.outer.ticks[pid] for pid in pids) + ALLOWED_TICKS,
        )


def _counts(children: List[loads.Child]) -> Counts:
    return Counts(
        {each.pid: sum(each.cpu_ticks()) for each in children},
        {each.pid: each.cpu_ticks()[0] for each in children},
        {each.pid: _delay_ns(each.pid) for each in children},
        _stall_us(),
        int(Path("/proc/stat").read_text().split()[2]),
    )


def _delay_ns(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1])
    except FileNotFoundError:
        return 0


def _stall_us() -> int:
    try:
        some = Path("/proc/pressure/cpu").read_text().splitlines()[0]
    except OSError:
        return 0
    return int(some.rpartition("total=")[2])


@pytest.fixture(scope="module")
def busy() -> Iterator[Busy]:
    """Keep all CPUs busy: two tasks for each, one of them nice, and look once."""
    with loads.burning(CPUS) as plain, loads.burning(CPUS, nice=5, name="kd-nice") as nice:
        time.sleep(0.5)
        for tries in range(TRIES):
            with contextlib.suppress(Slept):
                yield _seen(plain, nice, WINDOW_S * (1 + tries))
                return
    raise AssertionError("kdiag woke up too early, each time")


def _seen(plain: List[loads.Child], nice: List[loads.Child], window_s: float) -> Busy:
    children = [*plain, *nice]
    outer = _counts(children)
    with looking(window_s, "--top", "50") as running:
        inner = _counts(children)
        time.sleep(0.8 * window_s)
        inside = _counts(children).since(inner)
        running.still()
        seen = running.result()
    return Busy(seen, plain, nice, inside, _counts(children).since(outer))


def test_the_cpu_time_of_a_process_is_that_which_the_kernel_counted(busy: Busy) -> None:
    for child in (*busy.plain, *busy.nice):
        row = busy.look.row("top", "Top tasks by CPU", pid=child.pid)
        busy.assert_share(row["cpu_pct"], [child.pid])


def test_nice_time_is_that_of_nice_tasks(busy: Busy) -> None:
    row = busy.look.row("cpu", "CPU", cpu="all")
    # Others may be nice too: the most is what the kernel counted for all of them.
    least = sum(busy.inner.user_ticks[child.pid] for child in busy.nice) - ALLOWED_TICKS
    nice_per_s = CPUS * row["nice_pct"] / 100 * TICKS_PER_S
    busy.look.assert_within(nice_per_s, least, busy.outer.all_nice_ticks + ALLOWED_TICKS)
    assert least > 0


def test_the_parts_of_cpu_time_make_up_the_whole(busy: Busy) -> None:
    row = busy.look.row("cpu", "CPU", cpu="all")
    parts = ("usr_pct", "nice_pct", "sys_pct", "iowait_pct", "irq_pct", "soft_pct", "steal_pct", "idle_pct")
    # Guest time is in none of these.
    assert sum(row[part] or 0.0 for part in parts) + (row["guest_pct"] or 0) == pytest.approx(100, abs=0.5)
    assert row["idle_pct"] < 5
    assert busy.look.finding("cpu.util")["value"] > 90


@pytest.mark.needs("run delay")
def test_run_delay_is_that_which_the_kernel_counted(busy: Busy) -> None:
    rows = {row["pid"]: row for row in busy.look.rows("top", "Top tasks by run delay")}
    slice_ns = 0.2e9  # the kernel adds the delay when the task gets its CPU at last
    for child in busy.plain:
        least, most = busy.inner.delay_ns[child.pid], busy.outer.delay_ns[child.pid]
        delay_ns_per_s = rows[child.pid]["delay_pct"] / 100 * 1e9
        busy.look.assert_within(delay_ns_per_s, least - slice_ns, most + slice_ns)


def test_tasks_that_wait_for_a_cpu_are_counted_and_warned_of(busy: Busy) -> None:
    tasks = len(busy.plain) + len(busy.nice)
    assert busy.look.row("load", "Load")["running"] >= tasks
    found = busy.look.finding("cpu.runq")
    assert found["status"] in ("warning", "critical")
    assert found["value"] >= tasks / CPUS or found["value"] >= tasks


@pytest.mark.needs("PSI")
def test_pressure_over_the_window_is_that_which_the_kernel_counted(busy: Busy) -> None:
    row = busy.look.row("pressure", "Pressure (time lost waiting)", resource="cpu", kind="some")
    # The kernel adds up the time stalled every 2 s, and when somebody reads it.
    busy.look.assert_within(row["window_pct"] / 100 * 1e6, busy.inner.stall_us, busy.outer.stall_us)
    # All CPUs have two tasks, but at times one may have three and the other one.
    assert row["window_pct"] > 40
