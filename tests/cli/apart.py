"""Running kdiag apart from this machine: in namespaces of its own, and as a user without any privilege."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Tuple

import pytest

__all__ = ["apart"]

_PROJECT = Path(__file__).parents[2]
#: Who is nobody: the one UID that a kernel itself gives to those it cannot name (fs/overflowuid).
_NOBODY = 65534
_NOT_PERMITTED = 99

#: Runs kdiag as the words after it say. As nobody, everything is imported first: the interpreter's own folder
#: may be closed to all but root.
_PROGRAM = f"""
import os, sys
if sys.argv[1] == "nobody":
    import importlib, json, marshal, pkgutil, pwd, select, signal, unicodedata
    import kdiag
    for module in pkgutil.walk_packages(kdiag.__path__, "kdiag."):
        if module.name != "kdiag.__main__":
            importlib.import_module(module.name)
    os.setgroups([])
    os.setresgid({_NOBODY}, {_NOBODY}, {_NOBODY})
    os.setresuid({_NOBODY}, {_NOBODY}, {_NOBODY})
from kdiag.cli import main
sys.exit(main(sys.argv[2:]))
"""


@cache
def _why_not(flags: Tuple[str, ...]) -> str:
    """Return why namespaces of these kinds cannot be had here, nothing if they can."""
    if os.geteuid() != 0:
        return "namespaces and other users take root"
    try:
        probe = subprocess.run(
            ["unshare", *flags, "true"], capture_output=True, text=True, timeout=20, check=False
        )
    except FileNotFoundError:
        return "there is no unshare(1)"
    return "" if probe.returncode == 0 else f"no namespaces {' '.join(flags)}: {probe.stderr.strip()}"


def apart(
    *words: str,
    flags: Tuple[str, ...] = ("--mount",),
    before: str = "",
    preamble: str = "",
    user: str = "root",
) -> "subprocess.CompletedProcess[str]":
    """Run kdiag in namespaces of its own, after some shell commands and a piece of Python in them.

    Skips where that is not permitted: exit code 99 is that of what comes before kdiag.
    """
    reason = _why_not(flags)
    if reason:
        pytest.skip(reason)
    script = f'set -e; trap "exit {_NOT_PERMITTED}" EXIT; {before or ":"}; trap - EXIT; exec "$@"'
    program = [sys.executable, "-c", preamble + _PROGRAM, user, *words]
    done = subprocess.run(
        ["unshare", *flags, "sh", "-c", script, "sh", *program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=_PROJECT,
    )
    if done.returncode == _NOT_PERMITTED:
        pytest.skip(f"not permitted here: {before or 'what comes before kdiag'}: {done.stderr.strip()}")
    return done
