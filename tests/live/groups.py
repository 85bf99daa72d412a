"""Control groups that a test makes for its load, in the version of the machine, and takes away again."""

import contextlib
import os
import signal
import time
from functools import cache
from typing import Iterator, List, NamedTuple, Optional, Tuple

__all__ = [
    "Group",
    "Hierarchy",
    "cpu_hierarchy",
    "memory_hierarchy",
    "new_group",
    "pids_hierarchy",
    "switch_back",
    "v1_freezer",
]

#: Files of the controllers, by version: memory limit, CPU quota, OOM kills.
_LIMIT = {1: "memory.limit_in_bytes", 2: "memory.max"}
_QUOTA = {1: "cpu.cfs_quota_us", 2: "cpu.max"}
_PERIOD_US = 100_000
_EVENTS = {1: "memory.oom_control", 2: "memory.events"}


class Hierarchy(NamedTuple):
    """A mounted hierarchy with some controller: where, and of which version."""

    folder: str
    version: int


class Group(NamedTuple):
    """A group of a test's own."""

    folder: str
    version: int

    def limit_memory(self, size_bytes: int) -> None:
        """Limit the memory of the group."""
        _write(f"{self.folder}/{_LIMIT[self.version]}", str(size_bytes))

    def limit_cpus(self, cpus: float) -> None:
        """Limit the CPU time of the group."""
        quota_us = int(cpus * _PERIOD_US)
        if self.version == 1:
            _write(f"{self.folder}/cpu.cfs_period_us", str(_PERIOD_US))
            _write(f"{self.folder}/cpu.cfs_quota_us", str(quota_us))
        else:
            _write(f"{self.folder}/cpu.max", f"{quota_us} {_PERIOD_US}")

    def limit_tasks(self, tasks: int) -> None:
        """Limit the tasks of the group."""
        _write(f"{self.folder}/pids.max", str(tasks))

    def throttled(self) -> Tuple[int, int]:
        """Return how many periods there were, and in how many of them the quota ran out."""
        with open(f"{self.folder}/cpu.stat", encoding="ascii") as lines:
            told = dict(line.split() for line in lines)
        return int(told["nr_periods"]), int(told["nr_throttled"])

    def enter(self, pid: int = 0) -> None:
        """Put a process (this one, if none is named) into the group."""
        _write(f"{self.folder}/cgroup.procs", str(pid or os.getpid()))

    def oom_kills(self) -> int:
        """Return how many tasks of the group the OOM killer has killed."""
        with open(f"{self.folder}/{_EVENTS[self.version]}", encoding="ascii") as lines:
            return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


@cache
def memory_hierarchy() -> Optional[Hierarchy]:
    """Return where groups with a memory limit can be made."""
    for found in _mounted("memory"):
        if _can_make(found):
            return found
    return None


@cache
def v1_freezer() -> Optional[Hierarchy]:
    """Return where freezers of cgroup v1 can be made."""
    return next((found for found in _mounted("freezer") if found.version == 1 and _can_make(found)), None)


@cache
def cpu_hierarchy() -> Optional[Hierarchy]:
    """Return where groups with a CPU quota can be made."""
    return next((found for found in _mounted("cpu") if _can_make(found, _QUOTA[found.version])), None)


@cache
def pids_hierarchy() -> Optional[Hierarchy]:
    """Return where groups with a limit of tasks can be made."""
    return next((found for found in _mounted("pids") if _can_make(found)), None)


def _mounted(controller: str) -> Iterator[Hierarchy]:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            before, _, after = line.partition(" - ")
            fs_type, _, options = after.split()[:3]
            folder = before.split()[4]
            if fs_type == "cgroup" and controller in options.split(","):
                yield Hierarchy(folder, 1)
            elif fs_type == "cgroup2" and _enabled(folder, controller):
                yield Hierarchy(folder, 2)


def _enabled(folder: str, controller: str) -> bool:
    """Tell whether groups below a v2 root have a controller, switching it on if that can be done.

    The root itself may hold processes and still give controllers to groups below it.
    """
    control = f"{folder}/cgroup.subtree_control"
    try:
        with open(control, encoding="ascii") as switched_on:
            if controller in switched_on.read().split():
                return True
        with open(f"{folder}/cgroup.controllers", encoding="ascii") as known:
            if controller not in known.read().split():
                return False
        _write(control, f"+{controller}")
    except OSError:
        return False
    _switched_on.append((control, controller))
    return True


#: Controllers that were switched on here, to be switched off at the end.
_switched_on: List[Tuple[str, str]] = []


def switch_back() -> None:
    """Take controllers from the groups below a root that had none before."""
    while _switched_on:
        control, controller = _switched_on.pop()
        _write(control, f"-{controller}")


def _can_make(found: Hierarchy, file: str = "cgroup.procs") -> bool:
    """Tell whether a group can be made there, and has a file."""
    folder = f"{found.folder}/kdiag-live-probe-{os.getpid()}"
    try:
        os.mkdir(folder)
        has_file = os.path.exists(f"{folder}/{file}")
        os.rmdir(folder)
    except OSError:
        return False
    return has_file


@contextlib.contextmanager
def new_group(hierarchy: Hierarchy, name: str) -> Iterator[Group]:
    """Make a group; at the end what runs in it is killed, and it is removed."""
    folder = f"{hierarchy.folder}/kdiag-live-{os.getpid()}-{name}"
    os.mkdir(folder)
    group = Group(folder, hierarchy.version)
    try:
        yield group
    finally:
        _empty(folder)


def _empty(folder: str) -> None:
    deadline_s = time.monotonic() + 10
    while True:
        with open(f"{folder}/cgroup.procs", encoding="ascii") as listed:
            for pid in map(int, listed.read().split()):
                if pid != os.getpid():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        try:
            os.rmdir(folder)
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.02)
        else:
            return


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as control:
        control.write(text)
