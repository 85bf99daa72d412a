"""funccount and funclatency under known loads: every mechanism that works gives the same, exact numbers."""

import json
from typing import Any, Dict, List, Sequence

import pytest

from tests.live.traced import kdiag, python

pytestmark = pytest.mark.needs("root", "tracefs", "kernel's PIDs")

_BACKENDS = ("bcc", "bpf", "ftrace")
_CALLS = (
    "import os, ctypes\nc = ctypes.CDLL(None)\n"
    "for _ in range(23): os.chdir('/'); c.getppid()\n"
    "if not os.fork(): [(os.chdir('/'), c.getppid()) for _ in range(14)]; os._exit(0)\nos.wait()"
)
_SLEEPS = (
    "import ctypes, threading\nc = ctypes.CDLL(None)\n"
    "work = lambda: [c.usleep(1500) for _ in range(5)]\n"
    "threads = [threading.Thread(target=work) for _ in range(2)]\n"
    "[each.start() for each in threads]; [each.join() for each in threads]; c.usleep(90000)"
)
#: Of the kernel: one that every chdir(2) calls once, and nothing else that this load does.
_KERNEL, _USER = "set_fs_pwd", "c:getppid"


def _ran(tool: str, backend: str, function: str, command: Sequence[str]) -> Dict[str, Any]:
    done = kdiag(tool, "--backend", backend, "--json", function, "--", *command)
    if done.returncode == 3 and "nothing on this host can answer that" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    document: Dict[str, Any] = json.loads(done.stdout)
    assert (document["mechanism"]["name"], document["lost"]) == (backend, 0)
    return document


@pytest.mark.parametrize("function", [_KERNEL, _USER])
@pytest.mark.parametrize("backend", _BACKENDS)
def test_calls_are_counted_to_the_last_one(backend: str, function: str) -> None:
    document = _ran("funccount", backend, function, python(_CALLS))
    assert [row["calls"] for row in document["rows"]] == [23 + 14]


@pytest.mark.parametrize("function", [_KERNEL, _USER])
@pytest.mark.parametrize("backend", _BACKENDS)
def test_each_call_is_timed_once(backend: str, function: str) -> None:
    document = _ran("funclatency", backend, function, python(_CALLS))
    (row,), (histogram,) = document["rows"], document["histograms"]
    assert row["calls"] == histogram["total"] == sum(count for _, _, count in histogram["buckets"]) == 37


@pytest.mark.parametrize("backend", _BACKENDS)
def test_times_are_those_of_the_load(backend: str) -> None:
    document = _ran("funclatency", backend, "c:usleep", python(_SLEEPS))
    (row,), (histogram,) = document["rows"], document["histograms"]
    assert row["calls"] == 11
    assert 90e6 <= row["max_ns"] < 400e6
    assert row["total_ns"] >= 10 * 1.5e6 + 90e6
    below: List[int] = [count for _, hi, count in histogram["buckets"] if hi <= 1024]
    assert sum(below) == 0
    assert sum(count for lo, _, count in histogram["buckets"] if lo >= 65536) >= 1


_NESTED = """
import ctypes
c = ctypes.CDLL(None)
kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
one = (ctypes.c_int * 1)(1)
inner = kind(lambda a, b: c.usleep(2000) * 0)
outer = kind(lambda a, b: (c.bsearch(one, one, 1, 4, inner), 0)[1])
c.bsearch(one, one, 1, 4, outer)
"""


@pytest.mark.parametrize("backend", _BACKENDS)
def test_a_function_that_calls_itself_is_timed_at_each_depth(backend: str) -> None:
    """The comparison of a bsearch calls bsearch again: the outer call lasts longer than the inner one."""
    (row,) = _ran("funclatency", backend, "c:bsearch", python(_NESTED))["rows"]
    assert row["calls"] == 2
    assert row["max_ns"] > row["avg_ns"] > 2e6
