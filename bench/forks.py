"""Counting the processes that a run of kdiag starts, with strace(1)."""

import re
import shutil
import subprocess
import tempfile
from typing import List, Tuple

from bench.claims import Claim, Report, Table
from bench.contenders import GOOD_CODES, SNAPSHOT
from bench.measure import environment
from bench.rounds import Rounds

__all__ = ["forks", "started_processes"]

MOST_FORKS = 0.0
_SHOWN_CHARACTERS = 78

#: Where a call blocks while another process runs, strace splits the line; the end of it has the result.
_STARTED = re.compile(r"^(?:\d+\s+)?(?:<\.\.\. )?(fork|vfork|clone3?)\b(.*)= (\d+)(?: .*)?$")
_NETWORK_TYPES = {"9p", "afs", "ceph", "cifs", "fuse.sshfs", "glusterfs", "lustre", "nfs", "nfs4", "smb3"}


def started_processes(trace: str) -> List[str]:
    """Return the lines of strace's output that started a process; a thread is none."""
    threads = set(re.findall(r"^(\d+)\s+clone3?\(.*CLONE_THREAD.*<unfinished", trace, re.MULTILINE))
    found = []
    for line in trace.splitlines():
        match = _STARTED.match(line)
        if match and "CLONE_THREAD" not in line and not (line.split()[0] in threads and "resumed>" in line):
            found.append(line)
    return found


def forks(rounds: Rounds) -> Report:
    """Count the processes that one run starts."""
    what = "processes that one run starts"
    title = "Forks of `kdiag snapshot --once`"
    strace = shutil.which("strace")
    if strace is None:
        return Report("forks", title, (Claim(what, "", None, None, MOST_FORKS, "strace is not installed"),))
    rounds.say("one run under strace")
    lines, reason = _trace(strace)
    if reason:
        return Report("forks", title, (Claim(what, "", None, None, MOST_FORKS, reason),))
    network = _network_mounts()
    notes = (
        (f"This host has network mounts, each asked by a child process: {', '.join(network)}",)
        if network
        else ()
    )
    tables = (
        (Table("Calls", ("call",), tuple((line[:_SHOWN_CHARACTERS],) for line in lines)),) if lines else ()
    )
    return Report("forks", title, (Claim(what, "", float(len(lines)), None, MOST_FORKS),), tables, notes)


def _trace(strace: str) -> Tuple[List[str], str]:
    with tempfile.NamedTemporaryFile("r", prefix="kdiag-bench-", errors="replace") as output:
        # The question mark: not every architecture has the call.
        wanted = "trace=?fork,?vfork,?clone,?clone3,execve"
        done = subprocess.run(
            [strace, "-f", "-qq", "-e", wanted, "-o", output.name, *SNAPSHOT],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(),
            text=True,
            check=False,
        )
        trace = output.read()
    if "execve(" not in trace or done.returncode not in GOOD_CODES or done.stderr:
        return [], f"ended with {done.returncode}: {done.stderr.strip()[:200]}"
    return started_processes(trace), ""


def _network_mounts() -> List[str]:
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
        mounts = [line.split() for line in file]
    return sorted(fields[1] for fields in mounts if len(fields) > 2 and fields[2] in _NETWORK_TYPES)
