"""What this machine lets a test do, found out by trying: each probe says why not, or nothing.

A test says what it needs (``@pytest.mark.needs("root", "memory cgroup")``) and is skipped with the probe's
own words where that is not to be had. Nothing here goes by the version of a kernel.
"""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from sysconfig import get_path
from typing import Callable, Dict, Optional, Tuple

from kdiag.ebpf.bcc.client import pythons
from kdiag.ftrace.instance import pids_are_the_kernels
from kdiag.ftrace.tracefs import NoTraceFs, find_tracefs
from kdiag.host.live import LiveHost
from tests.live.groups import cpu_hierarchy, memory_hierarchy, pids_hierarchy, v1_freezer
from tests.live.scratch import lab_disk, scratch

__all__ = ["NOBODY", "PROBES", "as_nobody", "nobody_python", "why_not"]

PROJECT = Path(__file__).parents[2]
#: The one UID that a kernel itself gives to those it cannot name (fs/overflowuid).
NOBODY = 65534
_PSI = "/proc/pressure/cpu"


def _root() -> str:
    return "" if os.geteuid() == 0 else "takes root"


def _psi() -> str:
    try:
        Path(_PSI).read_bytes()
    except OSError as error:
        return f"no PSI: {_PSI}: {error.strerror}"
    return ""


def _irq_psi() -> str:
    try:
        Path("/proc/pressure/irq").read_bytes()
    except OSError as error:
        return f"no pressure of interrupts: {error.strerror}"
    return ""


def _memory_cgroup() -> str:
    return "" if memory_hierarchy() is not None else "no memory controller of cgroup v1 or v2 can be used"


def _cpu_cgroup() -> str:
    return "" if cpu_hierarchy() is not None else "no CPU controller of cgroup v1 or v2 can be used"


def _pids_cgroup() -> str:
    return "" if pids_hierarchy() is not None else "no pids controller of cgroup v1 or v2 can be used"


def _v1_freezer() -> str:
    return "" if v1_freezer() is not None else "no freezer of cgroup v1 can be used"


def _two_cpus() -> str:
    return "" if len(os.sched_getaffinity(0)) > 1 else "there is one CPU only"


def _schedstat() -> str:
    try:
        slices = Path("/proc/self/schedstat").read_text().split()[2]
    except OSError as error:
        return f"the kernel counts no run delay: /proc/self/schedstat: {error.strerror}"
    return "" if int(slices) else "the kernel counts no run delay"


def _tmpfs() -> str:
    return _root() or _tried(["unshare", "--mount", "sh", "-c", "mount -t tmpfs t /mnt"], "tmpfs")


def _namespaces() -> str:
    return _root() or _tried(["unshare", "--mount", "--pid", "--fork", "true"], "PID and mount namespaces")


def _user_namespaces() -> str:
    return _tried(["unshare", "--user", "--map-root-user", "true"], "user namespaces")


def _tried(command: "list[str]", what: str) -> str:
    """Say why a command does not work here."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        return f"{command[0]} is not installed"
    return "" if done.returncode == 0 else f"no {what}: {done.stderr.strip() or done.returncode}"


def _strace() -> str:
    return _tried(["strace", "-c", "-o", "/dev/null", "true"], "tracing of system calls with strace")


def _installed(name: str) -> Callable[[], str]:
    return lambda: "" if shutil.which(name) else f"{name} is not installed"


def _sysstat() -> str:
    missing = [name for name in ("mpstat", "iostat", "pidstat", "sar") if not shutil.which(name)]
    return f"sysstat is not installed ({', '.join(missing)})" if missing else ""


def _another_user() -> str:
    if os.geteuid() != 0:
        return ""
    return "" if nobody_python() is not None else "no Python here can be run by an ordinary user"


def _disk() -> str:
    found = scratch()
    return found if isinstance(found, str) else ""


def _lab_disk() -> str:
    return "" if lab_disk() is not None else "KDIAG_LAB_DISK names no scratch disk for root"


def _clone_vfork() -> str:
    return "" if os.uname().machine in ("x86_64", "aarch64") else "clone(2) has another number here"


def _swap() -> str:
    return _lab_disk() or _installed("mkswap")() or _memory_cgroup()


def _tracefs() -> str:
    if _root():
        return _root()
    try:
        find_tracefs(LiveHost())
    except NoTraceFs as error:
        return error.reason
    return ""


def _kernels_pids() -> str:
    if pids_are_the_kernels(LiveHost()):
        return ""
    return "this PID namespace is a container's own: kdiag follows threads from it only with --root"


def _kernel_symbols() -> str:
    with open("/proc/kallsyms", encoding="ascii") as listed:
        hidden = not int(listed.readline().split()[0], 16)
    return "addresses of the kernel's functions are hidden (kptr_restrict)" if hidden else ""


def _negative_count() -> str:
    """Say why negative dentries are not counted: before 5.0 the fifth number is 0 for ever."""
    found = scratch()
    if isinstance(found, str):
        return found
    for number in range(100):
        os.path.exists(f"{found.folder}/none-{number}")
    try:
        fifth = Path("/proc/sys/fs/dentry-state").read_text().split()[4]
    except (OSError, IndexError):
        return "/proc/sys/fs/dentry-state has no fifth number"
    return "" if int(fifth) else "the kernel does not count negative dentries"


def _bcc() -> str:
    """Say why BCC is not there; that it works is for the tests to show."""
    said = ""
    for python in pythons():
        done = subprocess.run([python, "-I", "-c", "import bcc"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return ""
        said = said or done.stderr.strip().split("\n")[-1]
    return said or "there is no Python of the distribution"


PROBES: Dict[str, Callable[[], str]] = {
    "another user": _another_user,
    "BCC": _bcc,
    "clone": _clone_vfork,
    "cpu cgroup": _cpu_cgroup,
    "disk": _disk,
    "irq PSI": _irq_psi,
    "kernel symbols": _kernel_symbols,
    "kernel's PIDs": _kernels_pids,
    "lab disk": _lab_disk,
    "memory cgroup": _memory_cgroup,
    "namespaces": _namespaces,
    "negative dentries": _negative_count,
    "pids cgroup": _pids_cgroup,
    "procps": _installed("vmstat"),
    "PSI": _psi,
    "root": _root,
    "run delay": _schedstat,
    "strace": _strace,
    "swap": _swap,
    "sysstat": _sysstat,
    "tmpfs": _tmpfs,
    "tracefs": _tracefs,
    "two CPUs": _two_cpus,
    "user namespaces": _user_namespaces,
    "v1 freezer": _v1_freezer,
}


@cache
def why_not(name: str) -> str:
    """Return why this machine does not have what a test needs, nothing if it does."""
    return PROBES[name]()


@cache
def nobody_python() -> Optional[str]:
    """Return a Python that an ordinary user can run kdiag with: root's own may be closed to all others."""
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            done = subprocess.run(
                as_nobody(python, "-c", "import kdiag.cli"), capture_output=True, timeout=60, check=False
            )
        except OSError:
            continue
        if done.returncode == 0:
            return python
    return None


def as_nobody(*command: str) -> Tuple[str, ...]:
    """Return a command that runs another as nobody, without any capability, in the project's folder."""
    drop = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all")
    return (*drop, "env", "-C", "/", f"PYTHONPATH={PROJECT}:{get_path('purelib')}", *command)
