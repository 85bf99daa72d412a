"""How much slower a loop of system calls gets while it is watched: kdiag and its peers, in one run.

The loop is ``dd bs=1``: a read and a write of one byte each time, so nearly nothing but system calls. What
counts is the time that dd itself reports, for setting up and summing up do not slow it down. Tools that are
slow get fewer calls, so that all run about as long.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

from bench.claims import Claim, Report, Table, median, ratio
from bench.measure import CannotMeasure, environment
from bench.rounds import Rounds

__all__ = ["dd_seconds", "tracing"]

#: Aims: so many times as slow with begin and end of every call looked at, or with begins counted alone.
MOST_SLOWDOWN, MOST_SLOWDOWN_COUNTS = 2.0, 1.6
_MOST_ROUNDS = 5
_SCRIPT = os.path.join(os.path.dirname(sys.executable), "kdiag")
_KDIAG = [_SCRIPT, "path"]
_SYSCOUNT = [_SCRIPT, "syscount", "--json", "--backend"]
_COPIED = re.compile(r"copied, ([0-9.e+-]+) s,")
_BOTH = ("raw_syscalls:sys_enter", "raw_syscalls:sys_exit")
_COUNT_IN_MAP = "tracepoint:raw_syscalls:sys_enter { @[args->id] = count(); }"


class Way(NamedTuple):
    """A way of watching: what it is called, how many bytes dd copies, and how a run is made."""

    title: str
    bytes: int
    run: "Callable[[List[str]], subprocess.CompletedProcess[str]]"
    program: str = ""
    """What must be installed."""


def dd_seconds(errors: str) -> float:
    """Return the time that dd says it took.

    >>> dd_seconds("5 bytes copied, 0.25 s, 1.2 kB/s"), dd_seconds("1 byte copied, 1.5e-05 s, 65.1 kB/s")
    (0.25, 1.5e-05)
    """
    found = _COPIED.search(errors)
    if found is None:
        raise CannotMeasure(f"dd did not tell its time: {errors.strip()[-200:]}")
    return float(found[1])


def tracing(rounds: Rounds) -> Report:
    """Measure all ways by turns."""
    number = min(rounds.rounds, _MOST_ROUNDS)
    rounds.say(f"{number} rounds of a loop of system calls, watched in {len(_WAYS)} ways")
    took: Dict[str, List[float]] = {name: [] for name in _WAYS}
    missing = {
        name: f"{way.program} is not installed"
        for name, way in _WAYS.items()
        if way.program and shutil.which(way.program) is None
    }
    lost: List[str] = []
    for _ in range(number):
        for name, way in _WAYS.items():
            if name in missing:
                continue
            try:
                seconds = _one(way, name, lost)
            except CannotMeasure as error:
                missing[name] = str(error)
                continue
            took[name].append(seconds / way.bytes)
    if not took["untraced"]:
        raise CannotMeasure(f"the loop cannot be run: {missing.get('untraced', '')}")
    claims = [_claim(name, took, missing) for name in _WAYS if name != "untraced"]
    return Report(
        "tracing",
        "Slowdown of a loop of system calls (`dd bs=1`)",
        tuple(claims),
        (_table(took),),
        _notes(lost),
    )


def _one(way: Way, name: str, lost: List[str]) -> float:
    done = way.run(["dd", "if=/dev/zero", "of=/dev/null", "bs=1", f"count={way.bytes}"])
    if done.returncode:
        raise CannotMeasure(f"ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    if name.startswith("kdiag") and done.stdout.startswith("{"):
        lost.append(f"{way.title}: {_lost(done.stdout)}")
    return dd_seconds(done.stderr)


def _lost(document: str) -> str:
    told: Any = json.loads(document).get("lost", {})
    return f"{told.get('events', 0)} events lost" if isinstance(told, dict) else f"{told} events lost"


def _claim(name: str, took: Dict[str, List[float]], missing: Dict[str, str]) -> Claim:
    what = f"times as slow: {_WAYS[name].title}"
    aim = _AIMS.get(name)
    if not took[name]:
        return Claim(what, "x", None, None, aim, missing.get(name, "no run ended well"))
    base = took["untraced"]
    return Claim(what, "x", ratio(min(took[name]), min(base)), ratio(median(took[name]), median(base)), aim)


def _table(took: Dict[str, List[float]]) -> Table:
    rows = [
        (_WAYS[name].title, _WAYS[name].bytes, round(min(each) * 1e9 / 2))
        for name, each in took.items()
        if each
    ]
    return Table(
        "Nanoseconds a system call, the least of all rounds", ("way", "bytes copied", "ns"), tuple(rows)
    )


def _notes(lost: List[str]) -> Tuple[str, ...]:
    seen: Dict[str, None] = dict.fromkeys(lost)
    return (
        "Nothing that records both events in the kernel's ring buffer can be cheaper than the bare buffer.",
        *sorted(seen),
    )


def _command(*words: str) -> "Callable[[List[str]], subprocess.CompletedProcess[str]]":
    def run(loop: List[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*words, *loop],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
        )

    return run


def _bpftrace(loop: List[str]) -> "subprocess.CompletedProcess[str]":
    done = _command("bpftrace", "-q", "-e", _COUNT_IN_MAP, "-c")(
        [" ".join([shutil.which("dd") or "dd", *loop[1:]])]
    )
    if done.returncode or "copied" not in done.stderr:
        raise CannotMeasure(f"bpftrace: {(done.stderr or done.stdout).strip()[-200:]}")
    return done


def _bare(loop: List[str]) -> "subprocess.CompletedProcess[str]":
    """Record both events in a private buffer that nobody reads."""
    from kdiag.ftrace.session import Session
    from kdiag.ftrace.tracefs import NoTraceFs, TraceFsError, find_tracefs
    from kdiag.host.live import LiveHost

    host = LiveHost()
    try:
        with Session(find_tracefs(host), host, label="bench") as session:
            for event in _BOTH:
                session.enable(*event.split(":"))
            session.start()
            return _command()(loop)
    except (NoTraceFs, TraceFsError) as error:
        raise CannotMeasure(str(error)) from error


#: In the order in which they take turns.
_WAYS: Dict[str, Way] = {
    "untraced": Way("untraced", 400_000, _command()),
    "kdiag": Way("kdiag path --all", 400_000, _command(*_KDIAG, "--all", "--json", "--")),
    "kdiag bpf": Way("kdiag syscount by bpf: times and errors of all calls", 400_000,
                     _command(*_SYSCOUNT, "bpf", "--")),
    "kdiag both": Way("kdiag syscount by bpf, by process and call", 400_000,
                      _command(*_SYSCOUNT, "bpf", "--by", "both", "--")),
    "kdiag counts": Way("kdiag syscount by bpf, --counts-only", 400_000,
                        _command(*_SYSCOUNT, "bpf", "--counts-only", "--")),
    "kdiag ftrace": Way("kdiag syscount by ftrace: times and errors of all calls", 400_000,
                        _command(*_SYSCOUNT, "ftrace", "--")),
    "kdiag bcc": Way("kdiag syscount by bcc: times and errors of all calls", 400_000,
                     _command(*_SYSCOUNT, "bcc", "--")),
    "kdiag lines": Way("kdiag syscalls by bpf: a line for each call", 20_000,
                       _command(_SCRIPT, "syscalls", "--backend", "bpf", "-e", "read,write", "--")),
    "bare": Way("the bare ring buffer, both events, nobody reads", 400_000, _bare),
    "bpftrace": Way("bpftrace that counts begins in a map", 400_000, _bpftrace, "bpftrace"),
    "perf begins": Way("perf stat that counts begins", 400_000,
                       _command("perf", "stat", "-e", _BOTH[0]), "perf"),
    "perf stat": Way("perf stat that counts both events", 400_000,
                     _command("perf", "stat", *(word for event in _BOTH for word in ("-e", event))), "perf"),
    "kdiag read": Way("kdiag path read, stacks of all events in it", 40_000,
                      _command(*_KDIAG, "read", "--json", "--")),
    "perf trace": Way("perf trace -s", 20_000, _command("perf", "trace", "-s"), "perf"),
    "strace": Way("strace -c", 20_000, _command("strace", "-c"), "strace"),
}  # fmt: skip
_AIMS = {"kdiag": MOST_SLOWDOWN, "kdiag bpf": MOST_SLOWDOWN, "kdiag counts": MOST_SLOWDOWN_COUNTS}
