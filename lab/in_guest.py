"""Runs in the guest: asks kdiag what it can see and do there, then runs the tests (`python -m lab.in_guest --
ARGS`).

What kdiag says of the guest is kept beside the results of the tests: docs/kernels.md is made from both.
"""

import os
import subprocess
import sys
from typing import Dict, Sequence, Tuple

__all__ = ["ASKED"]

# File in the out folder -> arguments of kdiag.
ASKED: Dict[str, Tuple[str, ...]] = {
    "doctor.json": ("doctor", "--json"),
    "snapshot.json": ("snapshot", "--json", "--fail-on", "never"),
}


def ask(out: str) -> None:
    """Keeps what kdiag says of this guest. What goes wrong stands in the file, for the tests will find it,
    too."""
    for name, arguments in ASKED.items():
        command = [sys.executable, "-m", "kdiag", *arguments]
        root = os.environ.get("KDIAG_LAB_ROOT", "/")
        if name == "snapshot.json" and root != "/":
            command += ["--root", root]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=180, check=False
            )
            said, status = done.stdout or done.stderr, str(done.returncode)
        except subprocess.TimeoutExpired:
            said, status = b"no answer within 180 s", "124"
        with open(os.path.join(out, name), "wb") as file:
            file.write(said)
        with open(os.path.join(out, name + ".status"), "w", encoding="ascii") as file:
            file.write(status + "\n")


def main(arguments: Sequence[str]) -> int:
    """Asks, then runs pytest with `arguments`; its exit status."""
    ask(os.environ["KDIAG_LAB_OUT"])
    return subprocess.call([sys.executable, "-m", "pytest", "-p", "lab.pytest_report", *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:] if sys.argv[1:2] == ["--"] else sys.argv[1:]))
