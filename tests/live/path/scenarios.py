"""What tests of ``kdiag path`` share: the mechanisms that work here, a run with its document, and targets."""

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

from kdiag.doctor.trials import Trials
from kdiag.host.live import LiveHost
from kdiag.path.call import SyscallCall
from kdiag.path.mechanisms import MECHANISMS
from kdiag.path.saved import open_saved
from tests.live.traced import kdiag

__all__ = ["TREES", "functions", "path", "program", "saved_calls", "totals", "why_not_mechanism"]

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


def program(code: str) -> Tuple[str, ...]:
    """Return a command that runs a piece of Python and little else."""
    return ("--", sys.executable, "-I", "-S", "-c", code)
