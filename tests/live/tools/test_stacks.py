"""profile and offcpu under known loads: what spins, and where somebody sleeps."""

import json
import os
from typing import Any, Dict, List

import pytest

from tests.live.looking import skip_unless_all_switches_are_recorded
from tests.live.traced import kdiag, python

pytestmark = pytest.mark.needs("root", "kernel symbols", "kernel's PIDs")

_SPIN = "import time\nend = time.process_time() + 1\nwhile time.process_time() < end: sum(range(1000))"
#: 20 sleeps of 20 ms, and a read of a pipe that waits for 300 ms.
_SLEEP = """
import os, time
for _ in range(20): time.sleep(0.02)
end, other = os.pipe()
if not os.fork(): time.sleep(0.3); os.write(other, b'x'); os._exit(0)
os.read(end, 1)
os.wait()
"""


def _stacks(*words: str) -> "tuple[List[Dict[str, Any]], Dict[str, Any]]":
    done = kdiag(*words)
    if done.returncode == 3 and "nothing on this host can answer that" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    document: Dict[str, Any] = json.loads(done.stdout)
    return document["stacks"], document


def test_what_spins_has_the_samples() -> None:
    stacks, document = _stacks("profile", "--json", "-F", "99", "--", *python(_SPIN))
    total = sum(row["weight"] for row in stacks)
    # A second of CPU time at 99 a second, and the start of Python, which takes long under emulation.
    assert 60 <= total <= (300 if "KDIAG_LAB" in os.environ else 140)
    user_side = sum(row["weight"] for row in stacks if row["kernel_frames"] == 0)
    assert user_side > 0.6 * total
    assert document["rows"] == []


def test_kernel_stacks_alone_have_no_frames_of_programs() -> None:
    stacks, _ = _stacks("profile", "--json", "-K", "--for", "0.5")
    assert all(row["kernel_frames"] == len(row["frames"]) for row in stacks)


@pytest.mark.parametrize("backend", ["bpf", "ftrace"])
def test_where_a_thread_slept_is_named_with_how_long(backend: str) -> None:
    stacks, document = _stacks("offcpu", "--backend", backend, "--json", "--", *python(_SLEEP))
    slept: Dict[str, int] = {}
    skip_unless_all_switches_are_recorded(document)
    for row in stacks:
        kernel = row["frames"][len(row["frames"]) - row["kernel_frames"] :]
        assert kernel[-1] in ("__schedule", "schedule"), "the tracer's own functions are not left out"
        for place in ("nanosleep", "pipe_read", "wait4"):
            if any(place in frame for frame in kernel):
                slept[place] = slept.get(place, 0) + row["weight"]
    assert document["lost"] == 0
    assert slept["nanosleep"] >= 700_000
    assert slept["pipe_read"] >= 250_000


def test_only_the_states_that_are_asked_for_are_counted() -> None:
    stacks, _ = _stacks("offcpu", "--backend", "ftrace", "--state", "D", "--json", "--", *python(_SLEEP))
    assert not any("nanosleep" in frame for row in stacks for frame in row["frames"])


def test_folded_stacks_are_lines_with_a_number() -> None:
    done = kdiag("offcpu", "--folded", "--", *python(_SLEEP))
    if done.returncode == 3 and "nothing on this host can answer that" in done.stderr:
        pytest.skip(done.stderr.strip())
    lines = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    assert any("nanosleep" in line for line in lines)
    for line in lines:
        stack, _, number = line.rpartition(" ")
        assert stack and int(number) > 0
