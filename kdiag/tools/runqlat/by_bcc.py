"""runqlat by programs that BCC compiles: those of :mod:`kdiag.tools.runqlat.by_bpf` in C, with its maps."""

from typing import Iterator

from kdiag.ebpf.bcc.client import BccHook
from kdiag.tools.bcc_run import BccPlan, BccRequest, collecting_by_bcc
from kdiag.tools.run import Run
from kdiag.tools.runqlat import UNIT_NS
from kdiag.tools.runqlat.by_bpf import NAMES, SINCE, WAITS, summaries
from kdiag.tools.tool import Item

__all__ = ["run"]

_TEXT = """
struct name { char text[16]; };
struct waits { u64 number, total_ns, max_ns, slots[64]; };
BPF_HASH(since, u32, u64, SINCE_ENTRIES);
BPF_TABLE("percpu_hash", u32, struct waits, waits, WAITS_ENTRIES);
BPF_HASH(names, u32, struct name, NAMES_ENTRIES);
/* What new waits are made of: zeros, too many for the stack of a program. */
BPF_ARRAY(nothing, struct waits, 1);

static inline u32 number_at(u64 base, u64 offset) {
    u32 found = 0;
    bpf_probe_read_kernel(&found, sizeof(found), (void *)(base + offset));
    return found;
}

static inline void could_run(u32 tid) {
    u64 now = bpf_ktime_get_ns();
    if (since.update(&tid, &now))
        lost(NO_ROOM_IN_MAP);
}

static inline void keep_name(u32 key, u64 task) {
    struct name name = {};
    bpf_probe_read_kernel(name.text, sizeof(name.text), (void *)(task + OFF_COMM));
    names.update(&key, &name);
}

int woken(struct bpf_raw_tracepoint_args *ctx) {
    u32 tid = number_at(ctx->args[0], OFF_TID);
    if (watched_thread(tid))
        could_run(tid);
    return 0;
}

int renamed(struct bpf_raw_tracepoint_args *ctx) {
    u32 key = number_at(ctx->args[0], OFF_KEY);
    if (names.lookup(&key))
        keep_name(key, ctx->args[0]);
    return 0;
}

int switched(struct bpf_raw_tracepoint_args *ctx) {
    u64 leaves = ctx->args[1], comes = ctx->args[2], state = 0, *began, wait_ns;
    u32 tid = number_at(leaves, OFF_TID), key, zero = 0;
    struct waits *sums;
    /* The thread that leaves: it could go on if it was preempted, or did not want to sleep. */
    if (tid && watched_thread(tid)) {
        bpf_probe_read_kernel(&state, STATE_BYTES, (void *)(leaves + OFF_STATE));
        if ((ctx->args[0] & 0xff) || !state)
            could_run(tid);
    }
    /* The thread that gets the CPU: since when could it run? */
    tid = number_at(comes, OFF_TID);
    began = tid ? since.lookup(&tid) : 0;
    if (!began)
        return 0;
    wait_ns = bpf_ktime_get_ns() - *began;
    since.delete(&tid);
    if ((s64)wait_ns < 0)
        return 0;
    key = number_at(comes, OFF_KEY);
    sums = waits.lookup(&key);
    if (!sums) {
        struct waits *empty = nothing.lookup(&zero);
        if (!empty)
            return 0;
        keep_name(key, comes);
        waits.insert(&key, empty);
        sums = waits.lookup(&key);
    }
    if (!sums) {
        lost(NO_ROOM_IN_MAP);
        return 0;
    }
    sums->number++;
    sums->total_ns += wait_ns;
    if (wait_ns > sums->max_ns)
        sums->max_ns = wait_ns;
    sums->slots[slot_of(wait_ns / UNIT_NS) & 63]++;
    return 0;
}
"""
_HOOKS = (
    BccHook("raw_tracepoint", "sched_wakeup", "woken"),
    BccHook("raw_tracepoint", "sched_wakeup_new", "woken"),
    BccHook("raw_tracepoint", "sched_switch", "switched"),
    BccHook("raw_tracepoint", "sched_process_exec", "renamed"),
)


def run(run: Run) -> Iterator[Item]:
    """Sum up until it ends."""
    with collecting_by_bcc(run, _plan) as collector:
        yield from summaries(run, collector)


def _plan(request: BccRequest) -> BccPlan:
    btf = request.btf
    state = btf.field("task_struct", "__state", "state")
    values = {
        "NAMES_ENTRIES": NAMES.max_entries,
        "OFF_COMM": btf.offset("task_struct", "comm"),
        "OFF_KEY": btf.offset("task_struct", "tgid" if request.options["by"] == "process" else "pid"),
        "OFF_STATE": state.offset_bytes,
        "OFF_TID": btf.offset("task_struct", "pid"),
        "SINCE_ENTRIES": SINCE.max_entries,
        "STATE_BYTES": state.size_bytes,
        "UNIT_NS": UNIT_NS,
        "WAITS_ENTRIES": WAITS.max_entries,
    }
    return BccPlan(_TEXT, _HOOKS, cflags=tuple(f"-D{name}={value}" for name, value in values.items()))
