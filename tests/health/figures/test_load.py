from typing import Mapping

from kdiag.health.figures.load import BlockedTasks, blocked_tasks, runnable_tasks
from kdiag.health.sample import Sample
from kdiag.host.memory import Content
from tests.health.overlay import quiet_files
from tests.health.windows import window_of

STUCK = (
    b"%d (tar) D 1 412 412 0 -1 4194560 1000 0 10 0 120 40 0 0 20 0 114 0 417 171053056 3200 "
    b"18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
)


def sample_of(changes: Mapping[str, Content]) -> Sample:
    return window_of(changes, changes).after


def test_the_reader_is_not_counted_as_running() -> None:
    stat = b"cpu  0 0 0 0\nprocs_running %d\n"
    assert runnable_tasks(sample_of({"/proc/stat": stat % 4})) == 3
    assert runnable_tasks(sample_of({"/proc/stat": stat % 1})) == 0
    assert runnable_tasks(sample_of({"/proc/stat": stat % 0})) == 0


def test_a_count_that_is_not_there_is_not_known() -> None:
    assert runnable_tasks(sample_of({"/proc/stat": b"cpu  0 0 0 0\n"})) is None
    assert runnable_tasks(sample_of({"/proc/stat": 13})) is None


def test_blocked_threads_are_counted_beside_the_leaders_of_their_processes() -> None:
    thread = {"/proc/412/task/412/stat": STUCK % 412, "/proc/412/task/413/stat": STUCK % 413}
    loaded = {"/proc/loadavg": b"2.00 1.00 1.00 1/118 1800\n"}
    assert blocked_tasks(sample_of({**loaded, **thread})) == BlockedTasks(1, True)
    assert blocked_tasks(sample_of({**loaded, **thread, "/proc/412/stat": STUCK % 412})) == BlockedTasks(
        2, True
    )


def test_a_load_below_1_leaves_no_room_for_hidden_threads() -> None:
    assert blocked_tasks(sample_of({"/proc/loadavg": b"0.99 1.00 1.00 1/9000 1800\n"})) == BlockedTasks(
        0, True
    )
    assert blocked_tasks(sample_of({"/proc/loadavg": b"1.00 1.00 1.00 1/9000 1800\n"})) == BlockedTasks(
        0, False
    )


def test_a_load_that_is_not_known_hides_nothing_from_a_scan_of_all_threads() -> None:
    assert blocked_tasks(sample_of({"/proc/loadavg": 13})) == BlockedTasks(0, True)


def test_threads_that_were_too_many_to_look_at_may_be_blocked() -> None:
    many = (STUCK % 412).replace(b" 20 0 114 0 417", b" 20 0 6000 0 417")
    loaded = {"/proc/loadavg": b"2.00 1.00 1.00 1/6004 1800\n", "/proc/412/stat": many}
    assert blocked_tasks(sample_of(loaded)) == BlockedTasks(1, False)


def test_without_any_task_nothing_is_known_of_blocked_ones() -> None:
    gone = {path: 13 for path in quiet_files()[0] if path.split("/")[2].isdigit()}
    assert blocked_tasks(sample_of(gone)) is None


def test_the_view_is_partial_where_sys_view_says_so() -> None:
    # 118 threads are seen: 80 % of 147 and a little less than that of 148.
    for total, whole in ((147, True), (148, False)):
        loaded = {"/proc/loadavg": b"2.00 1.00 1.00 1/%d 1800\n" % total}
        assert blocked_tasks(sample_of(loaded)) == BlockedTasks(0, whole)
