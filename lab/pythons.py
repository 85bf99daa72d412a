"""Runs the unit tests on every Python that is supported and can be found (`make test-pythons`).

Each has a virtual environment of its own in the lab's cache. What could not be found is named; nothing found,
or one that failed, is a failure.
"""

import glob
import os
import re
import shutil
import subprocess
from typing import Callable, List, NamedTuple, Optional, Sequence

from lab.installed import cache_folder

__all__ = ["WANTED", "find_python", "test_pythons"]

# The oldest that is supported, the one of Debian 12, the newest two.
WANTED = ("3.9", "3.11", "3.13", "3.14")

Say = Callable[[str], None]


class Tried(NamedTuple):
    """One Python. `outcome` is passed, failed or absent."""

    wanted: str
    outcome: str
    told: str


def candidates(wanted: str) -> List[str]:
    """Where Python `wanted` may be: on PATH, among pyenv's, uv's. A shim of pyenv that leads nowhere is among
    them."""
    found = [
        path
        for folder in os.environ.get("PATH", "").split(os.pathsep)
        for path in [os.path.join(folder, f"python{wanted}")]
        if os.access(path, os.X_OK)
    ]
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    for pattern in (
        f"{pyenv}/versions/{wanted}*/bin/python{wanted}",
        f"{data}/uv/python/*/bin/python{wanted}",
    ):
        found += sorted(glob.glob(pattern), reverse=True)
    return found


def find_python(wanted: str) -> Optional[str]:
    """The first candidate that runs, says that it is `wanted`, and can make virtual environments."""
    for path in candidates(wanted):
        done = subprocess.run(
            [path, "-c", "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode == 0 and done.stdout.decode().strip() == wanted:
            return path
    return None


def _closing_line(output: str) -> str:
    lines = [line for line in output.splitlines() if re.search(r"\d+ (passed|failed|error)", line)]
    return lines[-1].strip("= ") if lines else output.strip()[-300:]


def _try(wanted: str, repo: str, arguments: Sequence[str], say: Say) -> Tried:
    found = find_python(wanted)
    if found is None:
        return Tried(wanted, "absent", "not on PATH, nor among the Pythons of pyenv and uv")
    folder = os.path.join(cache_folder(), "pythons", wanted)
    python = os.path.join(folder, "bin", "python")
    # Python environments do not survive their interpreter: one that does not run is made anew.
    if (
        os.path.exists(folder)
        and subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode != 0
    ):
        shutil.rmtree(folder)
    if not os.path.exists(python):
        subprocess.run([found, "-m", "venv", folder], check=True)
    say(f"{wanted}: {found}")
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    for packages in (["--upgrade", "pip>=22.1"], ["-e", f"{repo}[test]"]):
        done = subprocess.run([*pip, *packages], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode != 0:
            # What the project needs is part of what is promised for this Python: no skip.
            return Tried(
                wanted, "failed", f"pip install {packages[-1]}: {done.stderr.decode(errors='replace')[-300:]}"
            )
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=repo,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    output = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        print(output)
    return Tried(wanted, "passed" if done.returncode == 0 else "failed", _closing_line(output))


def test_pythons(repo: str, arguments: Sequence[str], say: Say, wanted: Sequence[str] = WANTED) -> int:
    """Runs the unit tests on each; 0 if at least one ran and none failed."""
    tried = []
    for one in wanted:
        tried.append(_try(one, repo, arguments, say))
        print(f"Python {tried[-1].wanted}: {tried[-1].outcome}: {tried[-1].told}", flush=True)
    outcomes = [one.outcome for one in tried]
    passed, failed, absent = (outcomes.count(one) for one in ("passed", "failed", "absent"))
    print(f"Pythons: {passed} well, {failed} not, {absent} not to be had")
    return 0 if "passed" in outcomes and "failed" not in outcomes else 1
