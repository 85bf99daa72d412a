"""Which functions are worth a filter slot or a return probe."""

import errno

import pytest

from kdiag.path.acquire.graph_functions import ends_the_call, error_candidates, worth_keeping
from kdiag.path.call import Call


def tree(function: str, *children: Call) -> Call:
    call = Call(function)
    call.children.extend(children)
    return call


MISSING_FILE = tree(
    "__x64_sys_openat",
    tree(
        "do_sys_openat2",
        tree("getname_flags", tree("kmem_cache_alloc_noprof", tree("__cond_resched", tree("rcu_all_qs")))),
        tree("alloc_fd", tree("_raw_spin_lock"), tree("_raw_spin_unlock")),
        tree(
            "path_openat",
            tree("link_path_walk.part.0.constprop.0", tree("inode_permission", tree("make_vfsuid"))),
            tree(
                "__sysvec_apic_timer_interrupt",
                tree("hrtimer_interrupt", tree("ktime_get_update_offsets_now")),
            ),
            tree("step_into", tree("dput")),
        ),
        tree("putname"),
    ),
)


@pytest.mark.parametrize(
    "function",
    ["schedule", "__schedule", "__cond_resched", "irq_exit_rcu", "__sysvec_apic_timer_interrupt",
     "handle_softirqs", "try_to_wake_up", "finish_task_switch.isra.0", "el1_interrupt"],
)  # fmt: skip
def test_the_scheduler_and_interrupts_end_the_call(function: str) -> None:
    assert ends_the_call(function)


@pytest.mark.parametrize(
    "function", ["io_schedule", "schedule_timeout", "vfs_read", "wait_for_completion", "irqfd_wakeup"]
)
def test_what_waits_for_the_call_itself_does_not_end_it(function: str) -> None:
    assert not ends_the_call(function)


def test_a_narrowed_trace_keeps_an_interrupt_and_not_what_it_calls() -> None:
    kept = worth_keeping(MISSING_FILE)
    assert "__sysvec_apic_timer_interrupt" in kept
    assert "hrtimer_interrupt" not in kept
    assert "rcu_all_qs" not in kept
    assert "_raw_spin_lock" in kept


def test_return_probes_go_on_what_can_fail_with_the_error_nearest_to_the_root_first() -> None:
    assert error_candidates(MISSING_FILE, errno.ENOENT, 100) == (
        [
            "__x64_sys_openat",
            "do_sys_openat2",
            "getname_flags",
            "alloc_fd",
            "path_openat",
            "link_path_walk.part.0.constprop.0",
            "step_into",
            "inode_permission",
        ],
        0,
    )


def test_a_list_that_is_cut_short_says_how_much_was_left_out() -> None:
    assert error_candidates(MISSING_FILE, errno.ENOENT, 3) == (
        ["__x64_sys_openat", "do_sys_openat2", "getname_flags"],
        5,
    )


def test_only_enomem_may_come_from_the_allocator() -> None:
    assert "kmem_cache_alloc_noprof" in error_candidates(MISSING_FILE, errno.ENOMEM, 100)[0]


def test_a_root_that_is_itself_a_scheduler_function_is_still_entered() -> None:
    assert worth_keeping(tree("schedule", tree("__schedule", tree("update_rq_clock")))) == [
        "schedule",
        "__schedule",
    ]
