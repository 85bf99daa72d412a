import errno
from typing import Dict

from kdiag.health.table import TableOptions
from kdiag.health.tables.blocked import BlockedRow, ZombieRow
from kdiag.host.memory import Content
from tests.health.overlay import OVERLAYS, Files, read_overlay, snapshot_of
from tests.health.task_files import changed, in_d, stat, status, table

FOR = "for: at least so long, it may have begun before"
NOT_LOOKED_AT = "of each process only the first thread was looked at, as nothing points to blocked others"


def test_without_a_task_in_d_the_table_is_empty_and_says_what_was_not_looked_at() -> None:
    blocked = table(changed(), "blocked")
    assert (blocked.rows, blocked.notes, blocked.missing) == ([], (NOT_LOOKED_AT,), "")


def test_a_stuck_task_is_shown_with_where_it_sleeps_and_for_how_long_at_least() -> None:
    blocked = table(changed(in_d(900, "dd")), "blocked")
    assert blocked.rows == [
        BlockedRow(900, 900, "root", "dd", 1.0, "io_schedule", 0, "io_schedule < nfs_wait"),
    ]
    assert blocked.basis == "instant"


def test_a_thread_is_shown_with_its_process() -> None:
    blocked = table(snapshot_of(read_overlay(OVERLAYS / "task.d_state" / "critical.txt")), "blocked")
    three = "io_schedule < folio_wait_bit_common < filemap_read_folio"
    assert blocked.rows == [
        BlockedRow(900, 900, "root", "dd", 1.0, "io_schedule", 0, three),
        BlockedRow(412, 901, "root", "nginx", 1.0, "io_schedule", 0, three),
    ]
    assert blocked.notes == (FOR,)


def test_a_task_that_ran_in_between_comes_after_the_stuck_and_without_a_time() -> None:
    files = {**in_d(900, "dd"), **in_d(901, "tar")}
    blocked = table(changed(files, last={"/proc/900/status": status("dd", switches=99)}), "blocked")
    assert [(row[3], row[4]) for row in blocked.rows] == [("tar", 1.0), ("dd", None)]


def test_what_only_root_may_see_is_not_known_and_the_table_says_so() -> None:
    hidden: Dict[str, Content] = {
        "/proc/900/wchan": b"0",
        "/proc/900/stack": errno.EACCES,
        "/proc/900/syscall": errno.EACCES,
        "/proc/900/status": status("dd", uid=1000),
    }
    blocked = table(changed({**in_d(900, "dd"), **hidden}), "blocked")
    assert blocked.rows == [BlockedRow(900, 900, "1000", "dd", 1.0, None, None, None)]
    assert blocked.notes == (FOR, "where they sleep is shown to root alone", NOT_LOOKED_AT)


def test_of_a_task_that_woke_while_it_was_looked_at_no_place_is_told() -> None:
    """Found on 6.1: wchan was that of the sleep, the stack that of an interrupt after it."""
    woke: Dict[str, Content] = {
        "/proc/900/stack": b"[<0>] exit_to_user_mode_prepare+0x46/0x80\n",
        "/proc/900/syscall": b"running\n",
    }
    blocked = table(
        changed({**in_d(900, "dd"), **woke}, last={"/proc/900/status": status("dd", switches=99)}), "blocked"
    )
    assert blocked.rows == [BlockedRow(900, 900, "root", "dd", None, None, None, None)]
    assert blocked.notes == (
        "1 of them had woken when they were looked at, so it is not told where they slept",
        NOT_LOOKED_AT,
    )


def test_of_a_task_that_sleeps_otherwise_by_now_no_place_is_told() -> None:
    """Found on 6.12: a task in D was shown in epoll_wait, which is no uninterruptible sleep."""
    waits: Dict[str, Content] = {
        "/proc/900/status": b"State:\tS (sleeping)\n" + status("dd", switches=99),
        "/proc/900/wchan": b"do_epoll_wait",
    }
    (row,) = table(changed(in_d(900, "dd"), last=waits), "blocked").rows
    assert row == BlockedRow(900, 900, "root", "dd", None, None, None, None)


def test_a_kernel_thread_makes_no_system_call_though_it_shows_zeros() -> None:
    zeros: Dict[str, Content] = {"/proc/900/syscall": b"0 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0\n"}
    (row,) = table(changed({**in_d(900, "kworker/0:1"), **zeros}), "blocked").rows
    assert row == BlockedRow(
        900, 900, "root", "kworker/0:1", 1.0, "io_schedule", None, "io_schedule < nfs_wait"
    )


def test_frozen_tasks_are_shown_last_and_counted() -> None:
    overlay = read_overlay(OVERLAYS / "task.d_state" / "frozen.txt")
    for files in overlay.moments:
        files.update(in_d(950, "dd"))
    blocked = table(snapshot_of(overlay), "blocked")
    assert [row[3] for row in blocked.rows] == ["dd", "sleep", "java"]
    assert blocked.notes[1] == "2 of them are frozen by a freezer cgroup"


def test_a_scan_that_was_too_much_is_said() -> None:
    overlay = read_overlay(OVERLAYS / "task.d_state" / "too_many_threads.txt")
    (note,) = table(snapshot_of(overlay), "blocked").notes
    assert note.startswith("there are 6000 threads of processes with more than one")


def test_more_than_fifty_rows_are_counted() -> None:
    files: Files = {}
    for pid in range(2000, 2060):
        files[f"/proc/{pid}/stat"] = stat(pid, "ls", "D")
    blocked = table(changed(files), "blocked")
    assert (len(blocked.rows), blocked.notes[0]) == (50, "10 more are not shown")


def test_dead_tasks_are_grouped_by_parent() -> None:
    files: Files = {}
    for pid, comm, ppid in ((2000, "sh", 412), (2001, "sh", 412), (2002, "cat", 412), (2003, "sh", 77)):
        files[f"/proc/{pid}/stat"] = stat(pid, comm, "Z", ppid)
    zombies = table(changed(files), "zombies")
    assert zombies.rows == [
        ZombieRow(3, 412, "nginx", "root", ("sh", "cat")),
        ZombieRow(1, 77, None, None, ("sh",)),
    ]
    few = table(changed(files, options=TableOptions(top=1)), "zombies")
    assert (len(few.rows), few.notes) == (1, ("1 more parents are not shown",))


def test_without_any_process_both_tables_say_why() -> None:
    gone = {f"/proc/{pid}/stat": errno.EPERM for pid in (1, 2, 310, 412, 1000)}
    snapshot = changed(gone)
    for section in ("blocked", "zombies"):
        assert table(snapshot, section).missing == "/proc: no process is seen"
