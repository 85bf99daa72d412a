"""Events put together to calls."""

from typing import Any, List, Optional, Sequence, Tuple

import pytest

from kdiag.ftrace.event import Event, Lost
from kdiag.kernel.errno_names import name_of
from kdiag.path.acquire.stitch_calls import CallKind, Stitcher
from kdiag.path.acquire.stitch_tree import Frame
from kdiag.path.call import SyscallCall, Wait

#: Address -> function; stacks below are written as the functions, innermost first.
NAMES: List[str] = []
DEVICE = 254 << 20


def address(function: str) -> int:
    if function not in NAMES:
        NAMES.append(function)
    return (NAMES.index(function) + 1) * 100 + 1


def stitcher(**more: Any) -> Stitcher:
    def args(fields: Any) -> str:
        return f"fd={fields.get('fd')}"

    kinds = {name: CallKind(name, f"__x64_sys_{name}", args, ("fd", "buf")) for name in ("read", "openat")}
    return Stitcher(kinds, lambda place: (NAMES[place // 100 - 1], None), name_of, **more)


def event(ts_ns: int, name: str, tid: int = 7, stack: str = "", flags: int = 0, **fields: Any) -> Event:
    frames = tuple(address(function) for function in stack.split()) if stack else None
    return Event(ts_ns, 0, tid, name, fields, frames, None, flags)


def enter(ts_ns: int, name: str = "read", tid: int = 7) -> Event:
    return event(ts_ns, f"syscalls:sys_enter_{name}", tid, "syscall_trace_enter do_syscall_64", fd=3)


def leave(ts_ns: int, ret: int, name: str = "read", tid: int = 7) -> Event:
    return event(ts_ns, f"syscalls:sys_exit_{name}", tid, ret=ret & (1 << 64) - 1)


def switch(ts_ns: int, prev: int, next_: int, state: int = 1, stack: str = "") -> Event:
    return event(
        ts_ns, "sched:sched_switch", prev, stack or "__schedule schedule",
        prev_pid=prev, prev_comm=f"c{prev}", prev_state=state, next_pid=next_, next_comm=f"c{next_}",
    )  # fmt: skip


def waking(ts_ns: int, tid: int, by: int, stack: str = "try_to_wake_up pipe_write", flags: int = 0) -> Event:
    return event(ts_ns, "sched:sched_waking", by, stack, flags, pid=tid, comm="x")


def calls(items: Sequence[object], made: Optional[Stitcher] = None) -> List[SyscallCall]:
    made = made or stitcher()
    return [call for item in items for call in made.add(item)]  # type: ignore[arg-type]


def functions(call: SyscallCall) -> List[Tuple[int, str]]:
    assert call.root is not None
    return [(depth, each.function) for depth, each in call.root.walk()]


def test_begin_end_arguments_and_result_are_those_of_the_calls_own_events() -> None:
    (call,) = calls([enter(100), leave(350, 12)])
    assert (call.name, call.tid, call.start_ns, call.duration_ns, call.retval, call.errno, call.args) == (
        "read", 7, 100, 250, 12, None, "fd=3",
    )  # fmt: skip
    assert call.root is not None
    assert (call.root.function, call.root.duration_ns, call.root.inferred) == ("__x64_sys_read", 250, False)


@pytest.mark.parametrize(
    ("ret", "errno"), [(-2, 2), (-4095, 4095), (-4096, None), (0, None), (1 << 62, None)]
)
def test_an_error_is_a_result_of_minus_1_to_minus_4095(ret: int, errno: Optional[int]) -> None:
    (call,) = calls([enter(1), leave(2, ret)])
    assert (call.retval, call.errno) == (ret, errno)


def test_events_inside_make_the_tree_and_those_outside_do_not() -> None:
    (call,) = calls([
        event(50, "kmem:kfree", stack="kfree exit_mmap do_syscall_64"),
        enter(100),
        event(110, "kmem:kmalloc", stack="trace_event_raw_event_kmalloc kmalloc vfs_read ksys_read"),
        event(120, "kmem:kfree", tid=8, stack="kfree vfs_write"),
        leave(200, 0),
    ])  # fmt: skip
    assert functions(call) == [(0, "__x64_sys_read"), (1, "ksys_read"), (2, "vfs_read"), (3, "kmalloc")]


def test_calls_of_many_threads_do_not_mix() -> None:
    found = calls([enter(1, tid=1), enter(2, tid=2), leave(5, 10, tid=2), leave(9, 20, tid=1)])
    assert [(call.tid, call.duration_ns, call.retval) for call in found] == [(2, 3, 10), (1, 8, 20)]


def test_an_end_without_a_begin_is_no_call_and_a_begin_without_an_end_is_dropped_and_counted() -> None:
    made = stitcher()
    assert calls([leave(5, 0)], made) == []  # clone, as the child sees it
    assert made.dropped_calls == 0
    assert [call.start_ns for call in calls([enter(10), enter(20), leave(30, 0)], made)] == [20]
    assert made.dropped_calls == 1
    assert calls([enter(40), leave(50, 0, "openat")], made) == []
    assert made.dropped_calls == 2


def test_sleep_and_waiting_for_a_cpu_are_told_apart_and_the_waker_is_named() -> None:
    made = stitcher(names={9: "writer"})
    (call,) = calls([
        enter(100),
        switch(150, 7, 0, 1, "trace_event_raw_event_sched_switch __schedule schedule pipe_read vfs_read"),
        waking(400, 7, 9),
        switch(430, 0, 7),
        leave(500, 1),
    ], made)  # fmt: skip
    where = ("schedule", "pipe_read", "vfs_read")
    assert call.waits == (
        Wait(150, 250, "S", where, "writer-9 (pipe_write)"),
        Wait(400, 30, "R", where),
    )
    assert call.root is not None
    times = {each.function: each.duration_ns for _, each in call.root.walk()}
    assert times["schedule"] == 280 and times["vfs_read"] == 280 and times["__x64_sys_read"] == 400


def test_a_preempted_task_waits_for_a_cpu() -> None:
    (call,) = calls([enter(1), switch(10, 7, 8, 0x100), switch(25, 8, 7), leave(30, 0)])
    assert [(wait.start_ns, wait.duration_ns, wait.state) for wait in call.waits] == [(10, 15, "R")]


def test_an_interrupt_that_wakes_is_not_blamed_on_the_task_that_it_interrupted() -> None:
    stack = "try_to_wake_up iomap_dio_bio_end_io handle_softirqs asm_common_interrupt do_sys_poll"
    (call,) = calls(
        [enter(1), switch(2, 7, 8, 2), waking(5, 7, 8, stack, 0x10), switch(6, 8, 7), leave(9, 0)]
    )
    assert call.waits[0].waker == "an interrupt (iomap_dio_bio_end_io)"


def test_the_waker_of_an_earlier_sleep_is_not_that_of_a_later_one() -> None:
    (call,) = calls([
        enter(1), switch(2, 7, 8), waking(3, 7, 8), switch(4, 8, 7), switch(5, 7, 8), switch(9, 8, 7),
        leave(10, 0),
    ])  # fmt: skip
    assert [(wait.duration_ns, wait.waker) for wait in call.waits] == [
        (1, "thread 8 (pipe_write)"),
        (1, ""),
        (4, ""),
    ]


def test_a_call_that_goes_on_at_the_end_is_still_shown_with_its_sleep() -> None:
    made = stitcher()
    assert calls([enter(1), switch(20, 7, 8, 1, "schedule pipe_read vfs_read")], made) == []
    (call,) = made.finish(99)
    assert (call.duration_ns, call.retval) == (None, None)
    assert call.root is not None and call.root.end_lost
    assert call.waits == (Wait(20, None, "S", ("schedule", "pipe_read", "vfs_read")),)


def test_a_call_from_before_the_recording_has_no_length_and_nor_has_its_sleep() -> None:
    made = stitcher()
    made.in_call_already(7, "read", 50, "S", (Frame(11, "vfs_read"), Frame(12, "pipe_read")), (3, 0x7F00))
    (call,) = calls([waking(60, 7, 9), switch(70, 9, 7), leave(80, 5)], made)
    assert (call.start_ns, call.duration_ns, call.retval, call.args) == (50, None, 5, "fd=3")
    assert [(wait.start_ns, wait.duration_ns, wait.state) for wait in call.waits] == [
        (50, None, "S"),
        (60, 10, "R"),
    ]
    assert call.root is not None and call.root.begin_lost and not call.root.end_lost


def test_what_is_already_known_of_a_thread_is_not_replaced_by_a_later_look_at_it() -> None:
    made = stitcher()
    calls([enter(40)], made)
    made.in_call_already(7, "read", 10)
    (call,) = calls([leave(60, 0)], made)
    assert (call.start_ns, call.duration_ns) == (40, 20)


def test_a_loss_drops_everything_under_way() -> None:
    made = stitcher()
    assert (
        calls([enter(1), enter(2, tid=8), Lost(5, 1, 77), leave(6, 0), leave(7, 0, tid=8), enter(8)], made)
        == []
    )
    assert [call.duration_ns for call in calls([leave(9, 0)], made)] == [1]
    assert (made.lost_events, made.lost_unknown, made.dropped_calls) == (77, False, 2)
    calls([Lost(10, 0, None)], made)
    assert made.lost_unknown


def test_the_end_of_a_thread_ends_its_call_without_a_result() -> None:
    (call,) = calls([enter(1), event(5, "sched:sched_process_exit", comm="x", pid=7)])
    assert (call.duration_ns, call.retval) == (None, None)
    assert call.root is not None and call.root.end_lost and call.root.notes == ["the thread ended in it"]


def test_threads_and_processes_born_and_renamed_are_known() -> None:
    made = stitcher(names={7: "sh"}, processes={7: 7})
    found = calls([
        event(1, "task:task_newtask", pid=8, comm="sh", clone_flags=0x10000),
        event(2, "task:task_newtask", pid=9, comm="sh", clone_flags=0),
        event(3, "task:task_rename", tid=9, pid=9, oldcomm="sh", newcomm="cat"),
        enter(4, tid=8), leave(5, 0, tid=8), enter(6, tid=9), leave(7, 0, tid=9),
    ], made)  # fmt: skip
    assert [(call.pid, call.tid, call.comm) for call in found] == [(7, 8, "sh"), (9, 9, "cat")]


def submit(ts_ns: int, name: str, sector: int, sectors: int, stack: str) -> Event:
    return event(ts_ns, f"block:{name}", stack=stack, dev=DEVICE, sector=sector, nr_sector=sectors, rwbs="R")


def request(made: Stitcher, ts_ns: int, name: str, sector: int, sectors: int = 8, dev: int = DEVICE) -> None:
    made.device(
        event(ts_ns, f"block:block_rq_{name}", 0, dev=dev, sector=sector, nr_sector=sectors, rwbs="R")
    )


def notes(call: SyscallCall) -> List[Tuple[str, str]]:
    assert call.root is not None
    return [(each.function, note) for _, each in call.root.walk() for note in each.notes]


def test_a_request_that_the_call_submitted_has_its_time_at_the_device() -> None:
    made = stitcher()
    calls([enter(1000), submit(2000, "block_bio_queue", 64, 8, "submit_bio"),
           submit(3000, "block_rq_issue", 64, 8, "virtio_queue_rq")], made)  # fmt: skip
    request(made, 3000, "issue", 64)
    request(made, 3500, "issue", 4096)  # somebody else's
    request(made, 9000, "complete", 4096)
    request(made, 68_000, "complete", 64)
    (call,) = calls([leave(70_000, 4096)], made)
    assert notes(call) == [("virtio_queue_rq", "65.0 us at device 254:0 R, 4 KiB")]


def test_several_requests_of_one_place_are_added_up() -> None:
    made = stitcher()
    calls([enter(1)], made)
    for sector, begin_ns, end_ns in ((64, 2000, 5000), (80, 3000, 4000)):
        calls([submit(begin_ns, "block_rq_issue", sector, 8, "virtio_queue_rq")], made)
        request(made, begin_ns, "issue", sector)
        request(made, end_ns, "complete", sector)
    (call,) = calls([leave(9000, 0)], made)
    assert notes(call) == [
        ("virtio_queue_rq", "4.0 us in 2 requests at device 254:0 R, 8 KiB, longest 3.0 us")
    ]


def test_a_merged_request_counts_for_the_call_whose_part_is_in_it() -> None:
    made = stitcher()
    calls([enter(1), submit(2, "block_bio_queue", 72, 8, "submit_bio")], made)
    request(made, 10, "issue", 64, 32)
    request(made, 5010, "complete", 64, 32)
    (call,) = calls([leave(6000, 0)], made)
    assert [place for place, _ in notes(call)] == ["submit_bio"]


def test_the_same_sector_of_another_device_is_another_request() -> None:
    made = stitcher()
    calls([enter(1), submit(2, "block_bio_queue", 64, 8, "submit_bio")], made)
    request(made, 3, "issue", 64, dev=8 << 20)
    request(made, 9, "complete", 64, dev=8 << 20)
    (call,) = calls([leave(10, 0)], made)
    assert notes(call) == []


def test_the_event_that_first_said_the_error_marks_the_place() -> None:
    (call,) = calls([
        enter(1),
        event(2, "ext4:ext4_ext_map_blocks_exit", stack="ext4_ext_map_blocks ksys_read", ret=-28),
        event(3, "ext4:ext4_da_write_pages", stack="ext4_writepages ksys_read", ret=-28),
        event(4, "ext4:other", stack="ext4_other ksys_read", ret=-5),
        leave(9, -28),
    ])  # fmt: skip
    assert call.root is not None
    said = [(each.function, each.retval) for _, each in call.root.walk() if each.retval is not None]
    assert said == [("__x64_sys_read", -28), ("ext4_ext_map_blocks", -28)]
    assert (
        "ext4_ext_map_blocks",
        "here ext4:ext4_ext_map_blocks_exit said ENOSPC, the first event to do so",
    ) in notes(call)


def test_only_sockets_say_errors_as_positive_numbers() -> None:
    for name, field, marked in (("sock:inet_sk_error_report", "error", True), ("kmem:x", "ret", False)):
        (call,) = calls([enter(1), event(2, name, stack="f", **{field: 111}), leave(3, -111)])
        assert any("said ECONNREFUSED" in note for _, note in notes(call)) is marked


def test_of_a_failing_call_it_is_told_what_was_seen_last_and_where_it_began_to_release() -> None:
    (call,) = calls([
        enter(1, "openat"),
        event(2, "kmem:kmem_cache_alloc", stack="kmem_cache_alloc alloc_empty_file path_openat"),
        event(3, "kmem:kmem_cache_free", stack="kmem_cache_free __fput_deferred path_openat do_sys_openat2"),
        event(4, "kmem:kmem_cache_free", stack="kmem_cache_free do_sys_openat2"),
        leave(5, -2, "openat"),
    ])  # fmt: skip
    assert call.root is not None
    assert call.root.notes == [
        "all that it still did before it returned ENOENT was to release things,"
        " from __fput_deferred < path_openat < do_sys_openat2 on",
        "last seen before it returned ENOENT: kmem_cache_free < do_sys_openat2",
    ]


def test_calls_without_events_of_their_own_are_known_by_number() -> None:
    made = stitcher(numbers={0: "read"})
    (call,) = calls([
        event(1, "raw_syscalls:sys_enter", id=0, fd=5, args=()),
        event(9, "raw_syscalls:sys_exit", id=0, ret=4),
    ], made)  # fmt: skip
    assert (call.name, call.duration_ns, call.args) == ("read", 8, "fd=5")


def test_what_recording_costs_at_most_is_the_shortest_time_between_two_events_outside_of_interrupts() -> None:
    made = stitcher()
    calls([
        enter(1000),
        event(3000, "kmem:kfree", stack="kfree"),
        event(3001, "irq:softirq_entry", stack="handle_softirqs", flags=0x08),
        event(4500, "kmem:kfree", stack="kfree"),
        leave(9000, 0),
    ], made)  # fmt: skip
    assert (made.least_gap_ns, made.points, made.ended) == (1500, 3, 1)


def test_a_waker_without_a_known_name_is_looked_up() -> None:
    made = stitcher(comm_of=lambda tid: f"task{tid}")
    (call,) = calls([enter(1), switch(2, 7, 8), waking(3, 7, 12), switch(4, 8, 7), leave(9, 0)], made)
    assert call.waits[0].waker == "task12-12 (pipe_write)"
