"""Reading processes and threads: those that vanish or hide, those in D, and each file once."""

import errno
import time
from collections import Counter
from typing import Dict, List, Optional

import pytest

from kdiag.health.acquire import FD_TASKS, Scope, take_sample
from kdiag.health.acquire import tasks as acquire_tasks
from kdiag.health.acquire.tasks import MAX_THREADS
from kdiag.health.sample import Sample
from kdiag.host.base import Failure, ReadError, Reading
from kdiag.host.memory import Content, MemoryHost
from tests.health.task_files import stat, status

QUIET_LOAD = b"0.07 0.03 0.01 1/118 1800\n"
SOME_LOAD = b"1.50 0.90 0.40 1/118 1800\n"
# No pressure, load or blocked task: nothing points to threads in D.
QUIET: Dict[str, Content] = {
    "/proc/stat": b"cpu  1 0 1 9 0 0 0 0 0 0\ncpu0 1 0 1 9 0 0 0 0 0 0\nprocs_running 1\nprocs_blocked 0\n",
    "/proc/loadavg": QUIET_LOAD,
}
FREEZER_MOUNT = b"40 24 0:32 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n"


class CountingHost(MemoryHost):
    """Counts how often each path is asked for, and which of them by a child that may be killed."""

    asked: "Counter[str]"
    guarded: List[str]

    def reading(self, path: str, may_block: bool = False) -> Reading:
        self.asked[path] += 1
        if may_block:
            self.guarded.append(path)
        return super().reading(path, may_block)

    def size_bytes(self, path: str) -> int:
        self.asked[path] += 1
        return super().size_bytes(path)


def counting_host(files: Dict[str, Content], sizes: Optional[Dict[str, int]] = None) -> CountingHost:
    host = CountingHost([{**QUIET, **files}], sizes=sizes, users={1000: "web"})
    host.asked, host.guarded = Counter(), []
    return host


def sample_of(files: Dict[str, Content], sizes: Optional[Dict[str, int]] = None) -> Sample:
    return take_sample(counting_host(files, sizes), Scope())


def test_a_process_that_ends_between_list_and_read_is_left_out_and_is_no_failure() -> None:
    sample = sample_of(
        {
            "/proc/7/stat": stat(7),
            "/proc/8/stat": errno.ESRCH,
            "/proc/9/stat": errno.ENOENT,
        }
    )
    assert list(sample.tasks) == [7]
    assert [path for path in sample.failures if path.startswith("/proc/[pid]")] == []


def test_a_process_that_ends_after_its_stat_was_read_keeps_what_was_read() -> None:
    sample = sample_of({"/proc/7/stat": stat(7), "/proc/7/schedstat": errno.ESRCH})
    assert sample.tasks[7].stat.comm == "worker"
    assert sample.tasks[7].schedstat is None
    assert sample.tasks[7].fd_count is None
    assert "/proc/[pid]/schedstat" not in sample.failures


def test_processes_hidden_by_hidepid_are_one_failure_with_their_number() -> None:
    # hidepid=noaccess lists all processes, and answers EPERM for those of others (6.18).
    hidden = {f"/proc/{pid}/stat": errno.EPERM for pid in range(100, 140)}
    sample = sample_of({"/proc/7/stat": stat(7), **hidden})
    assert list(sample.tasks) == [7]
    assert sample.failures["/proc/[pid]/stat"] == Failure(
        "/proc/[pid]/stat", "denied", errno.EPERM, "40 of them"
    )


def test_a_proc_that_cannot_be_listed_leaves_no_tasks_and_says_why() -> None:
    sample = take_sample(MemoryHost([{"/sys/x": b""}]), Scope())
    assert sample.tasks == {}
    assert sample.failures["/proc"].kind == "absent"


def test_where_the_kernel_does_not_count_open_files_their_names_are_counted() -> None:
    files: Dict[str, Content] = {
        "/proc/7/stat": stat(7),
        "/proc/8/stat": stat(8),
        "/proc/7/fd/0": b"",
        "/proc/7/fd/1": b"",
    }
    newer = sample_of(files, {"/proc/7/fd": 0, "/proc/8/fd": 3})
    assert [task.fd_count for task in newer.tasks.values()] == [0, 3]
    # 5.10 and 6.1 give 0 for every folder; that of process 8 may not be listed.
    older = sample_of(files, {"/proc/7/fd": 0, "/proc/8/fd": 0})
    assert [task.fd_count for task in older.tasks.values()] == [2, None]


def test_of_very_many_processes_open_files_are_not_counted_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acquire_tasks, "MAX_FD_FOLDERS", 1)
    files: Dict[str, Content] = {"/proc/7/stat": stat(7), "/proc/8/stat": stat(8), "/proc/7/fd/0": b""}
    sample = sample_of(files, {"/proc/7/fd": 0, "/proc/8/fd": 0})
    assert [task.fd_count for task in sample.tasks.values()] == [None, None]


def test_threads_are_not_looked_at_where_nothing_points_to_blocked_ones() -> None:
    sample = sample_of(
        {"/proc/7/stat": stat(7, threads=2), "/proc/7/task/7/stat": stat(7), "/proc/7/task/8/stat": stat(8)}
    )
    assert (sample.threads_scanned, sample.threads_skipped, sample.threads) == (False, "", {})


@pytest.mark.parametrize(
    "sign",
    [
        {"/proc/loadavg": SOME_LOAD},
        {"/proc/loadavg": errno.EACCES},
        {"/proc/stat": b"cpu  1 0 1 9\nprocs_blocked 1\n"},
        {"/proc/pressure/io": b"some avg10=0.10 avg60=0.00 avg300=0.00 total=9\n"},
    ],
    ids=["load", "load not known", "blocked", "pressure"],
)
def test_a_thread_in_d_is_found_where_something_points_to_it(sign: Dict[str, Content]) -> None:
    sample = sample_of(
        {
            "/proc/7/stat": stat(7, threads=3),
            "/proc/7/task/7/stat": stat(7),
            "/proc/7/task/8/stat": stat(8, "a) D (b", "S"),
            "/proc/7/task/9/stat": stat(9, "flush", "D"),
            "/proc/7/task/9/schedstat": b"69454 0 5\n",
            "/proc/7/task/9/status": status("flush", uid=1000),
            "/proc/7/task/9/wchan": b"folio_wait_bit",
            **sign,
        }
    )
    assert sample.threads_scanned
    assert list(sample.threads) == [(7, 9)]
    thread = sample.threads[7, 9]
    assert (thread.pid, thread.stat.comm, thread.schedstat and thread.schedstat.slices) == (9, "flush", 5)
    detail = sample.details[7, 9]
    assert detail.wchan is not None and detail.wchan.symbol == "folio_wait_bit"
    assert sample.user_names == {1000: "web"}


def test_a_process_that_ends_before_its_threads_are_listed_does_not_end_the_scan() -> None:
    sample = sample_of(
        {
            "/proc/loadavg": SOME_LOAD,
            "/proc/7/stat": stat(7, threads=2),
            "/proc/8/stat": stat(8, threads=2),
            "/proc/8/task/9/stat": stat(9, state="D"),
            "/proc/8/task/10/stat": errno.ESRCH,
        }
    )
    assert sample.threads_scanned
    assert list(sample.threads) == [(8, 9)]
    assert "/proc/[pid]/task" not in sample.failures


def test_too_many_threads_are_not_looked_at_and_the_sample_says_so() -> None:
    host = counting_host({"/proc/loadavg": SOME_LOAD, "/proc/7/stat": stat(7, threads=MAX_THREADS + 1)})
    sample = take_sample(host, Scope())
    assert not sample.threads_scanned
    assert f"there are {MAX_THREADS + 1} threads" in sample.threads_skipped
    assert not [path for path in host.asked if "/task/" in path]


def test_as_many_threads_as_allowed_are_looked_at() -> None:
    sample = sample_of({"/proc/loadavg": SOME_LOAD, "/proc/7/stat": stat(7, threads=MAX_THREADS)})
    assert (sample.threads_scanned, sample.threads_skipped) == (True, "")


def busy_host() -> CountingHost:
    """A task that is in D, busiest and has the most open files, beside a hundred others."""
    files: Dict[str, Content] = {"/proc/loadavg": SOME_LOAD}
    sizes = {}
    for pid in range(100, 200):
        files[f"/proc/{pid}/stat"] = stat(
            pid, state="D" if pid == 100 else "Z" if pid == 101 else "S", ppid=100
        )
        files[f"/proc/{pid}/schedstat"] = b"5 6 7\n"
        files[f"/proc/{pid}/limits"] = b""
        sizes[f"/proc/{pid}/fd"] = 1000 - pid
    # Its status cannot be read: asked for thrice, it is to be tried once.
    files["/proc/100/status"] = errno.EACCES
    return counting_host(files, sizes)


def test_the_dead_have_no_open_files_and_are_not_asked_for_them() -> None:
    """Found with hidepid on 6.1: the folder of a dead child is denied to its own user, so none was judged."""

    class Denied(MemoryHost):
        def list(self, path: str) -> List[str]:
            if path == "/proc/8/fd":
                raise ReadError.from_errno(path, errno.EACCES)
            return super().list(path)

    files: Dict[str, Content] = {
        **QUIET,
        "/proc/7/stat": stat(7),
        "/proc/7/fd/0": b"",
        "/proc/8/stat": stat(8, state="Z"),
    }
    sample = take_sample(Denied([files], sizes={"/proc/7/fd": 0, "/proc/8/fd": 0}), Scope())
    assert [task.fd_count for task in sample.tasks.values()] == [1, None]
    assert "/proc/[pid]/fd" not in sample.failures


def test_a_process_whose_first_thread_has_ended_still_has_files() -> None:
    sample = sample_of({"/proc/7/stat": stat(7, state="Z", threads=2)}, {"/proc/7/fd": 3})
    assert sample.tasks[7].fd_count == 3


def test_each_file_of_a_process_is_asked_for_once_in_a_sample() -> None:
    host = busy_host()
    take_sample(host, Scope())
    assert host.asked["/proc/100/status"] == 1
    assert {path: count for path, count in host.asked.items() if count > 1} == {}


def test_only_what_may_wait_for_a_lock_is_read_by_a_child() -> None:
    host = busy_host()
    take_sample(host, Scope())
    assert host.guarded == ["/proc/100/stack", "/proc/100/syscall"]


def test_nothing_is_read_that_takes_the_memory_lock_of_a_process() -> None:
    host = busy_host()
    take_sample(host, Scope())
    assert {path.rpartition("/")[2] for path in host.asked if path.startswith("/proc/100/")} == {
        "stat",
        "schedstat",
        "fd",
        "status",
        "wchan",
        "stack",
        "syscall",
        "cgroup",
        "limits",
    }


def test_limits_are_read_of_the_processes_with_the_most_open_files() -> None:
    host = busy_host()
    take_sample(host, Scope())
    read = [path for path in host.asked if path.endswith("/limits")]
    living = [100, *range(102, 101 + FD_TASKS)]  # 101 is dead
    assert read == [f"/proc/{pid}/limits" for pid in living]


def test_a_reading_that_only_starts_a_rate_takes_less() -> None:
    host = busy_host()
    sample = take_sample(host, Scope(last=False))
    assert list(sample.details) == [(100, 100)]
    assert not [path for path in host.asked if path.endswith(("/limits", "/wchan", "/stack"))]


def frozen(cgroup: Content, state: Content, mounts: bytes = FREEZER_MOUNT) -> Optional[bool]:
    sample = sample_of(
        {
            "/proc/7/stat": stat(7, state="D"),
            "/proc/7/cgroup": cgroup,
            "/proc/self/mountinfo": mounts,
            "/sys/fs/cgroup/freezer/a/b/freezer.state": state,
        }
    )
    return sample.details[7, 7].frozen


def test_a_task_that_a_freezer_holds_is_told_from_one_that_is_stuck() -> None:
    assert frozen(b"3:freezer:/a/b\n0::/\n", b"FROZEN\n") is True
    assert frozen(b"3:freezer:/a/b\n0::/\n", b"FREEZING\n") is True
    assert frozen(b"3:freezer:/a/b\n0::/\n", b"THAWED\n") is False


def test_a_freezer_that_cannot_be_asked_leaves_it_open() -> None:
    assert frozen(b"3:freezer:/a/b\n", errno.EACCES) is None
    assert frozen(b"3:freezer:/\n", b"FROZEN\n") is None
    assert frozen(b"0::/a/b\n", b"FROZEN\n") is None
    assert frozen(errno.ESRCH, b"FROZEN\n") is None
    assert frozen(b"3:freezer:/a/b\n", b"FROZEN\n", b"") is None


def test_a_freezer_is_found_where_the_mount_shows_a_part_of_its_tree() -> None:
    shown = b"40 24 0:32 /docker /sys/fs/cgroup/freezer/a ro - cgroup cgroup rw,freezer\n"
    assert frozen(b"3:freezer:/docker/b\n", b"FROZEN\n", shown) is True
    assert frozen(b"3:freezer:/dockerb\n", b"FROZEN\n", shown) is None


def test_a_freezer_is_asked_once_for_all_its_tasks() -> None:
    files: Dict[str, Content] = {
        "/proc/self/mountinfo": FREEZER_MOUNT,
        "/sys/fs/cgroup/freezer/a/freezer.state": b"FROZEN\n",
    }
    for pid in range(10, 20):
        files[f"/proc/{pid}/stat"] = stat(pid, state="D")
        files[f"/proc/{pid}/cgroup"] = b"3:freezer:/a\n"
    host = counting_host(files)
    sample = take_sample(host, Scope())
    assert [detail.frozen for detail in sample.details.values()] == [True] * 10
    assert host.asked["/sys/fs/cgroup/freezer/a/freezer.state"] == 1


def test_a_cut_off_or_empty_stat_is_a_problem_and_no_task_that_is_well() -> None:
    sample = sample_of({"/proc/7/stat": stat(7)[:60], "/proc/8/stat": b""})
    assert 7 not in sample.tasks and 8 not in sample.tasks
    assert sample.failures["/proc/[pid]/stat"].kind == "error"
    assert [problem.path for problem in sample.problems] == ["/proc/7/stat"]


def test_five_thousand_tasks_are_read_in_well_under_a_second() -> None:
    files: Dict[str, Content] = {}
    sizes = {}
    for pid in range(10, 5010):
        files[f"/proc/{pid}/stat"] = stat(pid)
        files[f"/proc/{pid}/schedstat"] = b"5 6 7\n"
        sizes[f"/proc/{pid}/fd"] = 4
    host = MemoryHost([{**QUIET, **files}], sizes=sizes)
    started_s = time.process_time()
    sample = take_sample(host, Scope())
    assert len(sample.tasks) == 5000
    assert time.process_time() - started_s < 0.5


def test_a_list_of_threads_that_is_denied_is_said() -> None:
    class NoThreads(MemoryHost):
        def list(self, path: str) -> List[str]:
            if path.endswith("/task"):
                raise ReadError.from_errno(path, errno.EACCES)
            return super().list(path)

    files: Dict[str, Content] = {
        **QUIET,
        "/proc/loadavg": SOME_LOAD,
        "/proc/7/stat": stat(7, threads=2),
        "/proc/7/task/8/stat": stat(8, state="D"),
    }
    sample = take_sample(NoThreads([files]), Scope())
    assert sample.threads == {}
    assert sample.failures["/proc/[pid]/task"].kind == "denied"
