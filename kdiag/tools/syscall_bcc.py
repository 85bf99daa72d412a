"""The programs of :mod:`kdiag.tools.syscall_programs` in C, for BCC: the same maps, the same steps."""

from typing import Dict, FrozenSet, Optional, Tuple

from kdiag.ebpf.bcc.client import BccHook
from kdiag.kernel.syscalls import number_of
from kdiag.tools.bcc_run import BccPlan, BccRequest
from kdiag.tools.syscall_options import RESTARTED, wanted_numbers
from kdiag.tools.syscall_programs import COMPAT, NO_NUMBER, UNDER_WAY

__all__ = ["HOOKS_OF_BOTH", "pairing_plan"]

_TEXT = """
struct syscall_slot { u64 begin_ns; u32 tid; u32 number; u32 watched; u32 places; };
struct syscall_begun { u64 begin_ns; u64 number; };
BPF_PERCPU_ARRAY(state, struct syscall_slot, 1);
BPF_HASH(under_way, u32, struct syscall_begun, UNDER_WAY_ENTRIES);

static inline struct syscall_slot *slot_of_cpu(void) {
    u32 zero = 0;
    return state.lookup(&zero);
}

/* Whether a number is asked for. */
static inline int asked_for(u64 number) {
    return ASKED_FOR;
}

/* Whether the current thread is watched; who was found to be followed is known until it leaves its CPU. */
static inline int watched_now(struct syscall_slot *slot) {
    u32 tid = (u32)bpf_get_current_pid_tgid();
    if (FOLLOWS && slot->watched == tid)
        return 1;
    if (!watched())
        return 0;
    slot->watched = tid;
    return 1;
}

/* The number of the call that begins, as keys have it; -1 for one that is not asked for. */
static inline s64 number_at_begin(u64 registers, u64 number) {
    u16 cs = 0;
    if (HAS_CS)
        bpf_probe_read_kernel(&cs, sizeof(cs), (void *)(registers + OFF_CS));
    if (!ALL_NUMBERS && cs == 0x23)
        return -1;
    if (!asked_for(number))
        return -1;
    if (number > NO_NUMBER)
        number = NO_NUMBER;
    return cs == 0x23 ? number + COMPAT : number;
}

/* At the end of a call: its slot, with begin and number, or nothing where no begin was kept. */
static inline struct syscall_slot *slot_at_end(void) {
    u32 tid = (u32)bpf_get_current_pid_tgid();
    struct syscall_slot *slot = slot_of_cpu();
    if (!slot)
        return 0;
    if (slot->tid != tid) {
        struct syscall_begun *begun = under_way.lookup(&tid);
        if (!begun)
            return 0;
        slot->begin_ns = begun->begin_ns;
        slot->number = begun->number;
        under_way.delete(&tid);
    }
    slot->tid = 0;
    return slot;
}

/* The errno of the call that ends; -1 if -z or -Z leave it out. */
static inline s32 errno_at_end(u64 result, u32 number) {
    u32 errno = 0;
    if (-result - 1 < 4095 && number != RESTARTED)
        errno = (u32)-result;
    if ((ONLY_FAILED && !errno) || (ONLY_SUCCESSFUL && errno))
        return -1;
    return errno;
}

/* sched_switch, still in the thread that leaves. */
int leaving(void *ctx) {
    struct syscall_begun begun = {};
    u32 tid = (u32)bpf_get_current_pid_tgid(), was;
    struct syscall_slot *slot = slot_of_cpu();
    if (!slot)
        return 0;
    slot->watched = 0;
    was = slot->tid;
    slot->tid = 0;
    if (!was || was != tid)
        return 0;
    begun.begin_ns = slot->begin_ns;
    begun.number = slot->number;
    if (under_way.update(&tid, &begun))
        lost(NO_ROOM_IN_MAP);
    return 0;
}

/* sched_process_exit */
int forgetting(void *ctx) {
    u32 tid = (u32)bpf_get_current_pid_tgid();
    struct syscall_slot *slot = slot_of_cpu();
    under_way.delete(&tid);
    if (slot)
        slot->tid = 0;
    return 0;
}
"""
HOOKS_OF_BOTH = (
    BccHook("raw_tracepoint", "sched_switch", "leaving"),
    BccHook("raw_tracepoint", "sched_process_exit", "forgetting"),
    BccHook("raw_tracepoint", "sys_exit", "syscall_end"),
    BccHook("raw_tracepoint", "sys_enter", "syscall_begin"),
)


def pairing_plan(
    request: BccRequest,
    text: str,
    hooks: Tuple[BccHook, ...],
    constants: Dict[str, int],
    *,
    follows: bool,
    events: bool = False,
) -> BccPlan:
    """Return the plan of a tool's text, which comes after the text that all of them need."""
    options = request.options
    numbers = wanted_numbers(options, request.machine)
    on_x86 = request.machine == "x86_64"
    every = {
        "ALL_NUMBERS": int(numbers is None),
        "COMPAT": COMPAT,
        "FOLLOWS": int(follows),
        "HAS_CS": int(on_x86),
        "NO_NUMBER": NO_NUMBER,
        "OFF_CS": request.btf.offset("pt_regs", "cs") if on_x86 else 0,
        "ONLY_FAILED": int(options["failed"]),
        "ONLY_SUCCESSFUL": int(options["successful"]),
        "RESTARTED": number_of(RESTARTED, request.machine) or NO_NUMBER,
        "UNDER_WAY_ENTRIES": UNDER_WAY.max_entries,
        **constants,
    }
    cflags = tuple(f"-D{name}={value}" for name, value in every.items())
    return BccPlan(_TEXT.replace("ASKED_FOR", _condition(numbers)) + text, hooks, events, cflags)


def _condition(numbers: Optional[FrozenSet[int]]) -> str:
    """Return whether ``number`` is one of these, in C."""
    if numbers is None:
        return "1"
    return " || ".join(f"number == {number}" for number in sorted(numbers))
