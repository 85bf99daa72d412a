from typing import Dict, Tuple

from kdiag.ftrace.event import Event
from kdiag.tools.runqlat.by_ftrace import Waits

RUNNING, SLEEPING, PREEMPTED, IDLE = 0, 1, 0x100, 0x80


def woken(ts_us: int, tid: int, event: str = "sched_wakeup") -> Event:
    return Event(ts_us * 1000, 0, 99, f"sched:{event}", {"pid": tid})


def switch(ts_us: int, leaves: int, state: int, comes: int) -> Event:
    fields = {"prev_pid": leaves, "prev_state": state, "next_pid": comes}
    return Event(ts_us * 1000, 0, leaves, "sched:sched_switch", fields)


def waits(*events: Event, only: Tuple[int, ...] = (1, 2, 3)) -> Dict[int, Tuple[int, int]]:
    found = Waits(lambda tid: tid in only, int)
    for event in events:
        found.feed(event)
    return {tid: (each.number, each.total_ns // 1000) for tid, each in found.take().items()}


def test_a_woken_thread_waits_until_it_gets_a_cpu() -> None:
    assert waits(woken(10, 1), switch(35, 2, SLEEPING, 1)) == {1: (1, 25)}
    assert waits(woken(10, 1, "sched_wakeup_new"), switch(12, 0, RUNNING, 1)) == {1: (1, 2)}


def test_who_loses_its_cpu_and_could_go_on_waits() -> None:
    for state in (RUNNING, PREEMPTED):
        assert waits(switch(10, 1, state, 2), switch(15, 2, SLEEPING, 1)) == {1: (1, 5)}


def test_who_sleeps_does_not_wait() -> None:
    for state in (SLEEPING, IDLE, 2):
        assert waits(switch(10, 1, state, 2), switch(15, 2, SLEEPING, 1)) == {}


def test_only_the_watched_wait() -> None:
    events = woken(10, 1), woken(10, 2), switch(20, 0, RUNNING, 1), switch(30, 1, PREEMPTED, 2)
    assert waits(*events, only=(2,)) == {2: (1, 20)}


def test_waits_that_a_loss_has_cut_are_not_counted() -> None:
    found = Waits(lambda tid: True, int)
    found.feed(woken(10, 1))
    found.forget()
    found.feed(switch(500, 0, RUNNING, 1))
    assert found.take() == {}


def test_threads_are_summed_up_by_process_and_what_was_taken_is_gone() -> None:
    found = Waits(lambda tid: True, lambda tid: 7)
    for event in (woken(0, 1), woken(0, 2), switch(3, 0, RUNNING, 1), switch(9, 1, SLEEPING, 2)):
        found.feed(event)
    taken = found.take()[7]
    assert (taken.number, taken.total_ns, taken.max_ns) == (2, 12_000, 9000)
    assert found.take() == {}


def test_a_thread_that_leaves_and_was_not_seen_to_come_is_counted_and_makes_no_wait() -> None:
    found = Waits(lambda tid: tid == 1, int)
    for event in (
        switch(10, 1, SLEEPING, 0),
        woken(20, 1),
        switch(40, 1, SLEEPING, 0),
        woken(50, 1),
        switch(55, 0, 0, 1),
        woken(56, 1),  # it runs already
        switch(60, 1, SLEEPING, 0),
    ):
        found.feed(event)
    assert found.missed == 1
    assert {tid: (each.number, each.total_ns) for tid, each in found.take().items()} == {1: (1, 5000)}
