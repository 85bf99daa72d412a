"""What one event costs with each mechanism of each tool that watches the whole system.

The load runs while the tool does, without being its target. Counted is CPU time: what the load takes more
than untraced, and what kdiag takes meanwhile. From this comes the table in ``kdiag/tools/cost.py``.
"""

import os
import resource
import subprocess
import sys
import threading
import time
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from bench.claims import Claim, Report, Table
from bench.measure import CannotMeasure, environment
from bench.rounds import Rounds
from kdiag.tools.family import TOOLS, tool_named

__all__ = ["costs"]

_SCRIPT = os.path.join(os.path.dirname(sys.executable), "kdiag")
_MOST_ROUNDS = 3
_READY_S = 40.0
_PIPES = """
import os, sys
(a, b), (c, d) = os.pipe(), os.pipe()
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
n = int(sys.argv[1])
if os.fork():
    for _ in range(n): os.write(b, b'x'); os.read(c, 1)
    os.wait()
else:
    for _ in range(n): os.read(a, 1); os.write(d, b'x')
"""
#: A few at a time: who shows each call in a line cannot keep up with more.
_BURSTS = "for i in 1 2 3 4 5; do dd if=/dev/zero of=/dev/null bs=1 count=2000; sleep 0.2; done"
_FORKS = """
import os, sys
for _ in range(int(sys.argv[1])):
    if not os.fork(): os._exit(0)
    os.wait()
"""


class Load(NamedTuple):
    """A command that makes ``events`` of one kind."""

    events: int
    command: List[str]


_LOADS: Dict[str, Load] = {
    "syscalls": Load(400_000, ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=200000"]),
    "syscalls by line": Load(20_000, ["sh", "-c", _BURSTS]),
    "switches": Load(40_000, [sys.executable, "-S", "-c", _PIPES, "20000"]),
    "forks": Load(1000, [sys.executable, "-S", "-c", _FORKS, "1000"]),
}


def costs(rounds: Rounds) -> Report:
    """Measure each mechanism of each tool whose rate has a load here."""
    number = min(rounds.rounds, _MOST_ROUNDS)
    rows: List[Tuple[object, ...]] = []
    claims: List[Claim] = []
    for name in sorted(TOOLS):
        tool = tool_named(name)
        if tool.rate not in _LOADS:
            continue
        load = _LOADS["syscalls by line" if name == "syscalls" else tool.rate]
        for each in tool.mechanisms:
            what = f"{name} by {each.name}"
            rounds.say(f"{number} rounds of {what}, which watches the whole system")
            alone_s: List[float] = []
            watched_s: List[float] = []
            try:
                for _ in range(number):
                    alone_s.append(_load_s(load))
                    watched_s.append(_watched_s(name, each.name, load))
            except CannotMeasure as error:
                claims.append(Claim(what, "ns", None, reason=str(error)))
                continue
            ns = (min(watched_s) - min(alone_s)) * 1e9 / load.events
            rows.append((name, each.name, tool.rate, round(ns)))
    table = Table("Nanoseconds of CPU for one event", ("tool", "mechanism", "event", "ns"), tuple(rows))
    return Report("costs", "What one event costs when all is watched", tuple(claims), (table,))


def _load_s(load: Load) -> float:
    """Run a load and return the CPU seconds that it took with its children."""
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(load.command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise CannotMeasure(f"{load.command[0]} ended with {done.returncode}")
    return ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime


def _watched_s(tool: str, mechanism: str, load: Load) -> float:
    """Return the CPU seconds of a load, and what the tool takes for it more than without it."""
    command = [_SCRIPT, tool, "--backend", mechanism, "--force", "--interval", "1000"]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environment(), "PYTHONUNBUFFERED": "1"},
    ) as watcher:
        try:
            _wait_until_ready(watcher, tool)
            return _during(load, lambda: _cpu_s(watcher.pid))
        finally:
            watcher.terminate()
            watcher.wait()


def _during(load: Load, watcher_s: Callable[[], float]) -> float:
    """Return the CPU seconds of both; what others do meanwhile is taken from the same time before."""
    idle_s, began_s = -watcher_s(), time.monotonic()
    time.sleep(1)
    idle_s = (idle_s + watcher_s()) / (time.monotonic() - began_s)
    spent_s, began_s = -watcher_s(), time.monotonic()
    took_s = _load_s(load)
    time.sleep(0.5)
    spent_s += watcher_s() - idle_s * (time.monotonic() - began_s)
    return took_s + max(0.0, spent_s)


def _wait_until_ready(watcher: "subprocess.Popen[bytes]", tool: str) -> None:
    """Wait for the head, which comes when all is set up; what comes then is thrown away by a thread."""
    ready = threading.Event()
    seen: List[bytes] = []

    def drain() -> None:
        assert watcher.stdout is not None
        while True:
            data: Optional[bytes] = watcher.stdout.read1(65536)  # type: ignore[attr-defined]
            if not data:
                return
            if not ready.is_set():
                seen.append(data)
                ready.set()

    threading.Thread(target=drain, daemon=True).start()
    end_s = time.monotonic() + _READY_S
    while not ready.wait(0.1):
        if watcher.poll() is not None or time.monotonic() > end_s:
            assert watcher.stderr is not None
            why = "not ready in time" if watcher.poll() is None else watcher.stderr.read().decode()[-300:]
            raise CannotMeasure(f"{tool}: {why.strip()}")
    time.sleep(0.3)


def _cpu_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="surrogateescape") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
