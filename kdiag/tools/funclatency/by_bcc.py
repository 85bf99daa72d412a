"""funclatency by programs that BCC compiles: those of :mod:`kdiag.tools.funclatency.by_bpf`, in C."""

from typing import Iterator, List

from kdiag.ebpf.bcc.client import BccHook
from kdiag.ftrace.places import Place
from kdiag.tools.bcc_run import BccPlan, BccRequest, collecting_by_bcc
from kdiag.tools.funclatency import UNITS_NS
from kdiag.tools.funclatency.maps import DEPTH, UNDER_WAY, summaries
from kdiag.tools.function_places import function_places
from kdiag.tools.function_programs import bcc_name
from kdiag.tools.run import Run
from kdiag.tools.tool import Item

__all__ = ["run"]

_RETURNS = {"kprobe": "kretprobe", "uprobe": "uretprobe"}
_TEXT = """
struct key { u32 tid; u32 which; };
struct call { u64 begun_ns; u64 frame; };
struct calls { u64 depth; struct call at[DEPTH]; };
struct times { u64 calls; u64 total_ns; u64 max_ns; u64 slots[64]; };
BPF_HASH(under_way, struct key, struct calls, UNDER_WAY_ENTRIES);
BPF_PERCPU_ARRAY(times, struct times, TIMES_ENTRIES);
/* What an entry is made of: too big for the stack of a program beside all else. */
BPF_PERCPU_ARRAY(nothing, struct calls, 1);

static inline void enter(u32 which, u64 frame) {
    struct key key = { .tid = (u32)bpf_get_current_pid_tgid(), .which = which };
    struct calls *calls;
    u64 depth;
    u32 zero = 0;
    if (!watched())
        return;
    calls = under_way.lookup(&key);
    if (!calls) {
        struct calls *empty = nothing.lookup(&zero);
        if (!empty)
            return;
        under_way.insert(&key, empty);
        calls = under_way.lookup(&key);
    }
    if (!calls) {
        lost(NO_ROOM_IN_MAP);
        return;
    }
    /* A call whose frame lies at or below the new one's must have returned. */
    depth = calls->depth;
    #pragma unroll
    for (int i = 0; i < DEPTH; i++)
        if (depth > 0 && calls->at[(depth - 1) & (DEPTH - 1)].frame <= frame)
            depth--;
    if (depth >= DEPTH) {
        lost(LOST_EVENTS);
        return;
    }
    calls->at[depth & (DEPTH - 1)].begun_ns = bpf_ktime_get_ns();
    calls->at[depth & (DEPTH - 1)].frame = frame;
    calls->depth = depth + 1;
}

static inline void leave(u32 which) {
    struct key key = { .tid = (u32)bpf_get_current_pid_tgid(), .which = which };
    struct calls *calls;
    struct times *sums;
    u64 depth, time_ns;
    if (!watched())
        return;
    calls = under_way.lookup(&key);
    if (!calls || !calls->depth)
        return;  /* it had begun before */
    depth = calls->depth - 1;
    calls->depth = depth;
    time_ns = bpf_ktime_get_ns() - calls->at[depth & (DEPTH - 1)].begun_ns;
    sums = times.lookup(&which);
    if (!sums)
        return;
    sums->calls++;
    sums->total_ns += time_ns;
    if (time_ns > sums->max_ns)
        sums->max_ns = time_ns;
    sums->slots[slot_of(time_ns / UNIT_NS) & 63]++;
}
"""
_OF_FUNCTION = """
int enter_%(at)d(struct pt_regs *ctx) { enter(%(at)d, PT_REGS_SP(ctx)); return 0; }
int leave_%(at)d(struct pt_regs *ctx) { leave(%(at)d); return 0; }
"""


def run(run: Run) -> Iterator[Item]:
    """Time calls until it ends."""
    places, notes = function_places(run.host, run.options["functions"])
    run.notes += notes

    def plan_of(request: BccRequest) -> BccPlan:
        return _plan(places, run.host.root, UNITS_NS[run.options["unit"]])

    with collecting_by_bcc(run, plan_of) as collector:
        yield from summaries(run, collector, places)


def _plan(places: List[Place], root: str, unit_ns: int) -> BccPlan:
    text = _TEXT + "".join(_OF_FUNCTION % {"at": at} for at in range(len(places)))
    hooks = []
    for at, place in enumerate(places):
        name = bcc_name(place, root)
        hooks.append(BccHook(place.probe.kind, name, f"enter_{at}"))
        hooks.append(BccHook(_RETURNS[place.probe.kind], name, f"leave_{at}"))
    flags = {
        "DEPTH": DEPTH,
        "UNIT_NS": unit_ns,
        "TIMES_ENTRIES": len(places),
        "UNDER_WAY_ENTRIES": UNDER_WAY.max_entries,
    }
    return BccPlan(text, tuple(hooks), cflags=tuple(f"-D{name}={value}" for name, value in flags.items()))
