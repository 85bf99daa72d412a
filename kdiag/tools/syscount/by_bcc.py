"""syscount by programs that BCC compiles: those of :mod:`kdiag.tools.syscount.by_bpf`, in C."""

from typing import Iterator, Tuple

from kdiag.ebpf.bcc.client import BccHook
from kdiag.tools.bcc_run import BccPlan, BccRequest, collecting_by_bcc
from kdiag.tools.run import Run
from kdiag.tools.syscall_bcc import HOOKS_OF_BOTH, pairing_plan
from kdiag.tools.syscount.maps import (
    BUCKETS,
    COMMS,
    ERRORS,
    FIRST_BUCKET,
    PLACES,
    by_process,
    calls_map,
    summaries,
)
from kdiag.tools.syscount.sums import tell_missing
from kdiag.tools.tool import Item

__all__ = ["run"]

_TEXT = """
struct sums { u64 calls; u64 errors; u64 total_ns; u64 max_ns; u64 place; };
struct times { u64 buckets[BUCKETS]; };
struct name { char text[16]; };
BPF_PERCPU_ARRAY(times, struct times, PLACES);
BPF_TABLE("percpu_hash", u64, u64, errors, ERRORS_ENTRIES);
BPF_HASH(comms, u32, struct name, COMMS_ENTRIES);
#if BY_PROCESS
BPF_TABLE("percpu_hash", u64, struct sums, calls, CALLS_ENTRIES);

static inline struct sums *sums_of(u64 key) {
    struct sums nothing = {}, *found = calls.lookup(&key);
    struct name name = {};
    u32 process = key >> 32;
    if (found)
        return found;
    bpf_get_current_comm(&name, sizeof(name));
    comms.insert(&process, &name);
    calls.insert(&key, &nothing);
    found = calls.lookup(&key);
    if (!found)
        lost(NO_ROOM_IN_MAP);
    return found;
}
#else
BPF_TABLE("percpu_array", u32, struct sums, calls, CALLS_ENTRIES);

static inline struct sums *sums_of(u64 key) {
    u32 number = key;
    return calls.lookup(&number);
}
#endif

/* How a call stands in keys. */
static inline u64 key_of(u64 number) {
    if (!BY_PROCESS)
        return number;
    return bpf_get_current_pid_tgid() >> 32 << 32 | (BY_NUMBER ? number : 0);
}

static inline void count_error(u64 key, u32 errno) {
    u64 one = 1, error = key >> 32 << 32 | (key & 0xffff) << 16 | errno;
    u64 zero = 0, *count = errors.lookup(&error);
    if (!count) {
        errors.insert(&error, &zero);
        count = errors.lookup(&error);
    }
    if (count)
        *count += one;
    else
        lost(NO_ROOM_IN_MAP);
}

static inline void count_time(struct syscall_slot *slot, struct sums *sums, u64 time_ns) {
    u32 bits = slot_of(time_ns), place;
    u64 bucket = 0;
    struct times *room;
    if (!sums->place) {
        if (slot->places >= PLACES)
            return;
        sums->place = ++slot->places;
    }
    place = sums->place - 1;
    room = times.lookup(&place);
    if (!room)
        return;
    if (bits >= 6)
        bucket = (bits << 4 | (time_ns >> (bits - 5) & 15)) - FIRST_BUCKET;
    if (bucket >= BUCKETS)
        bucket = BUCKETS - 1;
    room->buckets[bucket]++;
}

int syscall_begin(struct bpf_raw_tracepoint_args *ctx) {
    struct syscall_slot *slot = slot_of_cpu();
    struct sums *sums;
    s64 number;
    if (!slot || !watched_now(slot))
        return 0;
    number = number_at_begin(ctx->args[0], ctx->args[1]);
    if (number < 0)
        return 0;
    if (COUNTS_ONLY) {
        sums = sums_of(key_of(number));
        if (sums)
            sums->calls++;
        return 0;
    }
    slot->number = number;
    slot->begin_ns = bpf_ktime_get_ns();
    slot->tid = (u32)bpf_get_current_pid_tgid();
    return 0;
}

int syscall_end(struct bpf_raw_tracepoint_args *ctx) {
    struct syscall_slot *slot = slot_at_end();
    struct sums *sums;
    u64 key, time_ns;
    s32 errno;
    if (!slot)
        return 0;
    time_ns = bpf_ktime_get_ns() - slot->begin_ns;
    errno = errno_at_end(ctx->args[1], slot->number);
    if (errno < 0)
        return 0;
    key = key_of(slot->number);
    sums = sums_of(key);
    if (!sums)
        return 0;
    sums->calls++;
    sums->total_ns += time_ns;
    if (time_ns > sums->max_ns)
        sums->max_ns = time_ns;
    if (errno) {
        sums->errors++;
        count_error(key, errno);
    }
    count_time(slot, sums, time_ns);
    return 0;
}

/* sched_process_exec: the new name of a process that was seen already. */
int naming(void *ctx) {
    u32 process = bpf_get_current_pid_tgid() >> 32;
    struct name name = {};
    if (!comms.lookup(&process))
        return 0;
    bpf_get_current_comm(&name, sizeof(name));
    comms.update(&process, &name);
    return 0;
}
"""
_BEGIN = BccHook("raw_tracepoint", "sys_enter", "syscall_begin")
_LEAVING = BccHook("raw_tracepoint", "sched_switch", "leaving")
_NAMING = BccHook("raw_tracepoint", "sched_process_exec", "naming")


def run(run: Run) -> Iterator[Item]:
    """Sum up until it ends."""

    def plan_of(request: BccRequest) -> BccPlan:
        return _plan(run, request)

    tell_missing(run)
    with collecting_by_bcc(run, plan_of) as collector:
        yield from summaries(run, collector)


def _plan(run: Run, request: BccRequest) -> BccPlan:
    options = request.options
    counts_only, follows = bool(options["counts_only"]), run.target is not None
    hooks: Tuple[BccHook, ...] = HOOKS_OF_BOTH
    if counts_only:
        hooks = (_LEAVING, _BEGIN) if follows else (_BEGIN,)
    if by_process(options):
        hooks = (_NAMING, *hooks)
    constants = {
        "BUCKETS": BUCKETS,
        "BY_NUMBER": int(options["by"] != "process"),
        "BY_PROCESS": int(by_process(options)),
        "CALLS_ENTRIES": calls_map(options).max_entries,
        "COMMS_ENTRIES": COMMS.max_entries,
        "COUNTS_ONLY": int(counts_only),
        "ERRORS_ENTRIES": ERRORS.max_entries,
        "FIRST_BUCKET": FIRST_BUCKET,
        "PLACES": PLACES,
    }
    return pairing_plan(request, _TEXT, hooks, constants, follows=follows)
