"""What takes turns with kdiag: the commands, and what each run of them may end with."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from typing import Any, Dict, List, NamedTuple, Tuple

from bench.measure import CannotMeasure, environment

__all__ = ["GOOD_CODES", "SNAPSHOT", "Contenders", "Inside", "contenders", "look_inside"]

#: What a user runs: the script in the virtual environment that the bench runs in.
SNAPSHOT = [os.path.join(os.path.dirname(sys.executable), "kdiag"), "snapshot", "--once"]
#: How it may end: it says by its exit code how the host is.
GOOD_CODES = (0, 1, 2, 3)


class Inside(NamedTuple):
    """What kdiag does in a run: CPU by stage, and which files it reads."""

    stages_ns: Dict[str, int]
    reads: Tuple[str, ...]
    sizes: Tuple[str, ...]
    paths: Tuple[str, ...]


class Contenders(NamedTuple):
    """Commands by name, and why others are missing."""

    commands: Dict[str, List[str]]
    good_codes: Dict[str, Tuple[int, ...]]
    missing: Dict[str, str]


def look_inside() -> Inside:
    """Run kdiag in a process that looks at it."""
    told = json.loads(_output([sys.executable, _child("look_inside.py")]))
    return Inside(told["stages"], tuple(told["reads"]), tuple(told["sizes"]), tuple(told["paths"]))


def contenders() -> Contenders:
    """Return the commands that can run here; they read what kdiag reads on the host as it is now."""
    _output(SNAPSHOT, GOOD_CODES)
    _check_compiled()
    inside = look_inside()
    commands = {
        "pass": [sys.executable, "-c", "pass"],
        "kdiag": SNAPSHOT,
        "raw": [
            sys.executable,
            _child("raw_read.py"),
            ",".join(inside.reads),
            ",".join(inside.sizes),
            *inside.paths,
        ],
    }
    missing: Dict[str, str] = {}
    scan = [sys.executable, _child("psutil_scan.py")]
    try:
        _output(scan)
        commands["psutil"] = scan
    except CannotMeasure as error:
        missing["psutil"] = str(error)
    ps = shutil.which("ps")
    if ps is None:
        missing["ps"] = "ps is not installed"
    else:
        commands["ps"] = [ps, "aux"]
    return Contenders(commands, {"kdiag": GOOD_CODES}, missing)


def _child(name: str) -> str:
    """Return the path of one of the bench's own programs."""
    return os.path.join(os.path.dirname(__file__), "children", name)


def _check_compiled() -> None:
    """Raise if kdiag, which has run by now, keeps no compiled modules, as an installation has them."""
    spec = importlib.util.find_spec("kdiag")
    if (
        spec is None
        or spec.origin is None
        or not os.path.exists(importlib.util.cache_from_source(spec.origin))
    ):
        raise CannotMeasure("kdiag would be compiled in each run: its folder cannot be written")


def _output(command: List[str], good_codes: Tuple[int, ...] = (0,)) -> bytes:
    """Return what a command prints, and raise what it says on standard error."""
    try:
        done: Any = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=environment()
        )
    except OSError as error:
        raise CannotMeasure(f"{command[0]}: {error.strerror}") from error
    if done.returncode not in good_codes or done.stderr:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise CannotMeasure(f"{' '.join(command)}: ended with {done.returncode}: {last}")
    output: bytes = done.stdout
    return output
