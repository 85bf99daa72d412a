"""Shares of time under a load that keeps every CPU busy, against the kernel's own counts of the same tasks.

A share is held between two counts that this test takes itself: one over a time that lies within kdiag's
window, and one over a time around it. What is given way to: 3 clock ticks (10 ms each; the kernel counts in
whole ones), and 3 % for the ends of the windows.
"""

import contextlib
import os
import time
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Tuple

import pytest

from tests.live import loads
from tests.live.looking import Look, Slept, looking

ALLOWED = 0.03
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
ALLOWED_TICKS = 3
CPUS = os.cpu_count() or 1
WINDOW_S = 2.0
TRIES = 3


class Counts(NamedTuple):
    """What the kernel has counted so far."""

    ticks: Dict[int, int]
    """User and system time of each burning process."""
    delay_ns: Dict[int, int]
    """How long each was ready to run and did not."""
    stall_us: int
    """Time in which some task waited for a CPU."""

    def since(self, before: "Counts") -> "Counts":
        """Return what was counted since an earlier time."""
        return Counts(
            {pid: self.ticks[pid] - before.ticks[pid] for pid in self.ticks},
            {pid: self.delay_ns[pid] - before.delay_ns[pid] for pid in self.delay_ns},
            self.stall_us - before.stall_us,
        )


class Busy(NamedTuple):
    """A snapshot of a busy machine, and what was counted within its window and around it."""

    look: Look
    plain: List[loads.Child]
    nice: List[loads.Child]
    inner: Counts
    outer: Counts

    @property
    def span_ticks(self) -> float:
        """Clock ticks of one CPU in the window."""
        return self.look.duration_s * TICKS_PER_S

    def bounds_pct(self, pids: List[int], of_ticks: float) -> Tuple[float, float]:
        """Return between what the share of some processes lies."""
        least = sum(self.inner.ticks[pid] for pid in pids) * (1 - ALLOWED) - ALLOWED_TICKS
        most = sum(self.outer.ticks[pid] for pid in pids) * (1 + ALLOWED) + ALLOWED_TICKS
        return 100 * least / of_ticks, 100 * most / of_ticks


def _counts(children: List[loads.Child]) -> Counts:
    return Counts(
        {each.pid: sum(each.cpu_ticks()) for each in children},
        {each.pid: _delay_ns(each.pid) for each in children},
        _stall_us(),
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
    """Keep all CPUs busy: twice as many tasks as CPUs, and nice ones, and look once."""
    with loads.burning(2 * CPUS) as plain, loads.burning(CPUS, nice=5, name="kd-nice") as nice:
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
        least_pct, most_pct = busy.bounds_pct([child.pid], busy.span_ticks)
        assert least_pct <= row["cpu_pct"] <= most_pct


def test_nice_time_is_that_of_nice_tasks(busy: Busy) -> None:
    row = busy.look.row("cpu", "CPU", cpu="all")
    least_pct, most_pct = busy.bounds_pct([child.pid for child in busy.nice], CPUS * busy.span_ticks)
    # Others may be nice too, and system time of nice tasks counts as system time: there is next to none here.
    assert least_pct <= row["nice_pct"]
    assert row["nice_pct"] <= most_pct + row["usr_pct"]
    assert row["nice_pct"] >= 1


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
        delay_ns = rows[child.pid]["delay_pct"] / 100 * busy.look.duration_s * 1e9
        least, most = busy.inner.delay_ns[child.pid], busy.outer.delay_ns[child.pid]
        assert least * (1 - ALLOWED) - slice_ns <= delay_ns <= most * (1 + ALLOWED) + slice_ns


def test_tasks_that_wait_for_a_cpu_are_counted_and_warned_of(busy: Busy) -> None:
    tasks = len(busy.plain) + len(busy.nice)
    assert busy.look.row("load", "Load")["running"] >= tasks
    found = busy.look.finding("cpu.runq")
    assert found["status"] in ("warning", "critical")
    assert found["value"] >= tasks / CPUS or found["value"] >= tasks


@pytest.mark.needs("PSI")
def test_pressure_over_the_window_is_that_which_the_kernel_counted(busy: Busy) -> None:
    row = busy.look.row("pressure", "Pressure (time lost waiting)", resource="cpu", kind="some")
    stalled_us = row["window_pct"] / 100 * busy.look.duration_s * 1e6
    # The kernel adds up the time stalled every 2 s, and when somebody reads it.
    assert busy.inner.stall_us * (1 - ALLOWED) <= stalled_us <= busy.outer.stall_us * (1 + ALLOWED)
    assert row["window_pct"] > 80
