"""What the checks of tasks say, and the arithmetic and races that overlays are too coarse for."""

import errno
from typing import Dict

from kdiag.health.finding import Finding
from kdiag.health.snapshot import Snapshot
from kdiag.host.memory import Content
from tests.health.overlay import OVERLAYS, Files, quiet_files, read_overlay, snapshot_of
from tests.health.task_files import changed, found, in_d, stat, status

HUNG = "/proc/sys/kernel/hung_task_detect_count"
BLOCKED: Dict[str, Content] = {
    "/proc/stat": b"cpu  7375 1 2496 338238 170 0 35 7 0 0\ncpu0 718 0 830 172520 13 0 7 2 0 0\n"
    b"cpu1 6657 1 1666 165717 156 0 27 5 0 0\nprocs_running 1\nprocs_blocked 1\n"
}


def only(snapshot: Snapshot, check_id: str) -> Finding:
    (finding,) = found(snapshot, check_id)
    return finding


def not_applicable(snapshot: Snapshot, check_id: str) -> str:
    (reason,) = [each.reason for each in snapshot.not_applicable if each.id == check_id]
    return reason


def zombies(count: int, ppid: int = 412, first: int = 2000) -> Files:
    return {f"/proc/{pid}/stat": stat(pid, "sh", "Z", ppid) for pid in range(first, first + count)}


def test_a_stuck_task_is_named_with_its_place_and_shown_with_its_files() -> None:
    finding = only(changed(in_d(900, "dd")), "task.d_state")
    assert (finding.status, finding.value, finding.basis) == ("warning", 1, "rate over 1.0 s")
    assert (
        finding.summary == "1 task in one uninterruptible sleep for the whole 1.0 s: dd (900) in io_schedule"
    )
    assert [f"{each} {each.raw}" for each in finding.evidence] == [
        "/proc/900/stat:1 900 (dd) D 1 900 900 0 -1 4194304 106 0 0 0 3 1 ...",
        "/proc/900/wchan:1 io_schedule",
        "/proc/900/stack:1 io_schedule+0x46/0x80",
    ]


def test_stuck_tasks_are_grouped_by_their_place_the_fullest_first() -> None:
    files = {**in_d(900, "dd"), **in_d(901, "tar", wchan="nfs_wait"), **in_d(902, "ls", wchan="nfs_wait")}
    finding = only(changed(files), "task.d_state")
    assert finding.status == "critical"
    assert finding.summary.endswith(": tar (901), ls (902) in nfs_wait; dd (900) in io_schedule")


def test_without_rights_a_stuck_task_is_found_and_its_place_left_out() -> None:
    # wchan is 0 for those who may not ptrace it, stack and syscall are denied (6.18).
    hidden: Files = {
        "/proc/900/wchan": b"0",
        "/proc/900/stack": errno.EACCES,
        "/proc/900/syscall": errno.EACCES,
    }
    finding = only(changed({**in_d(900, "dd"), **hidden}), "task.d_state")
    assert finding.summary == "1 task in one uninterruptible sleep for the whole 1.0 s: dd (900)"
    assert [each.path for each in finding.evidence] == ["/proc/900/stat"]


def test_a_task_that_ran_in_between_is_not_stuck() -> None:
    snapshot = changed(in_d(900), last={"/proc/900/status": status(switches=9)})
    finding = only(snapshot, "task.d_state")
    assert finding.status == "ok"
    assert finding.summary.startswith("no task is stuck; 1 task in D ran meanwhile")


def test_time_slices_tell_where_the_switch_counts_are_hidden() -> None:
    hidden = {**in_d(900), "/proc/900/status": errno.EACCES}
    same, other = b"100 0 5\n", b"100 0 6\n"
    assert only(changed({**hidden, "/proc/900/schedstat": same}), "task.d_state").status == "warning"
    moved = changed(hidden, first={"/proc/900/schedstat": same}, last={"/proc/900/schedstat": other})
    assert only(moved, "task.d_state").status == "ok"


def test_another_task_with_the_same_number_is_not_stuck() -> None:
    reused = in_d(900)["/proc/900/stat"]
    assert isinstance(reused, bytes)
    snapshot = changed(in_d(900), first={"/proc/900/stat": reused.replace(b" 9000 ", b" 8000 ")})
    assert only(snapshot, "task.d_state").status == "ok"


def test_a_task_that_entered_d_after_the_first_reading_is_not_stuck() -> None:
    assert only(changed(in_d(900), first={"/proc/900/stat": stat(900)}), "task.d_state").status == "ok"


def test_a_thread_seen_in_d_once_because_only_one_reading_looked_is_not_judged() -> None:
    # Blocked tasks show in the last reading alone, so threads were not looked at in the first.
    thread = {"/proc/412/task/413/stat": stat(413, "nginx", "D")}
    finding = only(changed(thread, last=BLOCKED), "task.d_state")
    assert finding.status == "unknown"
    assert "1 task in D whose switch counts are not known in both readings" in finding.because


def test_one_reading_cannot_tell_a_stuck_task_and_says_so() -> None:
    finding = only(changed(in_d(900, "dd"), once=True), "task.d_state")
    assert finding.status == "unknown"
    assert finding.because == (
        "/proc/[pid]/stat: 1 task in D, and one reading does not tell whether for long: "
        "dd (900) in io_schedule"
    )


def test_one_reading_without_a_task_in_d_is_enough_to_acquit() -> None:
    finding = only(changed(once=True), "task.d_state")
    assert (finding.status, finding.basis) == ("ok", "instant")
    assert finding.summary == (
        "no task is stuck (5 processes; of each the first thread only, as nothing points to others)"
    )


def test_more_stuck_tasks_than_are_looked_into_are_counted_by_their_slices() -> None:
    files: Files = {}
    for pid in range(2000, 2100):
        files[f"/proc/{pid}/stat"] = stat(pid, "ls", "D")
        files[f"/proc/{pid}/schedstat"] = b"100 0 5\n"
    assert only(changed(files), "task.d_state").value == 100


def test_a_hostile_name_stays_one_subject() -> None:
    files: Files = {}
    for pid in range(2000, 2010):
        files[f"/proc/{pid}/stat"] = stat(pid, "sh", "Z", 900)
    files["/proc/900/stat"] = stat(900, "a) Z 1 (b\n\x1b[31m", "S")
    assert only(changed(files), "task.zombie").subject == "a) Z 1 (b\n\x1b[31m (900)"


def test_hung_tasks_are_not_looked_for_where_the_kernel_does_not() -> None:
    off = changed({"/proc/sys/kernel/hung_task_timeout_secs": b"0\n"})
    assert "hung_task_timeout_secs is 0" in not_applicable(off, "task.hung")
    found_before = changed({"/proc/sys/kernel/hung_task_timeout_secs": b"0\n", HUNG: b"2\n"})
    assert (
        only(found_before, "task.hung").summary
        == "2 found hung since boot, none of them between the readings"
    )


def test_a_count_since_boot_is_told_with_one_reading_too() -> None:
    finding = only(changed({HUNG: b"2\n"}, once=True), "task.hung")
    assert (finding.status, finding.summary) == ("warning", "2 found hung since boot")


def test_a_count_of_hung_tasks_that_was_reset_hides_no_stuck_task() -> None:
    reset = changed(in_d(900), first={HUNG: b"4\n"}, last={HUNG: b"0\n"})
    assert [only(reset, check_id).status for check_id in ("task.d_state", "task.hung")] == ["warning", "ok"]


def test_a_leader_that_ended_before_its_threads_is_not_dead() -> None:
    files = {f"/proc/{pid}/stat": stat(pid, "java", "Z", 412, threads=2) for pid in range(2000, 2020)}
    finding = only(changed(files), "task.zombie")
    assert (finding.status, finding.value) == ("ok", 0)


def test_dead_tasks_count_for_their_parent_and_a_parent_out_of_sight_is_a_number() -> None:
    snapshot = changed({**zombies(10, 412), **zombies(11, 77, 3000)})
    told = found(snapshot, "task.zombie")
    assert [(finding.subject, finding.value) for finding in told] == [("pid 77", 11), ("nginx (412)", 10)]
    assert told[1].summary == "nginx (412) has 10 dead children that it does not wait for (sh)"
    assert [each.path for each in told[1].evidence] == [
        "/proc/412/stat",
        *(f"/proc/{pid}/stat" for pid in range(2000, 2005)),
    ]


def test_one_reading_is_enough_for_dead_tasks() -> None:
    assert only(changed(zombies(10), once=True), "task.zombie").status == "warning"


def test_more_than_twenty_parents_are_summed_up() -> None:
    files: Files = {}
    for index in range(25):
        files.update(zombies(10, 100000 + index, 2000 + 10 * index))
    told = found(changed(files), "task.zombie")
    assert len(told) == 21
    assert (told[-1].subject, told[-1].value) == ("others", 5)
    assert told[-1].summary == "5 more, such as pid 100020, pid 100021, pid 100022"


def test_the_least_limit_on_threads_is_the_one_that_is_told() -> None:
    finding = only(changed(), "task.pids")
    assert finding.summary == "118 of 32768 threads that kernel.pid_max allows (0.4%)"
    cgroup = snapshot_of(read_overlay(OVERLAYS / "task.pids" / "cgroup.txt"))
    assert only(cgroup, "task.pids").summary == (
        "180 of 200 threads that pids.max of the cgroup /user.slice/user-0.slice allows (90.0%)"
    )


def test_open_files_are_shown_with_their_limit_and_with_how_many_were_looked_at() -> None:
    finding = only(changed(sizes={"/proc/412/fd": 18000}), "proc.fd_limit")
    assert finding.summary == (
        "nginx (412) has 18000 of 20000 files open (90.0%); 5 processes with the most open files looked at"
    )
    assert [f"{each} {each.raw}" for each in finding.evidence] == [
        "/proc/412/fd 18000 open",
        "/proc/412/limits Max open files 20000",
    ]
    assert finding.next == "ls -l /proc/412/fd"


def test_a_process_without_a_limit_on_open_files_is_not_judged_but_others_are() -> None:
    unlimited = quiet_files()[0]["/proc/412/limits"]
    assert isinstance(unlimited, bytes)
    line = b"Max open files            unlimited            unlimited            files     \n"
    files = {"/proc/412/limits": b"Limit  Soft Limit  Hard Limit  Units\n" + line}
    finding = only(changed(files, sizes={"/proc/412/fd": 999999}), "proc.fd_limit")
    assert (finding.status, finding.value) == ("ok", 100 * 9 / 20000)


def test_a_limit_that_was_reached_exactly_is_critical_and_one_lowered_below_the_use_is_not() -> None:
    header = b"Limit                     Soft Limit           Hard Limit           Units     \n"
    limit = header + b"Max open files            %d                   9                    files     \n"
    reached = changed({"/proc/412/limits": limit % 9})
    assert only(reached, "proc.fd_limit").value == 100.0
    for lowered in (8, 0):
        finding = only(changed({"/proc/412/limits": limit % lowered}), "proc.fd_limit")
        assert (finding.status, finding.value) == ("ok", 100 * 9 / 20000)
