"""Which kernel functions are worth a filter slot or a return probe, by name.

Two questions are answered here for the tree of one call. *Where does the tree stop to be about the call?*
Below the scheduler and below an interrupt the functions differ from call to call and run hot for everybody;
a filter keeps the first of them, so that its time is named, and not what it calls. *Which functions can say
where an error was born?* Locks, RCU, allocators, clocks and what frees things can not (or only for ENOMEM and
EINTR), and return probes on them would cost the whole system: wildcard probes on locks have hung machines
(bcc #2300, bpftrace #3204).
"""

import errno
import re
from typing import Dict, Iterator, List, Optional, Tuple

from kdiag.path.call import Call

__all__ = ["ends_the_call", "error_candidates", "is_silent", "worth_keeping"]

#: Entered by an interrupt, on whatever was running. x86, arm64, and the generic layer.
_INTERRUPT = (
    r"__?sysvec_\w+|sysvec_\w+|asm_\w+_interrupt|__common_interrupt|common_interrupt|irq_enter(_rcu)?|"
    r"irq_exit(_rcu)?|__irq_exit_rcu|do_IRQ|smp_\w+_interrupt|handle_softirqs|__do_softirq|do_softirq|"
    r"el1_interrupt|el1_irq|gic_handle_irq|handle_domain_irq|generic_handle_domain_irq|handle_irq_event|"
    r"exc_nmi|default_do_nmi|hrtimer_interrupt|local_apic_timer_interrupt|scheduler_ipi|"
    r"exc_irq_\w+|timer_interrupt|idtentry_\w+"
)
#: Gives the CPU away, or decides who gets it next.
_SCHEDULER = (
    r"__schedule|schedule|schedule_preempt_disabled|preempt_schedule\w*|__cond_resched|_cond_resched|"
    r"try_to_wake_up|wake_up_process|default_wake_function|autoremove_wake_function|__wake_up\w*|wake_up_\w+|"
    r"wake_q_add\w*|wake_up_q|pollwake|ep_poll_callback|finish_task_switch\S*"
)
_ENDS = re.compile(rf"(?:{_INTERRUPT}|{_SCHEDULER})$")

#: Asked for memory: ENOMEM may be born here, nothing else.
_ALLOCATOR = re.compile(
    r"(?:kmem_cache_\w+|_?_?kmalloc\w*|kvmalloc\w*|kfree\w*|kvfree\w*|_?_?_?slab_\w+|___slab_alloc\w*|__slab\w*|"
    r"new_slab|allocate_slab|alloc_pages\w*|__alloc_pages\w*|__alloc_frozen_pages\w*|__folio_alloc\w*|"
    r"get_page_from_freelist|mempool_\w+|vmalloc\w*|__vmalloc\w*|refill_\w+|barn_\w+|__pcs_\w+|slab_pre_alloc_hook\S*|"
    r"should_failslab\S*|obj_cgroup_\w+|__memcg_\w+|mod_(?:node|memcg|lruvec|objcg)\w*|__mod_\w+)(?:\.\S+)?$"
)
#: Never born here: these return void, a flag, or a time, and everybody calls them all the time.
_NEVER = re.compile(
    r"(?:_raw_\w+|__raw_\w+|mutex_(?:un)?lock|mutex_is_locked|mutex_spin_on_owner|__mutex_init|mutex_init_\w+|"
    r"down_(?:read|write)(?:_trylock)?|up_(?:read|write)|rwsem_\w+|osq_\w+|queued_\w+|native_queued_\w+|"
    r"percpu_(?:down|up)_\w+|lockref_\w+|refcount_\w+|kref_\w+|"
    r"_?_?rcu_\w+|call_rcu\w*|__call_rcu\w*|_?_?srcu_\w+|__srcu_\w+|call_srcu|migrate_(?:en|dis)able|"
    r"ktime_get\w*|current_time|timestamp_truncate|sched_clock\w*|local_clock|read_tsc|jiffies_\w+|"
    r"psi_\w+|update_(?:rq_clock|curr|load_avg|cfs_\w+)\S*|perf_\w+|trace_\w+|__trace\w+|ftrace_\w+|"
    r"\w+_switch_to\S*|switch_\w+|finish_wait|init_wait\w*|__init_waitqueue_head|"
    r"dput|mntput\w*|mntget|path_put|path_get|fput\w*|__fput\w*|iput|putname|put_\w+|free_\w+|\w+_free|"
    r"make_vfs[ug]id|from_k[ug]id\w*|idle_cpu|housekeeping_\w+|fd_install|touch_atime|"
    r"inode_to_bdi|file_ra_state_init|terminate_walk|set_root|is_vmalloc_addr|check_stack_object|"
    r"__virt_addr_valid|__check_\w*object\w*|arch_\w+)(?:\.\S+)?$"
)
#: A page fault on the way belongs to the program's memory; only EFAULT is born there.
_FAULT = re.compile(r"(?:exc_page_fault|do_user_addr_fault|do_page_fault|handle_mm_fault|do_mem_abort)$")

#: The errors that an excluded kind of function may give birth to after all.
_BORN_IN: Dict[int, "re.Pattern[str]"] = {errno.ENOMEM: _ALLOCATOR, errno.EFAULT: _FAULT}


def ends_the_call(function: str) -> bool:
    """Tell whether what this function calls is no longer about the call, but about whoever runs next.

    >>> ends_the_call("schedule"), ends_the_call("__sysvec_apic_timer_interrupt"), ends_the_call("vfs_read")
    (True, True, False)
    """
    return _ENDS.match(function) is not None


def worth_keeping(root: Call) -> List[str]:
    """Return the functions of a tree that a narrowed trace keeps, in the order in which they are met."""
    return list(dict.fromkeys(call.function for call in _about_the_call(root, None)))


def error_candidates(root: Call, number: int, most: int) -> Tuple[List[str], int]:
    """Return the functions of a failing call in which its error (a positive errno) may have been born.

    At most ``most`` of them, those nearest to the root first: an error is handed up through all of them, so
    that a list that was cut short still leads to the right branch. The number says how many were left out.
    """
    depths: Dict[str, int] = {}
    for call, depth in _with_depth(root, number):
        if not is_silent(call.function, number):
            depths[call.function] = min(depth, depths.get(call.function, depth))
    nearest = sorted(
        depths, key=lambda name: depths[name]
    )  # a stable sort: order of the calls within a depth
    return nearest[:most], max(0, len(nearest) - most)


def is_silent(function: str, number: int) -> bool:
    """Tell whether this function cannot have given birth to the error: what it returns is something else."""
    born = _BORN_IN.get(number)
    if born is not None and born.match(function):
        return False
    return any(kind.match(function) for kind in (_ENDS, _NEVER, _ALLOCATOR, _FAULT))


def _about_the_call(root: Call, number: Optional[int]) -> Iterator[Call]:
    return (call for call, _ in _with_depth(root, number))


def _with_depth(root: Call, number: Optional[int]) -> Iterator[Tuple[Call, int]]:
    """Yield calls with their depth; where ``number`` is given, not below what cannot bear that error."""
    stack: List[Tuple[Call, int]] = [(root, 0)]
    while stack:
        call, depth = stack.pop()
        yield call, depth
        if depth and (
            ends_the_call(call.function) or (number is not None and _closed(call.function, number))
        ):
            continue
        stack.extend((child, depth + 1) for child in reversed(call.children))


def _closed(function: str, number: int) -> bool:
    born = _BORN_IN.get(number)
    if born is not None and born.match(function):
        return False
    return any(kind.match(function) for kind in (_ALLOCATOR, _FAULT))
