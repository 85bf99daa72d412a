"""Begin and end of calls from events, with what fell into them."""

from typing import Any, List

from kdiag.ftrace.event import Event, Lost
from kdiag.path.acquire.graph_join import Span
from kdiag.path.acquire.graph_returns import Return
from kdiag.path.acquire.graph_spans import Bound, SpanBuilder
from kdiag.path.call import Wait

ENTER, EXIT = "syscalls:sys_enter_openat", "syscalls:sys_exit_openat"


def builder() -> SpanBuilder:
    made = SpanBuilder(lambda tid: f"task{tid}")
    made.bounds[ENTER] = Bound(
        True, "openat", args=lambda fields: f"filename={fields['filename']:#x}, flags=0"
    )
    made.bounds[EXIT] = Bound(False, "openat")
    made.functions["kdiag_1:r0"] = "step_into"
    made.texts["kdiag_1:wrapper"] = ("filename",)
    return made


def event(ts_ns: int, name: str, tid: int = 7, **fields: Any) -> Event:
    return Event(ts_ns, 0, tid, name, fields)


def fed(made: SpanBuilder, *events: Event) -> List[Span]:
    found = [made.event(each) for each in events]
    return [span for span in found if span is not None]


def switch(ts_ns: int, before: int, after: int, state: int = 0) -> Event:
    return event(
        ts_ns, "sched:sched_switch", before, prev_pid=before, next_pid=after, prev_state=state,
        prev_comm="a", next_comm="b",
    )  # fmt: skip


def test_a_call_has_its_times_its_result_and_its_arguments() -> None:
    (span,) = fed(builder(), event(10, ENTER, filename=4096), event(50, EXIT, ret=-2))
    assert (span.name, span.tid, span.start_ns, span.end_ns, span.retval) == ("openat", 7, 10, 50, -2)
    assert span.args == "filename=0x1000, flags=0"


def test_a_string_that_a_probe_read_takes_the_place_of_its_address() -> None:
    probe = event(11, "kdiag_1:wrapper", filename="/etc/hostname")
    (span,) = fed(builder(), event(10, ENTER, filename=4096), probe, event(50, EXIT, ret=3))
    assert span.args == 'filename="/etc/hostname", flags=0'
    assert span.texts == {"filename": "/etc/hostname"}


def test_a_sleep_is_told_from_the_wait_for_a_cpu_that_follows_it() -> None:
    made = builder()
    (span,) = fed(
        made,
        event(10, ENTER, filename=0),
        switch(20, 7, 0, state=2),
        event(40, "sched:sched_waking", 9, pid=7),
        switch(45, 0, 7),
        event(50, EXIT, ret=0),
    )
    assert span.waits == (Wait(20, 20, "D", (), "task9-9"), Wait(40, 5, "R"))


def test_a_thread_that_is_made_to_give_way_waits_for_a_cpu_only() -> None:
    (span,) = fed(
        builder(), event(10, ENTER, filename=0), switch(20, 7, 3), switch(30, 3, 7), event(50, EXIT, ret=0)
    )
    assert span.waits == (Wait(20, 10, "R"),)


def test_return_probes_count_for_the_call_of_their_thread_alone() -> None:
    (span,) = fed(
        builder(),
        event(5, "kdiag_1:r0", ret=1),
        event(10, ENTER, filename=0),
        event(20, "kdiag_1:r0", 8, ret=2),
        event(30, "kdiag_1:r0", ret=0xFFFFFFFFFFFFFFFE),
        event(50, EXIT, ret=-2),
    )
    assert span.returns == (Return(30, "step_into", -2),)


def test_a_call_that_does_not_return_ends_with_the_next_one_of_its_thread() -> None:
    made = builder()
    (span,) = fed(made, event(10, ENTER, filename=0), event(60, ENTER, filename=0))
    assert (span.start_ns, span.end_ns, span.retval) == (10, None, None)
    (left,) = made.unfinished()
    assert left.start_ns == 60


def test_after_a_loss_nothing_that_was_open_is_trusted() -> None:
    made = builder()
    assert fed(made, event(10, ENTER, filename=0)) == []
    made.lost(Lost(20, 0, 5))
    assert fed(made, event(50, EXIT, ret=0)) == []
    assert (made.lost_events, made.dropped_calls, made.ends_without_begin) == (5, 1, 1)


def test_calls_by_number_have_the_name_of_the_number_and_unwanted_ones_none() -> None:
    made = SpanBuilder()
    for way, enters in (("enter", True), ("exit", False)):
        made.bounds[f"raw_syscalls:sys_{way}"] = Bound(enters, by_number={257: "openat"})
    spans = fed(
        made,
        event(1, "raw_syscalls:sys_enter", id=0),
        event(2, "raw_syscalls:sys_exit", id=0, ret=0),
        event(3, "raw_syscalls:sys_enter", id=257),
        event(4, "raw_syscalls:sys_exit", id=257, ret=5),
    )
    assert [(span.name, span.start_ns, span.retval) for span in spans] == [("openat", 3, 5)]
