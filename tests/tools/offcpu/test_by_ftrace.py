from typing import Dict, Optional, Tuple

import pytest

from kdiag.ftrace.event import Event
from kdiag.host.memory import MemoryHost
from kdiag.tools.offcpu import STATES
from kdiag.tools.offcpu.by_ftrace import Sleeps
from kdiag.tools.stack_names import StackNames

SYMBOLS = (
    b"ffffffff81000100 T schedule\nffffffff81000200 T do_nap\nffffffff81000300 T __traceiter_sched_switch\n"
)
SCHEDULE, NAP, TRACING = 0xFFFFFFFF81000110, 0xFFFFFFFF81000210, 0xFFFFFFFF81000310
S, D, ZOMBIE, PREEMPTED, IDLE = 1, 2, 0x20, 0x100, 0x80
NAMES = StackNames(MemoryHost([{"/proc/kallsyms": SYMBOLS}]))


def switch(
    ts_us: int,
    leaves: int,
    state: int,
    comes: int,
    stack: Optional[Tuple[int, ...]] = (TRACING, SCHEDULE, NAP),
) -> Event:
    fields = {"prev_pid": leaves, "prev_state": state, "next_pid": comes}
    return Event(ts_us * 1000, 0, leaves, "sched:sched_switch", fields, stack)


def slept(*events: Event, state: str = "sleeping", only: Tuple[int, ...] = (1, 2)) -> Dict[str, int]:
    sleeps = Sleeps(lambda tid: tid in only, STATES[state])
    for event in events:
        sleeps.feed(event, f"t{event.pid}")
    return {row.key: row.weight for row in sleeps.rows(NAMES)}


def test_a_sleep_lasts_until_the_thread_gets_a_cpu_again() -> None:
    assert slept(switch(10, 1, S, 0), switch(510, 0, 0, 1)) == {"t1": 500}


def test_frames_go_from_the_outermost_in_and_leave_the_tracing_out() -> None:
    sleeps = Sleeps(lambda tid: True, -1)
    sleeps.feed(switch(0, 1, S, 2), "t1")
    sleeps.feed(switch(9, 2, S, 1, None), "t2")
    sleeps.feed(switch(12, 1, S, 2), "t1")
    (first, second) = sleeps.rows(NAMES)
    assert (first.key, first.frames, first.kernel_frames, first.weight) == (
        "t1",
        ("do_nap", "schedule"),
        2,
        9,
    )
    assert (second.key, second.frames, second.weight) == ("t2", (), 3)
    assert sleeps.rows(NAMES) == ()


@pytest.mark.parametrize(
    ("asked", "states"),
    [("sleeping", (S, D)), ("S", (S,)), ("D", (D,)), ("all", (S, D, 0, PREEMPTED, IDLE))],
)
def test_states_are_those_that_were_asked_for(asked: str, states: Tuple[int, ...]) -> None:
    for state in (S, D, 0, PREEMPTED, IDLE, ZOMBIE):
        found = slept(switch(0, 1, state, 0), switch(7, 0, 0, 1), state=asked)
        assert found == ({"t1": 7} if state in states else {}), state


def test_only_the_watched_are_shown() -> None:
    events = switch(0, 1, S, 3), switch(5, 3, S, 1), switch(9, 1, S, 3)
    assert slept(*events) == {"t1": 5}


def test_sleeps_that_a_loss_has_cut_are_not_counted() -> None:
    sleeps = Sleeps(lambda tid: True, -1)
    sleeps.feed(switch(0, 1, S, 0), "t1")
    sleeps.forget()
    sleeps.feed(switch(900, 0, 0, 1), "idle")
    assert [row.key for row in sleeps.rows(NAMES)] == []


def test_a_thread_that_leaves_and_was_not_seen_to_come_back_is_counted_and_makes_no_time() -> None:
    sleeps = Sleeps(lambda tid: True, STATES["sleeping"])
    # Between the two, it got the CPU from the idle task, and this kernel did not record that.
    for event in (switch(10, 1, S, 0), switch(40, 1, S, 0), switch(90, 0, 0, 1)):
        sleeps.feed(event, f"t{event.pid}")
    assert sleeps.missed == 1
    assert [row.weight for row in sleeps.rows(NAMES)] == [50]
