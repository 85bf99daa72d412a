"""States that are held while one snapshot is taken, and what kdiag says of each.

All are set up at once and looked at once. Each is a process, a mount or a name of this test's own, so that
what kdiag says of it does not depend on whatever else the machine does; figures of the whole machine are
held to be no less than the load, and no more than what a reading before and one after say.
"""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, Iterator, NamedTuple, Tuple

import pytest

from tests.live import loads
from tests.live.capabilities import why_not
from tests.live.groups import new_group, v1_freezer
from tests.live.looking import Look, look
from tests.live.scratch import Scratch, scratch

ZOMBIES = 12
FILES, FILE_LIMIT = 97, 100
THREADS = 40
HELD_FILES = 3000
ANON_BYTES = 96 << 20
TMPFS_BYTES = 48 << 20
INODES = 64
MISSING_NAMES = 20_000


class State(NamedTuple):
    """How to hold a state, and what it takes."""

    hold: Callable[[], ContextManager[Any]]
    needs: Tuple[str, ...] = ()


@contextlib.contextmanager
def tmpfs_without_inodes() -> Iterator[str]:
    """Make files in a tmpfs until none can be made."""
    with loads.tmpfs(f"size=1m,nr_inodes={INODES}") as folder:
        with contextlib.suppress(OSError):
            for number in range(INODES + 1):
                Path(f"{folder}/{number}").touch()
        yield folder


@contextlib.contextmanager
def frozen_child() -> Iterator[loads.Child]:
    """Freeze a process with a freezer of cgroup v1, which makes it D."""
    hierarchy = v1_freezer()
    assert hierarchy is not None
    with new_group(hierarchy, "frozen") as group, loads.child(lambda ready: ready(""), "kd-frozen") as held:
        group.enter(held.pid)
        control = Path(f"{group.folder}/freezer.state")
        control.write_text("FROZEN")
        try:
            loads.wait_for_state(held.pid, "D")
            yield held
        finally:
            control.write_text("THAWED")


@contextlib.contextmanager
def missing_names() -> Iterator[int]:
    """Leave negative dentries in a folder on a disk; they go with the folder."""
    found = scratch()
    assert isinstance(found, Scratch)
    with tempfile.TemporaryDirectory(dir=found.folder) as folder:
        yield loads.look_up_missing(folder, MISSING_NAMES)


STATES: Dict[str, State] = {
    "vfork": State(loads.vfork_parent, ("clone",)),
    "stopped": State(loads.stopped),
    "zombies": State(lambda: loads.zombies(ZOMBIES)),
    "files": State(lambda: loads.open_files(FILES, FILE_LIMIT)),
    "threads": State(lambda: loads.threads(THREADS)),
    "anonymous": State(lambda: loads.anonymous(ANON_BYTES)),
    "frozen": State(frozen_child, ("v1 freezer",)),
    "full": State(lambda: loads.full_tmpfs(size_bytes=TMPFS_BYTES), ("tmpfs",)),
    "inodes": State(tmpfs_without_inodes, ("tmpfs",)),
    "negative": State(missing_names, ("disk", "negative dentries")),
}


class Held(NamedTuple):
    """What is held, the snapshot taken meanwhile, and the kernel's own numbers around it."""

    states: Dict[str, Any]
    look: Look
    #: Just before the snapshot, and just after.
    anonymous_kib: Tuple[int, int]
    shmem_kib: Tuple[int, int]
    negative: Tuple[int, int, int]
    open_files: Tuple[int, int]

    def state(self, name: str) -> Any:
        """Return what is held; skip where that cannot be had here."""
        if name not in self.states:
            pytest.skip(next(why for need in STATES[name].needs for why in (why_not(need),) if why))
        return self.states[name]


def _meminfo_kib(key: str) -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise AssertionError(f"no {key} in /proc/meminfo")


def _negative() -> int:
    return int(Path("/proc/sys/fs/dentry-state").read_text().split()[4])


def _open_files() -> int:
    return int(Path("/proc/sys/fs/file-nr").read_text().split()[0])


@pytest.fixture(scope="module")
def held() -> Iterator[Held]:
    """Hold every state that can be had here, and look once."""
    chosen = {name: state for name, state in STATES.items() if not any(map(why_not, state.needs))}
    negative = _negative()
    with contextlib.ExitStack() as stack:
        states = {name: stack.enter_context(state.hold()) for name, state in chosen.items()}
        held_files = [os.open("/dev/null", os.O_RDONLY) for _ in range(_allowed_files())]
        for handle in held_files:
            stack.callback(os.close, handle)
        meanwhile, opened = _negative(), _open_files()
        anonymous_kib, shmem_kib = _meminfo_kib("AnonPages"), _meminfo_kib("Shmem")
        seen = look("--explain")
        yield Held(
            states,
            seen,
            (anonymous_kib, _meminfo_kib("AnonPages")),
            (shmem_kib, _meminfo_kib("Shmem")),
            (negative, meanwhile, _negative()),
            (opened, _open_files()),
        )


def _allowed_files() -> int:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = HELD_FILES + 200
    if soft < wanted <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return min(HELD_FILES, soft - 200)


def test_a_task_that_stays_in_state_d_is_found_with_the_place_where_it_sleeps(held: Held) -> None:
    parent = held.state("vfork")
    found = held.look.finding("task.d_state", "")
    assert found["status"] in ("warning", "critical")  # critical with one CPU
    assert f"kd-vfork ({parent.pid})" in found["summary"]
    row = held.look.row("blocked", "Tasks in uninterruptible sleep (D)", pid=parent.pid)
    assert row["comm"] == "kd-vfork" and row["tid"] == parent.pid
    assert held.look.interval_s <= row["at_least_s"] <= held.look.duration_s * 1.01


@pytest.mark.needs("root")
def test_of_a_blocked_task_root_is_told_the_call_and_the_kernel_function(held: Held) -> None:
    row = held.look.row("blocked", "Tasks in uninterruptible sleep (D)", pid=held.state("vfork").pid)
    assert row["syscall_number"] in loads.CLONE_NUMBERS
    assert row["wchan"] or row["stack"]


def test_a_stopped_task_is_not_taken_for_a_stuck_one(held: Held) -> None:
    assert f"({held.state('stopped').pid})" not in held.look.finding("task.d_state", "")["summary"]
    rows = held.look.rows("blocked", "Tasks in uninterruptible sleep (D)")
    assert [row for row in rows if row["pid"] == held.state("stopped").pid] == []


def test_load_counts_exactly_the_tasks_in_d(held: Held) -> None:
    row = held.look.row("load", "Load")
    rows = held.look.rows("blocked", "Tasks in uninterruptible sleep (D)")
    mine = sum(name in held.states for name in ("vfork", "frozen"))
    assert row["blocked"] >= mine
    assert len([each for each in rows if each["comm"].startswith("kd-")]) == mine


def test_a_frozen_task_is_told_from_a_stuck_one(held: Held) -> None:
    frozen = held.state("frozen")
    found = held.look.finding("task.d_state", "frozen")
    assert found["status"] == "info"
    assert f"kd-frozen ({frozen.pid})" in found["summary"]
    assert f"({frozen.pid})" not in held.look.finding("task.d_state", "")["summary"]


def test_dead_children_are_counted_for_their_parent(held: Held) -> None:
    parent = held.state("zombies")
    found = held.look.finding("task.zombie", f"kd-parent ({parent.pid})")
    assert (found["status"], found["value"]) == ("warning", ZOMBIES)
    row = held.look.row("zombies", "Dead tasks not waited for (Z)", parent_pid=parent.pid)
    assert row["dead"] == ZOMBIES and row["parent_comm"] == "kd-parent"


def test_a_process_near_its_limit_of_open_files_is_found(held: Held) -> None:
    found = held.look.finding("proc.fd_limit", f"kd-files ({held.state('files').pid})")
    assert found["status"] == "critical"
    assert f"{FILES} of {FILE_LIMIT} files open" in found["summary"]


def test_open_files_of_the_kernel_are_counted(held: Held) -> None:
    row = held.look.row("vfs", "VFS: files, inodes, dentries", what="open files")
    # The kernel sums up its CPUs' shares now and then: each may hold back some tens (percpu_counter_batch).
    slack = 64 * (os.cpu_count() or 1)
    least, most = sorted(held.open_files)
    assert least - slack <= row["value"] <= most + slack
    assert row["value"] >= _allowed_files() - slack


def test_threads_of_a_busy_process_are_counted(held: Held) -> None:
    row = held.look.row("top", "Top tasks by CPU", pid=held.state("threads").pid)
    assert row["threads"] == THREADS
    assert row["comm"] == "kd-threads" and row["state"] == "R"


def test_memory_of_programs_is_counted(held: Held) -> None:
    process = held.look.row("top", "Top tasks by CPU", pid=held.state("anonymous").pid)
    # The interpreter's own memory comes on top.
    status = Path(f"/proc/{held.state('anonymous').pid}/status").read_text()
    rss_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    assert process["rss_kib"] >= ANON_BYTES >> 10
    assert process["rss_kib"] == pytest.approx(rss_kib, abs=2048)
    row = held.look.row("memory", "Memory", kind="anonymous")
    assert row["size_kib"] >= ANON_BYTES >> 10
    # Others come and go meanwhile.
    assert 0.9 * min(held.anonymous_kib) <= row["size_kib"] <= 1.1 * max(held.anonymous_kib)


def test_memory_of_files_on_tmpfs_is_counted_as_such_and_not_as_cache(held: Held) -> None:
    assert held.state("full")
    row = held.look.row("memory", "Memory", kind="shmem, tmpfs")
    assert row["size_kib"] >= TMPFS_BYTES >> 10
    assert 0.9 * min(held.shmem_kib) <= row["size_kib"] <= 1.1 * max(held.shmem_kib)


def test_a_full_file_system_is_critical_and_it_alone(held: Held) -> None:
    folder = held.state("full")
    found = held.look.finding("fs.space", folder)
    assert (found["status"], found["value"]) == ("critical", 0.0)
    assert f"0.0 KiB of {TMPFS_BYTES / (1 << 20):.1f} MiB available" in found["summary"]
    mine = [each["subject"] for each in held.look.findings("fs.space") if "kdiag-live" in each["subject"]]
    assert mine == [folder]
    row = held.look.row("file_systems", "File systems", mount=folder)
    assert row["used_pct"] == 100.0 and row["available_bytes"] == 0 and row["size_bytes"] == TMPFS_BYTES


def test_a_file_system_without_inodes_is_critical_though_it_has_space(held: Held) -> None:
    folder = held.state("inodes")
    found = held.look.finding("fs.inodes", folder)
    assert (found["status"], found["value"]) == ("critical", 0.0)
    assert f"0 of {INODES} inodes free" in found["summary"]
    row = held.look.row("file_systems", "File systems", mount=folder)
    assert row["inodes_used_pct"] == 100.0 and row["used_pct"] < 10


def test_negative_dentries_are_counted(held: Held) -> None:
    assert held.state("negative") == MISSING_NAMES
    before, meanwhile, after = held.negative
    row = held.look.row("vfs", "VFS: files, inodes, dentries", what="negative dentries")
    assert meanwhile - before >= 0.97 * MISSING_NAMES, "the load itself did not come about"
    least, most = sorted((meanwhile, after))
    assert 0.97 * least <= row["value"] <= 1.03 * most
