"""How long a tracer takes until the command that it traces runs: from its own start, in turns with its peers.

The command is ``date``, which prints when it runs. What is left of the time when nothing is traced is taken
off. Wall-clock time of a busy machine is what it is: the row of a bare Python tells how busy.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from typing import Dict, List, Optional

from bench.claims import Claim, Report, median
from bench.measure import CannotMeasure, environment
from bench.rounds import Rounds

__all__ = ["nanoseconds_in", "ready"]

_SYSCOUNT = [os.path.join(os.path.dirname(sys.executable), "kdiag"), "syscount", "--json", "--backend"]
_DATE = ["date", "+%s%N"]
_FOUND = re.compile(r"(?m)^(1[0-9]{18})$")
_WAYS: Dict[str, List[str]] = {
    "a Python that does nothing else": [
        sys.executable, "-c", "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])",
    ],
    "kdiag syscount by bpf": [*_SYSCOUNT, "bpf", "--"],
    "kdiag syscount by ftrace": [*_SYSCOUNT, "ftrace", "--"],
    "kdiag syscount by bcc": [*_SYSCOUNT, "bcc", "--"],
    "strace -c": ["strace", "-c"],
    "perf trace -s": ["perf", "trace", "-s"],
}  # fmt: skip
#: At most so many milliseconds.
_AIMS_MS = {"kdiag syscount by bpf": 100.0, "kdiag syscount by ftrace": 150.0}


def nanoseconds_in(text: str) -> int:
    """Return the time that ``date`` told; raises :exc:`CannotMeasure` where it did not.

    >>> nanoseconds_in("x 1\\n1795000000123456789\\n")
    1795000000123456789
    """
    found = _FOUND.search(text)
    if found is None:
        raise CannotMeasure(f"date did not tell its time: {text.strip()[-200:]}")
    return int(found[1])


def ready(rounds: Rounds) -> Report:
    """Measure all ways by turns."""
    rounds.say(f"{rounds.rounds} rounds of starting a command under {len(_WAYS)} tracers")
    took: Dict[str, List[float]] = {name: [] for name in _WAYS}
    missing: Dict[str, str] = {}
    bare: List[float] = []
    for _ in range(rounds.rounds):
        bare.append(_milliseconds([]))
        for name, words in _WAYS.items():
            if shutil.which(words[0]) is None:
                missing[name] = f"{words[0]} is not installed"
                continue
            try:
                took[name].append(_milliseconds(words))
            except CannotMeasure as error:
                missing[name] = str(error)
    claims = tuple(_claim(name, took[name], min(bare), missing.get(name)) for name in _WAYS)
    return Report("ready", "Time from a tracer's start until the traced command runs", claims)


def _claim(name: str, took: List[float], bare: float, missing: Optional[str]) -> Claim:
    what = f"until the command runs: {name}"
    if not took:
        return Claim(what, "ms", None, None, _AIMS_MS.get(name), missing or "no run ended well")
    return Claim(what, "ms", min(took) - bare, median(took) - bare, _AIMS_MS.get(name))


def _milliseconds(words: List[str]) -> float:
    begun_ns = time.time_ns()
    done = subprocess.run(
        [*words, *_DATE],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    if done.returncode:
        raise CannotMeasure(f"ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    return (nanoseconds_in(f"{done.stdout}\n{done.stderr}") - begun_ns) / 1e6
