"""What tests of ``kdiag path`` share: the mechanisms that work here, a run with its document, and targets."""

import json
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

from kdiag.doctor.trials import Trials
from kdiag.ftrace.tracefs import TraceFsError
from kdiag.host.live import LiveHost
from kdiag.path.call import SyscallCall
from kdiag.path.mechanisms import MECHANISMS
from kdiag.path.saved import open_saved
from tests.live.traced import kdiag, left_by, tracefs

__all__ = [
    "TREES",
    "functions",
    "path",
    "program",
    "saved_calls",
    "totals",
    "wait_until_it_traces",
    "why_not_mechanism",
]

#: The mechanisms that give a tree.
TREES = ("function_graph", "boundaries", "stitch")


@cache
def why_not_mechanism(name: str) -> str:
    """Say why a mechanism does not work on this kernel, nothing if it does."""
    mechanism = next(each for each in MECHANISMS if each.name == name)
    with Trials(LiveHost()) as trials:
        for need in mechanism.needs:
            trial = trials.try_capability(need)
            if not trial.works:
                return f"{need}: {trial.why or trial.detail or 'does not work here'}"
    return ""


def path(mechanism: str, *words: str, timeout: float = 180) -> Dict[str, Any]:
    """Run ``kdiag path`` by a mechanism and return its document; skip where that does not work here."""
    reason = why_not_mechanism(mechanism)
    if reason:
        pytest.skip(f"{mechanism}: {reason}")
    done = kdiag("path", "--backend", mechanism, "--json", *words, timeout=timeout)
    assert done.returncode == 0, done.stderr
    document: Dict[str, Any] = json.loads(done.stdout)
    assert document["mechanism"]["name"] == mechanism
    return document


def functions(document: Dict[str, Any]) -> List[str]:
    """Return the functions of the tree that is shown, callers before what they call."""
    return [each["function"] for each in document["chosen"]["tree"]]


def totals(document: Dict[str, Any], name: str) -> Dict[str, Any]:
    """Return the numbers of all calls of a name."""
    found: Dict[str, Any] = next(each for each in document["by_call"] if each["name"] == name)
    return found


def saved_calls(mechanism: str, folder: Path, *words: str) -> List[SyscallCall]:
    """Run it with ``--save``, and return every call."""
    path(mechanism, "--save", str(folder), *words)
    return list(open_saved(str(folder)).capture.calls)


def wait_until_it_traces(run: "subprocess.Popen[str]", longest_s: float = 60) -> None:
    """Wait until an instance of kdiag's is switched on, and a little longer."""
    end = time.monotonic() + longest_s
    while time.monotonic() < end and run.poll() is None:
        names = left_by(tracefs(), run.pid)
        with suppress(TraceFsError):  # it is just being made
            if names and any(_records(f"instances/{name}") for name in names):
                break
        time.sleep(0.02)
    time.sleep(0.5)


def _records(instance: str) -> bool:
    top = tracefs()
    return (
        top.read(f"{instance}/tracing_on").strip() == "1"
        and top.read(f"{instance}/events/enable").strip() != "0"
    )


def program(code: str) -> Tuple[str, ...]:
    """Return a command that runs a piece of Python and little else."""
    return ("--", sys.executable, "-I", "-S", "-c", code)
