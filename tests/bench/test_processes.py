import os
from typing import Set

from bench.processes import count_processes, host_with


def _sleepers() -> Set[int]:
    """Return the grandchildren of this process."""
    parents = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                parents[int(pid)] = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return {pid for pid, parent in parents.items() if parents.get(parent) == os.getpid()}


def test_sleepers_fill_the_host_up_and_are_gone_afterwards() -> None:
    before = _sleepers()
    with host_with(count_processes() + 20):
        ours = _sleepers() - before
        assert len(ours) >= 15  # others come and go on this host meanwhile
    assert not [pid for pid in ours if os.path.exists(f"/proc/{pid}")]


def test_a_host_that_has_enough_processes_is_left_alone() -> None:
    before = _sleepers()
    with host_with(1) as processes:
        assert processes > 1
        assert not _sleepers() - before
