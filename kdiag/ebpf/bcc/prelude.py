"""What programs for BCC begin with: whom they watch, what they lose, histograms, events.

The maps are those of kdiag's own programs (:mod:`kdiag.ebpf.pieces`), with the same layouts, so that whatever
reads them does not see who made them.

Traps of BCC. It rewrites calls of a map's methods (``losses.lookup``) in the text, and refuses that inside of
macros: here they are in functions, which it inlines. It takes each function that is not ``static`` for a
program. Constants in arrays have no place in its programs. What ``__sync_fetch_and_add`` returns must not be
used: the compiler makes of it an instruction that kernels before 5.12 refuse (BPF_FETCH).
"""

import os
from typing import Optional, Tuple

from kdiag.ebpf.bcc.client import BccHook
from kdiag.ebpf.pieces import EVENTS, FOLLOWED, LOSSES, LOST_EVENTS, LOST_OTHER, LOST_STACKS, NO_ROOM_IN_MAP

__all__ = ["FOLLOWING_HOOKS", "PRELUDE", "flags"]

#: Programs find in it: ``watched()``, ``lost(LOST_...)``, ``slot_of(value)``, ``send(ctx, &event, size)``,
#: ``syscall_argument(ctx->args[0], 2)``.
PRELUDE = """\
BPF_PERCPU_ARRAY(losses, u64, LOSSES_ENTRIES);

/* Count one that could not be kept. */
static inline void lost(u32 which) {
    u64 *count = losses.lookup(&which);
    if (count)
        *count += 1;
}

/* The bit length of a value: 0 for 0, n for 2**(n-1) to 2**n - 1. */
static inline u32 slot_of(u64 value) {
    u32 slot = 0;
    if (value >> 32) { slot += 32; value >>= 32; }
    if (value >> 16) { slot += 16; value >>= 16; }
    if (value >> 8) { slot += 8; value >>= 8; }
    if (value >> 4) { slot += 4; value >>= 4; }
    if (value >> 2) { slot += 2; value >>= 2; }
    if (value >> 1) { slot += 1; value >>= 1; }
    return slot + (u32)value;
}

/* An argument (0 to 5) of a system call: registers are the first argument of sys_enter and sys_exit. */
static inline u64 syscall_argument(u64 registers, const u32 index) {
#define PLACE(name) __builtin_offsetof(struct pt_regs, name)
#if defined(bpf_target_x86)
    u32 place = index == 0 ? PLACE(di) : index == 1 ? PLACE(si) : index == 2 ? PLACE(dx)
        : index == 3 ? PLACE(r10) : index == 4 ? PLACE(r8) : PLACE(r9);
#elif defined(bpf_target_arm64)
    /* The first register is the result, too. */
    u32 place = index == 0 ? PLACE(orig_x0) : PLACE(regs) + 8 * index;
#endif
    u64 value = 0;
    bpf_probe_read_kernel(&value, sizeof(value), (void *)(registers + place));
    return value;
}

#ifdef FOLLOW
BPF_HASH(followed, u32, u8, FOLLOWED_ENTRIES);

/* Whether a thread is one of those that are traced. */
static inline int watched_thread(u32 tid) {
    return followed.lookup(&tid) != 0;
}

/* Whether the current thread is. */
static inline int watched(void) {
    return watched_thread((u32)bpf_get_current_pid_tgid());
}

/* What a followed thread makes is followed, too. An id that somebody else gets anew is not. */
int follow_fork(struct bpf_raw_tracepoint_args *ctx) {
    u32 child = 0;
    u8 yes = 1;
    bpf_probe_read_kernel(&child, sizeof(child), (void *)(ctx->args[1] + OFF_PID));
    if (!watched())
        followed.delete(&child);
    else if (followed.update(&child, &yes))
        lost(NO_ROOM_IN_MAP);
    return 0;
}

/* A thread that executes a program takes over its leader's id, so ids of leaders are kept. */
int follow_exit(void *ctx) {
    u64 both = bpf_get_current_pid_tgid();
    u32 tid = (u32)both;
    if (tid != both >> 32)
        followed.delete(&tid);
    return 0;
}
#else
/* Whether a thread is one of those that are traced: all but kdiag's, of which these two alone run. */
static inline int watched_thread(u32 tid) {
    return tid != OWN_TGID && tid != HELPER_TGID;
}

/* Whether the current thread is. */
static inline int watched(void) {
    return watched_thread(bpf_get_current_pid_tgid() >> 32);
}
#endif

#ifdef EVENT_PAGES
BPF_RINGBUF_OUTPUT(events, EVENT_PAGES);

/* Send an event; one that does not fit is counted. */
static inline void send(void *ctx, void *event, u64 size) {
    if (events.ringbuf_output(event, size, 0))
        lost(LOST_EVENTS);
}
#endif
#ifdef PERF_EVENTS
BPF_PERF_OUTPUT(events);

static inline void send(void *ctx, void *event, u64 size) {
    if (events.perf_submit(ctx, event, size))
        lost(LOST_EVENTS);
}
#endif
"""

#: What a program that follows is attached to, besides its own.
FOLLOWING_HOOKS = (
    BccHook("raw_tracepoint", "sched_process_fork", "follow_fork"),
    BccHook("raw_tracepoint", "sched_process_exit", "follow_exit"),
)


def flags(
    own_tgid: int, *, follow_pid_offset: Optional[int] = None, events: Optional[str] = None
) -> Tuple[str, ...]:
    """Return the compiler's flags that the prelude needs; ``own_tgid`` is kdiag's as the kernel knows it.

    ``follow_pid_offset`` is where a ``task_struct`` has its pid: threads in the map are watched then, and
    what they make. ``events`` is ``ringbuf``, ``perf_event_array`` (kernels before 5.8), or none are sent.
    """
    values = {
        "FOLLOWED_ENTRIES": FOLLOWED.max_entries,
        "LOSSES_ENTRIES": LOSSES.max_entries,
        "LOST_EVENTS": LOST_EVENTS,
        "LOST_OTHER": LOST_OTHER,
        "LOST_STACKS": LOST_STACKS,
        "NO_ROOM_IN_MAP": NO_ROOM_IN_MAP,
        "OWN_TGID": own_tgid,
    }
    if own_tgid != os.getpid():
        # The kernel's ids are not those of this PID namespace, and nobody knows that of BCC's process.
        values["HELPER_TGID"] = own_tgid
    if follow_pid_offset is not None:
        values.update(FOLLOW=1, OFF_PID=follow_pid_offset)
    if events == "ringbuf":
        values["EVENT_PAGES"] = EVENTS.max_entries // os.sysconf("SC_PAGE_SIZE")
    elif events is not None:
        values["PERF_EVENTS"] = 1
    return tuple(f"-D{name}={value}" for name, value in values.items())
