"""Control groups with limits: kdiag inside one sees its limit and what is used of it; the host sees the harm.

What kdiag says of a group is held against the group's own files, read before and after.
"""

import contextlib
import os
import re
import time
from pathlib import Path
from typing import Any, ContextManager, Dict, Iterator, List, Optional, Tuple

import pytest

from tests.live import loads
from tests.live.groups import (
    Group,
    Hierarchy,
    cpu_hierarchy,
    memory_hierarchy,
    new_group,
    pids_hierarchy,
)
from tests.live.looking import KDIAG, Look, look, looking
from tests.live.scratch import Scratch, scratch

CURRENT = {1: "memory.usage_in_bytes", 2: "memory.current"}


def found_group(hierarchy: Optional[Hierarchy], name: str) -> ContextManager[Group]:
    assert hierarchy is not None
    return new_group(hierarchy, name)


def inside(group: Group) -> List[str]:
    """Return the command that runs kdiag in a group."""
    return ["sh", "-c", f'echo $$ > {group.folder}/cgroup.procs && exec "$@"', "sh", *KDIAG]


def group_row(seen: Look, group: Group) -> Dict[str, Any]:
    """Return the row of a group, which kdiag calls by its path in the hierarchy."""
    name = os.path.basename(group.folder)
    rows = [row for row in seen.rows("cgroup", "Control groups of kdiag") if str(row["group"]).endswith(name)]
    assert len(rows) == 1, seen.rows("cgroup", "Control groups of kdiag")
    return rows[0]


@pytest.mark.needs("memory cgroup")
def test_a_group_near_its_memory_limit_is_warned_of() -> None:
    limit_bytes, held_bytes = 160 << 20, 128 << 20
    with found_group(memory_hierarchy(), "memory") as group:
        group.limit_memory(limit_bytes)
        with loads.child(lambda ready: _hold(group, held_bytes, ready), "kd-held"):
            seen = look(command=inside(group))
            current_bytes = int(Path(f"{group.folder}/{CURRENT[group.version]}").read_text())
    row = group_row(seen, group)
    assert row["limit_bytes"] == limit_bytes
    assert held_bytes <= row["working_set_bytes"] <= limit_bytes
    # kdiag itself was in it, and has left a few MiB of page cache by then.
    assert row["memory_bytes"] == pytest.approx(current_bytes, abs=40 << 20)
    found = [each for each in seen.findings("cg.memory") if os.path.basename(group.folder) in str(each)]
    assert len(found) == 1
    share_pct = 100 * row["working_set_bytes"] / limit_bytes
    assert found[0]["value"] == pytest.approx(share_pct, abs=1)
    assert found[0]["status"] == ("critical" if share_pct > 95 else "warning" if share_pct > 90 else "ok")


def _hold(group: Group, size_bytes: int, ready: loads.Ready) -> None:
    group.enter()
    held = bytearray(size_bytes)
    held[:: loads.PAGE] = b"x" * len(held[:: loads.PAGE])
    ready("")
    while True:
        time.sleep(60)


@pytest.mark.needs("cpu cgroup")
def test_time_that_a_quota_takes_away_is_that_which_the_kernel_counted() -> None:
    with found_group(cpu_hierarchy(), "quota") as group:
        group.limit_cpus(0.5)
        with loads.child(lambda ready: _burn(group, ready), "kd-quota"):
            before = group.throttled()
            seen = look(command=inside(group), interval_s=2.0)
            after = group.throttled()
    row = group_row(seen, group)
    assert row["quota_cpus"] == 0.5
    if group.version == 2:  # v1 counts the time used in another hierarchy
        assert row["cpus"] == pytest.approx(0.5, abs=0.1)
    whole_pct = 100 * (after[1] - before[1]) / (after[0] - before[0])
    assert row["throttled_pct"] == pytest.approx(whole_pct, abs=25)
    found = [each for each in seen.findings("cg.cpu_throttle") if each["status"] != "ok"]
    expected = "critical" if row["throttled_pct"] > 25 else "warning"
    assert [each["status"] for each in found] == [expected]
    assert row["throttled_pct"] > 5


def _burn(group: Group, ready: loads.Ready) -> None:
    group.enter()
    ready("")
    while True:
        pass


@pytest.mark.needs("pids cgroup")
def test_a_group_in_which_few_tasks_more_can_be_made_is_warned_of() -> None:
    with found_group(pids_hierarchy(), "pids") as group, contextlib.ExitStack() as stack:
        for _ in range(16):
            held = stack.enter_context(loads.child(lambda ready: ready(""), "kd-pids"))
            group.enter(held.pid)
        group.limit_tasks(18)
        seen = look("--once", command=inside(group))
    row = group_row(seen, group)
    # kdiag itself is the seventeenth; its child that may hang need not be there at that moment.
    assert (row["most_tasks"], row["tasks"]) in ((18, 17), (18, 18))
    found = seen.finding("task.pids")
    assert found["status"] in ("warning", "critical")
    assert f"of 18 threads that pids.max of the cgroup /{os.path.basename(group.folder)}" in found["summary"]


@pytest.mark.needs("memory cgroup")
def test_a_kill_in_its_own_group_is_critical() -> None:
    with found_group(memory_hierarchy(), "kill") as group:
        group.limit_memory(96 << 20)
        with looking(3.0, command=inside(group)) as running:
            pid = os.fork()
            if pid == 0:
                with contextlib.suppress(BaseException):
                    group.enter()
                    Path("/proc/self/oom_score_adj").write_text("1000")
                    held = bytearray(256 << 20)
                    held[:: loads.PAGE] = b"x" * len(held[:: loads.PAGE])
                os._exit(0)
            _, status = os.waitpid(pid, 0)
            assert os.WIFSIGNALED(status), f"not killed, but ended with {status}"
            running.still()
            seen = running.result()
        killed = group.oom_kills()
    assert killed == 1
    found = [each for each in seen.findings("cg.oom") if each["status"] != "ok"]
    assert [each["status"] for each in found] == ["critical"]
    assert found[0]["value"] == 1


@pytest.fixture(scope="module")
def squeezed() -> Iterator[Tuple[Look, int, int]]:
    """Read a file again and again in a group with less memory than the file is long."""
    found = scratch()
    assert isinstance(found, Scratch)
    path = Path(f"{found.folder}/squeezed")
    size_bytes = 64 << 20
    with path.open("wb") as file:
        for _ in range(size_bytes >> 20):
            file.write(os.urandom(1 << 20))
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        with found_group(memory_hierarchy(), "squeezed") as group:
            group.limit_memory(24 << 20)
            with contextlib.ExitStack() as stack:
                for _ in range(2):
                    work = stack.enter_context(
                        loads.child(lambda ready: _read_again(group, str(path), ready), "kd-squeeze")
                    )
                    assert work.pid
                time.sleep(1)
                before_us = _memory_stall_us()
                seen = look(interval_s=2.0)
                after_us = _memory_stall_us()
        yield seen, before_us, after_us
    finally:
        path.unlink()


def _read_again(group: Group, path: str, ready: loads.Ready) -> None:
    group.enter()
    handle = os.open(path, os.O_RDONLY)
    ready("")
    while True:
        os.lseek(handle, 0, os.SEEK_SET)
        while os.read(handle, 1 << 20):
            pass


def _memory_stall_us() -> int:
    pressure = Path("/proc/pressure/memory")
    if not pressure.exists():  # booted with psi=0: the tests that look at it are skipped
        return 0
    some = pressure.read_text().splitlines()[0]
    return int(re.findall(r"total=(\d+)", some)[0])


@pytest.mark.needs("memory cgroup", "disk", "PSI")
def test_memory_pressure_of_a_squeezed_group_shows_on_the_host(squeezed: Tuple[Look, int, int]) -> None:
    seen, before_us, after_us = squeezed
    row = seen.row("pressure", "Pressure (time lost waiting)", resource="memory", kind="some")
    assert row["window_pct"] > 0
    seen.assert_within(row["window_pct"] / 100 * 1e6, 0, after_us - before_us)
    assert row["avg10_pct"] > 0


@pytest.mark.needs("memory cgroup", "disk")
def test_pages_that_are_read_back_soon_after_they_were_reclaimed_are_counted(
    squeezed: Tuple[Look, int, int],
) -> None:
    seen, _, _ = squeezed
    title = "Swapping, faults and reclaim"
    refaults = seen.row("reclaim", title, counter="workingset_refault")["count_per_s"]
    stolen = seen.row("reclaim", title, counter="pgsteal_file")["count_per_s"]
    scanned = seen.row("reclaim", title, counter="pgscan")["count_per_s"]
    assert refaults > 100
    assert stolen > 100
    # A page may be looked at before the first reading and reclaimed after it.
    assert scanned >= 0.95 * stolen
