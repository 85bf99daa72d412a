"""The estimate of what it costs to watch everybody, under a known rate of events."""

import json
import subprocess
import sys
import threading
import time
from typing import Iterator, List, Tuple

import pytest

from kdiag.host.live import LiveHost
from kdiag.tools.cost import _counted_by_bpf, _counted_by_ftrace, rate_of
from tests.live.traced import kdiag, left_by, tracefs

pytestmark = pytest.mark.needs("root")

#: Calls of getppid, as many as it can, told each tenth of a second: how many so far, and when.
_CALLS = """
import os, time
n = 0
while True:
    end = time.monotonic() + 0.1
    while time.monotonic() < end:
        for _ in range(500): os.getppid()
        n += 500
    print(n, time.monotonic(), flush=True)
"""


@pytest.fixture
def told() -> Iterator[List[Tuple[int, float]]]:
    """Yield a list in which the load tells what it has done."""
    seen: List[Tuple[int, float]] = []
    with subprocess.Popen([sys.executable, "-S", "-c", _CALLS], stdout=subprocess.PIPE, text=True) as load:

        def read() -> None:
            for line in load.stdout or ():
                number, at_s = line.split()
                seen.append((int(number), float(at_s)))

        reader = threading.Thread(target=read)
        reader.start()
        try:
            while len(seen) < 5:
                time.sleep(0.05)
            yield seen
        finally:
            load.kill()
            reader.join()


@pytest.mark.parametrize("count", [_counted_by_bpf, _counted_by_ftrace])
def test_system_calls_are_counted_as_the_load_makes_them(
    count: object, told: List[Tuple[int, float]]
) -> None:
    assert callable(count)
    host = LiveHost()
    try:
        found = [count(host, lambda seconds: time.sleep(10 * seconds)) for _ in range(5)]
    finally:
        host.close()
    (first, began_s), (last, ended_s) = told[0], told[-1]
    load_per_s = (last - first) / (ended_s - began_s)
    # Others make calls, too, and the CPU is not always the load's.
    assert load_per_s * 0.3 < sorted(found)[2] < load_per_s * 5 + 200_000
    assert left_by(tracefs(), 0) == []


def test_rates_of_proc_are_those_of_a_moment() -> None:
    host = LiveHost()
    try:
        for what in ("switches", "forks", "block"):
            began_s = time.monotonic()
            rate = rate_of(host, what)
            assert rate.per_s is not None and rate.per_s >= 0
            assert rate.online_cpus
            assert time.monotonic() - began_s < 5
    finally:
        host.close()


def test_the_head_tells_it_and_a_target_has_none() -> None:
    done = kdiag("syscount", "--json", "--for", "0.1")
    assert done.returncode == 0, done.stderr
    cost = json.loads(done.stdout)["cost"]
    assert cost["what"] == "system calls"
    assert cost["per_s"] > 0
    done = kdiag("syscount", "--json", "--", "true")
    assert json.loads(done.stdout)["cost"] is None


def test_what_would_cost_too_much_is_refused_and_nothing_is_left(told: List[Tuple[int, float]]) -> None:
    done = kdiag("syscalls", "--for", "0.1")
    assert done.returncode == 3
    assert "more than 5 %" in done.stderr and "--force" in done.stderr
    assert done.stdout == ""
