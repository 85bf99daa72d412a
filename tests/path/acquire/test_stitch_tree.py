"""Stacks merged into a tree."""

from typing import Dict, List, Sequence, Set, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recorded_tracefs import KERNELS, capture
from kdiag.ftrace.trace_text import TextEvent, parse_trace
from kdiag.path.acquire.stitch_tree import Frame, StackCleaner, StackTree, clean
from kdiag.path.call import Call


def stack(*places: str) -> List[Frame]:
    """Frames outermost first; ``read:3`` is address 3 within read."""
    found = []
    for place in places:
        name, _, offset = place.partition(":")
        found.append(Frame(hash(name) // 1000 * 1000 + int(offset or 0), name))
    return found


def tree(*stacks: Tuple[int, Sequence[Frame]], most: int = 100) -> StackTree:
    made = StackTree(Call("sys_read", None, 0), most)
    for ts_ns, frames in stacks:
        made.add(ts_ns, frames)
    return made


def shape(call: Call) -> object:
    return (
        call.function,
        call.start_ns,
        call.duration_ns,
        call.hits,
        [shape(each) for each in call.children],
    )


def test_shared_call_sites_are_the_same_calls_and_their_times_enclose_what_was_seen() -> None:
    made = tree(
        (10, stack("ksys_read:1", "vfs_read:1", "rw_verify_area:1")),
        (20, stack("ksys_read:1", "vfs_read:2", "ext4_read:1", "submit_bio:1")),
        (35, stack("ksys_read:1", "vfs_read:2", "ext4_read:2", "io_schedule:1")),
    )
    assert [shape(each) for each in made.root.children] == [
        ("ksys_read", 10, 25, 1, [
            ("vfs_read", 10, 25, 1, [
                ("rw_verify_area", 10, 0, 1, []),
                ("ext4_read", 20, 15, 1, [("submit_bio", 20, 0, 1, []), ("io_schedule", 35, 0, 1, [])]),
            ]),
        ]),
    ]  # fmt: skip
    assert all(call.inferred for _, call in made.root.walk() if call is not made.root)


def test_another_call_site_of_the_same_function_is_another_call() -> None:
    made = tree((1, stack("a:1", "kfree:5")), (2, stack("a:2", "kfree:5")))
    assert [shape(each) for each in made.root.children] == [
        ("a", 1, 1, 1, [("kfree", 1, 0, 1, []), ("kfree", 2, 0, 1, [])])
    ]


def test_the_same_stack_again_is_counted_and_not_split() -> None:
    made = tree((1, stack("a:1", "kfree:5")), (4, stack("a:1", "kfree:5")), (9, stack("a:1", "kfree:5")))
    assert [shape(each) for each in made.root.children] == [("a", 1, 8, 1, [("kfree", 1, 8, 3, [])])]


def test_what_comes_back_after_something_else_is_a_new_call() -> None:
    made = tree((1, stack("a:1", "f:1")), (2, stack("a:2", "g:1")), (3, stack("a:1", "f:1")))
    assert [each.function for each in made.root.children[0].children] == ["f", "g", "f"]


def test_the_root_itself_on_a_stack_is_no_child_of_itself() -> None:
    made = tree((1, stack("sys_read:1", "a:1")), (2, stack("sys_read:2", "a:1")), (3, stack("sys_read:2")))
    assert [shape(each) for each in made.root.children] == [("a", 1, 0, 1, []), ("a", 2, 0, 1, [])]


def test_functions_of_one_name_in_two_modules_are_two() -> None:
    made = tree((1, [Frame(5, "show", "a")]), (2, [Frame(5, "show", "b")]))
    assert [each.module for each in made.root.children] == ["a", "b"]


def test_too_many_calls_are_not_kept_but_counted_and_times_go_on() -> None:
    made = tree(
        (1, stack("a:1", "f:1")),
        (2, stack("a:2", "g:1")),
        (3, stack("a:3", "h:1")),
        (9, stack("a:3", "h:1")),
        most=4,
    )
    assert [shape(each) for each in made.root.children] == [
        ("a", 1, 8, 1, [("f", 1, 0, 1, []), ("g", 2, 0, 1, [])])
    ]
    assert (made.calls, made.not_kept) == (4, 2)


def test_a_stack_that_is_known_without_an_event_extends_times_and_counts_nothing() -> None:
    made = StackTree(Call("sys_read", None, 0))
    made.add(5, stack("a:1", "schedule:1"))
    made.add(50, stack("a:1", "schedule:1"), seen=False)
    assert shape(made.root.children[0]) == ("a", 5, 45, 1, [("schedule", 5, 45, 1, [])])
    assert made.stacks == 1


def test_the_way_in_and_the_tracer_are_cut_off() -> None:
    frames = stack(
        "entry_SYSCALL_64_after_hwframe", "do_syscall_64", "x64_sys_call", "__x64_sys_read",
        "blk_mq_start_request", "trace_event_raw_event_block_rq", "trace_event_buffer_commit",
    )  # fmt: skip
    assert [each.function for each in clean(frames)] == ["__x64_sys_read", "blk_mq_start_request"]
    arm = stack("el0t_64_sync", "el0t_64_sync_handler", "el0_svc", "do_el0_svc", "el0_svc_common.constprop.0",
                "invoke_syscall", "__arm64_sys_read", "vfs_read")  # fmt: skip
    assert [each.function for each in clean(arm)] == ["__arm64_sys_read", "vfs_read"]


def test_an_interrupt_of_the_tracer_is_the_interrupted_calls() -> None:
    # Seen on 6.18: a timer came while the stack of block_rq_issue was being taken.
    frames = stack(
        "do_syscall_64", "ksys_read", "blk_mq_start_request", "trace_event_raw_event_block_rq",
        "trace_event_buffer_commit", "trace_buffer_unlock_commit_regs", "__ftrace_trace_stack",
        "stack_trace_save", "arch_stack_walk", "unwind_next_frame", "orc_find.part.0",
        "asm_sysvec_apic_timer_interrupt",
        "sysvec_apic_timer_interrupt", "try_to_wake_up", "__traceiter_sched_waking",
        "trace_event_raw_event_sched_wakeup_template",
    )  # fmt: skip
    assert [each.function for each in clean(frames)] == [
        "ksys_read", "blk_mq_start_request", "asm_sysvec_apic_timer_interrupt", "sysvec_apic_timer_interrupt",
        "try_to_wake_up",
    ]  # fmt: skip


def test_addresses_are_looked_up_before_the_place_they_return_to() -> None:
    names: Dict[int, str] = {0x0FFF: "panics_at_its_end", 0x1FFF: "ksys_read"}
    cleaner = StackCleaner(lambda address: (names[address], None))
    assert cleaner((0x1000, 0x2000)) == (Frame(0x2000, "ksys_read"), Frame(0x1000, "panics_at_its_end"))


_STACKS = st.lists(
    st.lists(st.sampled_from([Frame(n * 10 + m, f"f{n}") for n in range(3) for m in range(2)]), max_size=5)
)


@given(_STACKS)
def test_no_call_is_outside_of_its_callers_time_and_none_is_lost(stacks: List[List[Frame]]) -> None:
    made = tree(*enumerate(stacks), most=10_000)
    hits = 0
    for _, call in made.root.walk():
        last = call.start_ns
        for child in call.children:
            assert child.start_ns is not None and child.end_ns is not None
            assert child.duration_ns == child.end_ns - child.start_ns
            if call is not made.root:
                assert call.start_ns is not None and call.end_ns is not None
                assert call.start_ns <= child.start_ns and child.end_ns <= call.end_ns
            assert last is None or child.start_ns >= last
            last = child.end_ns
        hits += call.hits
    assert made.stacks == len(stacks)
    assert made.not_kept == 0 and hits >= made.calls


@pytest.mark.parametrize("kernel", KERNELS)
def test_stacks_of_recorded_kernels_end_where_the_event_was_met(kernel: str) -> None:
    lines = capture(kernel, "events.stacktrace.txt").encode("utf-8", "surrogateescape").splitlines(True)
    where: Dict[str, Set[str]] = {}
    for event in parse_trace(lines):
        if not isinstance(event, TextEvent) or not event.stack:
            continue
        cleaned = clean([Frame(0, place.partition("+")[0]) for place in reversed(event.stack)])
        name = "sys" if event.name.startswith("sys_") else event.name
        where.setdefault(name, set()).add(cleaned[-1].function if cleaned else "")
    assert where == {
        "page_fault_user": {"exc_page_fault"},
        "sched_process_fork": {"kernel_clone"},
        "sched_switch": {"__schedule"},
        "sched_waking": {"try_to_wake_up"},
        "sys": {""},
    }
