from typing import Dict, List, Tuple

from kdiag.health.table import FilledTable, TableOptions, fill
from kdiag.health.tables.top import TABLES, TopRow
from kdiag.host.memory import Content
from tests.health.overlay import quiet_files
from tests.health.windows import BARE_FACTS, QUIET_FACTS, window_of

BY_CPU, BY_DELAY = TABLES
PIDS = (1, 2, 310, 412, 1000)


def stat(pid: int, comm: bytes, user: int, system: int, start: int, flags: int = 4194560) -> Content:
    return (
        b"%d (%s) R 1 1 1 0 -1 %d 1000 0 10 0 %d %d 0 0 20 0 4 0 %d 171053056 3200 "
        b"18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
        % (pid, comm, flags, user, system, start)
    )


KDIAG = TopRow(1000, "root", "R", 5.0, 2.0, 0.01, 1, 12800.0, "kdiag")


def told(table: FilledTable, *fields: str) -> List[Tuple[object, ...]]:
    """Return some columns of a table, row by row."""
    return [tuple(row[field] for field in fields) for row in table.as_dicts()]


def test_tasks_that_used_cpu_are_shown_and_the_others_counted() -> None:
    table = fill(BY_CPU, window_of())
    assert table.rows == [KDIAG]
    assert table.basis == "rate over 1.0 s"
    assert table.notes == ("tasks that used CPU: 1 of 5", "PID 1000 is kdiag itself")


def test_the_busiest_are_first_and_a_task_of_four_threads_may_have_400_percent() -> None:
    first = {"/proc/310/stat": stat(310, b"java", 0, 0, 315), "/proc/412/stat": stat(412, b"cc1", 0, 0, 417)}
    last = {
        "/proc/310/stat": stat(310, b"java", 380, 20, 315),
        "/proc/412/stat": stat(412, b"cc1", 60, 0, 417),
    }
    table = fill(BY_CPU, window_of(first, last), TableOptions(top=2))
    assert told(table, "comm", "cpu_pct", "sys_pct") == [
        ("java", 400.0, 20.0),
        ("cc1", 60.0, 0.0),
    ]


def test_a_task_that_is_new_is_counted_from_its_start() -> None:
    table = fill(BY_CPU, window_of(last={"/proc/1801/stat": stat(1801, b"cc1", 40, 10, 174500)}))
    assert told(table, "pid", "cpu_pct") == [(1801, 50.0), (1000, 5.0)]


def test_a_process_id_that_was_used_again_is_another_task() -> None:
    first = {"/proc/310/stat": stat(310, b"old", 9000, 0, 315)}
    last = {"/proc/310/stat": stat(310, b"new", 30, 0, 174500)}
    table = fill(BY_CPU, window_of(first, last))
    assert told(table, "comm", "cpu_pct") == [("new", 30.0), ("kdiag", 5.0)]


def test_an_old_task_that_the_first_reading_missed_is_left_out_and_counted() -> None:
    table = fill(
        BY_CPU, window_of({"/proc/310/stat": 13}, {"/proc/310/stat": stat(310, b"sshd", 9000, 0, 315)})
    )
    assert told(table, "pid") == [(1000,)]
    assert "tasks left out, as the first reading missed them: 1" in table.notes


def test_a_kernel_thread_stands_in_brackets_and_any_other_name_as_it_is() -> None:
    kthread = 0x00200000
    last = {
        "/proc/2/stat": stat(2, b"kworker/0:1", 120, 80, 7, kthread),
        "/proc/310/stat": stat(310, b"a) R 1 (b\x1b\n", 150, 40, 315),
    }
    assert told(fill(BY_CPU, window_of(last=last)), "comm", "cpu_pct") == [
        ("[kworker/0:1]", 40.0),
        ("a) R 1 (b\x1b\n", 30.0),
        ("kdiag", 5.0),
    ]


def test_without_a_clock_tick_shares_come_from_the_cpus_and_what_needs_it_is_none() -> None:
    table = fill(BY_CPU, window_of(facts=BARE_FACTS))
    assert table.rows == [KDIAG._replace(delay_pct=None, rss_kib=None)]
    assert "PID 1000 is kdiag itself" not in table.notes


def test_without_any_measure_of_time_the_tasks_are_shown_without_shares() -> None:
    unreadable = {"/proc/stat": 13}
    table = fill(BY_CPU, window_of(unreadable, unreadable, facts=BARE_FACTS))
    assert told(table, "pid", "cpu_pct", "sys_pct") == [(1000, None, None)]


def test_a_host_with_another_page_size_has_other_sizes() -> None:
    facts = QUIET_FACTS._replace(page_size_bytes=65536)
    assert fill(BY_CPU, window_of(facts=facts)).rows == [KDIAG._replace(rss_kib=204800.0)]


def test_with_one_reading_shares_are_of_the_lifetime_of_each_task() -> None:
    table = fill(BY_CPU, window_of(once=True))
    # 123 + 42 ticks in the 1745.59 s of uptime less the 10.05 s before it started.
    assert told(table, "pid", "cpu_pct")[0] == (1000, 100 * 165 / (174559 - 1005))
    assert table.basis == "since boot"
    assert table.notes == ("tasks that used CPU: 5 of 5", "PID 1000 is kdiag itself")


def test_run_delay_is_the_share_of_the_window_in_which_a_task_waited_for_a_cpu() -> None:
    first = {"/proc/310/schedstat": b"1600000000 2000000 900\n"}
    last = {"/proc/310/schedstat": b"1600000000 252000000 900\n"}
    table = fill(BY_DELAY, window_of(first, last))
    assert told(table, "pid", "delay_pct") == [(310, 25.0), (1000, 0.01)]
    assert table.notes == (
        "%delay: ready to run, but without a CPU; of a process with threads, its main thread",
    )


def test_run_delay_from_before_the_window_stops_at_100_percent() -> None:
    last = {"/proc/310/schedstat": b"1600000000 5002000000 900\n"}
    assert told(fill(BY_DELAY, window_of(last=last)), "delay_pct")[0] == (100.0,)


def without_schedstat(content: Content) -> Dict[str, Content]:
    return {f"/proc/{pid}/schedstat": content for pid in PIDS}


def test_a_kernel_without_schedstat_says_so_and_still_has_the_top_by_cpu() -> None:
    window = window_of(without_schedstat(2), without_schedstat(2))
    assert fill(BY_CPU, window).rows == [KDIAG._replace(delay_pct=None)]
    assert fill(BY_DELAY, window).missing == (
        "/proc/[pid]/schedstat: this kernel does not count it: that needs CONFIG_SCHED_INFO"
    )


def test_a_kernel_that_prints_zeros_does_not_count_run_delay() -> None:
    zeros = without_schedstat(b"0 0 0\n")
    assert fill(BY_DELAY, window_of(zeros, zeros)).missing.endswith("that needs CONFIG_SCHED_INFO")


def test_schedstat_that_is_denied_says_so() -> None:
    denied = without_schedstat(13)
    assert fill(BY_DELAY, window_of(denied, denied)).missing == (
        "/proc/[pid]/schedstat: not permitted (EACCES; 5 of them)"
    )


def test_without_any_task_in_the_first_reading_no_share_is_made_up() -> None:
    hidden = {path: 13 for path in quiet_files()[0] if path.endswith("/stat") and path != "/proc/stat"}
    table = fill(BY_CPU, window_of(hidden))
    assert table.missing.endswith("(in the first reading)")
    assert table.rows == ()
