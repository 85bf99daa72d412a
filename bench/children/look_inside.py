"""Run ``kdiag snapshot --once`` in this process, time its stages, and note what it asks of the host.

Prints JSON: ``stages``, nanoseconds of CPU by stage; and what was read: ``reads`` and ``sizes``, the files
that were read, and whose size was asked, of at least half of the processes, by their names below
``/proc/PID``; ``paths``, all other files that were read, in full.

Run it as a file: with ``-m``, Python itself imports modules that would then be missing from the first run.
"""

import gc
import os
import time

gc.disable()  # as kdiag does when it runs as a program
OUTPUT = os.dup(1)
_null = os.open(os.devnull, os.O_RDWR)
os.dup2(_null, 1)

_started_ns = time.process_time_ns()
import kdiag.cli  # noqa: E402 - from here on everything is part of the run

COMMAND = ["snapshot", "--once", "--debug"]
kdiag.cli.main(COMMAND)
COLD_NS = time.process_time_ns() - _started_ns

# What follows is not part of the run.
import json  # noqa: E402
import sys  # noqa: E402
from typing import Any, Callable, Dict, List, NamedTuple, Tuple  # noqa: E402

import kdiag.cli.run  # noqa: E402
import kdiag.health.observe  # noqa: E402
from kdiag.host.base import ReadError  # noqa: E402
from kdiag.host.live import LiveHost  # noqa: E402

#: Where a stage begins and ends: module, function, name of the stage.
STAGES = (
    (kdiag.cli.run, "observe", "observe"),
    (kdiag.health.observe, "take_sample", "sample"),
    (kdiag.health.observe, "judge", "checks"),
    (kdiag.health.observe, "fill", "tables"),
)
QUESTIONS = ("list", "reading", "readlink", "size_bytes", "statvfs", "user_name")


class Call(NamedTuple):
    """A question to the host."""

    name: str
    path: Any
    """A number for ``user_name``."""
    arguments: Tuple[Any, ...]
    named: Dict[str, Any]


def time_stages() -> Dict[str, int]:
    """Run once more, with all modules imported by now, and return the nanoseconds of each stage."""
    spent = {stage: 0 for _, _, stage in STAGES}

    def timed(original: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            begun_ns = time.process_time_ns()
            try:
                return original(*arguments, **named)
            finally:
                spent[stage] += time.process_time_ns() - begun_ns

        return call

    originals = [getattr(module, name) for module, name, _ in STAGES]
    for (module, name, stage), original in zip(STAGES, originals):
        setattr(module, name, timed(original, stage))
    begun_ns = time.process_time_ns()
    kdiag.cli.main(COMMAND)
    warm_ns = time.process_time_ns() - begun_ns
    for (module, name, _), original in zip(STAGES, originals):
        setattr(module, name, original)
    calls = log_calls()
    reading_ns = replay(calls)
    return {
        "imports and first use": COLD_NS - warm_ns,
        "reading": reading_ns,
        "parsing and keeping": spent["sample"] - reading_ns,
        "checks": spent["checks"],
        "tables": spent["tables"],
        "rendering and the rest": warm_ns - spent["sample"] - spent["checks"] - spent["tables"],
    }


def log_calls() -> List[Call]:
    """Run once more, and return what was asked of the host."""
    calls: List[Call] = []

    def logged(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(host: LiveHost, path: Any, *arguments: Any, **named: Any) -> Any:
            calls.append(Call(name, path, arguments, named))
            return original(host, path, *arguments, **named)

        return call

    originals = {name: getattr(LiveHost, name) for name in QUESTIONS}
    for name, original in originals.items():
        setattr(LiveHost, name, logged(name, original))
    kdiag.cli.main(COMMAND)
    for name, original in originals.items():
        setattr(LiveHost, name, original)
    return calls


def replay(calls: List[Call]) -> int:
    """Ask the host the same again, doing nothing with the answers; return the nanoseconds that it took."""
    host = LiveHost()
    begun_ns = time.process_time_ns()
    for call in calls:
        try:
            getattr(host, call.name)(call.path, *call.arguments, **call.named)
        except ReadError:
            continue
    spent_ns = time.process_time_ns() - begun_ns
    host.close()
    return spent_ns


def what_was_read(calls: List[Call]) -> Dict[str, List[str]]:
    """Tell what is read of every process from what is read once."""
    read = [(call.name, call.path) for call in calls if call.name in ("reading", "size_bytes")]
    pids = {path.split("/")[2] for _, path in read if path.startswith("/proc/") and path[6:7].isdigit()}
    found: Dict[str, List[str]] = {"reads": [], "sizes": [], "paths": []}
    for question, key in (("reading", "reads"), ("size_bytes", "sizes")):
        families: Dict[str, List[str]] = {}
        for name, path in read:
            if name == question:
                pid, _, rest = path[6:].partition("/")
                families.setdefault(rest if pid in pids else path, []).append(path)
        for family, paths in families.items():
            if family[0] != "/" and len(paths) >= len(pids) / 2:
                found[key].append(family)
            elif question == "reading":
                found["paths"].extend(paths)
    return found


def main() -> None:
    """Print what was found."""
    result = {"stages": time_stages(), **what_was_read(log_calls())}
    os.write(OUTPUT, json.dumps(result).encode())


if __name__ == "__main__":
    main()
    sys.exit(0)
