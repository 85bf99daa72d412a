"""runqlat under a known load: two loops that share a CPU, held against what the kernel says they waited."""

import json
import os
from typing import Any, Dict, List

import pytest

from tests.live.looking import skip_unless_all_switches_are_recorded
from tests.live.traced import kdiag, python

pytestmark = pytest.mark.needs("root", "run delay", "kernel's PIDs")

#: Two processes on one CPU, each for a second and a half of that CPU; they print what the kernel says.
_LOAD = """
import os, sys, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
def burn():
    end = time.process_time() + 0.4
    while time.process_time() < end: pass
    delay = int(open('/proc/self/schedstat').read().split()[1])
    os.write(2, f'{os.getpid()} {delay}\\n'.encode())
pid = os.fork()
burn()
if pid: os.waitpid(pid, 0)
os._exit(0)
"""


def _ran(backend: str) -> "tuple[Dict[int, Dict[str, Any]], Dict[int, int], Dict[str, Any]]":
    done = kdiag("runqlat", "--backend", backend, "--json", "--", *python(_LOAD))
    if done.returncode == 3 and "nothing on this host can answer that" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    document: Dict[str, Any] = json.loads(done.stdout)
    lines: List[List[str]] = [line.split() for line in done.stderr.splitlines()]
    return {row["pid"]: row for row in document["rows"]}, {int(a): int(b) for a, b in lines}, document


@pytest.mark.parametrize("backend", ["bcc", "bpf", "ftrace"])
def test_waits_are_as_long_as_the_kernel_says(backend: str) -> None:
    rows, delays, document = _ran(backend)
    skip_unless_all_switches_are_recorded(document)
    assert (len(delays), document["lost"], document["lost_map_entries"]) == (2, 0, 0)
    for pid, delay_ns in delays.items():
        # What came after the load had read its own figure, and before it was watched, is in one of the two.
        assert rows[pid]["total_ns"] == pytest.approx(delay_ns, rel=0.1, abs=30e6)
        assert 0 < rows[pid]["max_ns"] <= rows[pid]["total_ns"]
    (histogram,) = document["histograms"]
    assert histogram["total"] == sum(row["waits"] for row in rows.values())


def test_each_row_has_a_histogram_if_asked_for() -> None:
    done = kdiag("runqlat", "--backend", "ftrace", "-P", "--json", "--for", "0.5")
    if done.returncode == 3 and "nothing on this host can answer that" in done.stderr:
        pytest.skip(done.stderr.strip())
    document = json.loads(done.stdout)
    assert len(document["histograms"]) == 1 + len(document["rows"])
    for row, histogram in zip(document["rows"], document["histograms"][1:]):
        assert histogram["total"] == row["waits"]


@pytest.mark.parametrize("backend", ["bpf", "ftrace", "procfs"])
def test_it_ends_after_so_many_intervals(backend: str) -> None:
    done = kdiag("runqlat", "--backend", backend, "--json", "--interval", "0.4", "--count", "2", timeout=60)
    if done.returncode == 3 and "nothing on this host can answer that" in done.stderr:
        pytest.skip(done.stderr.strip())
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["kind"] for line in lines] == ["begin", "summary", "summary", "end"]
    assert lines[-1]["ended"] == "all intervals are over"


def test_sums_of_procfs_are_those_of_the_kernel() -> None:
    done = kdiag("runqlat", "--backend", "procfs", "--json", "--for", "0.5", "-p", str(os.getpid()))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["missing"] == {"max_ns": "the kernel keeps sums alone"}
