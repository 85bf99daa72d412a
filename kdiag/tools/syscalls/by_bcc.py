"""syscalls by programs that BCC compiles: those of :mod:`kdiag.tools.syscalls.by_bpf`, in C."""

from typing import Iterator

from kdiag.kernel.machine import machine_of
from kdiag.tools.bcc_run import BccPlan, BccRequest, collecting_by_bcc
from kdiag.tools.run import Run
from kdiag.tools.syscall_bcc import HOOKS_OF_BOTH, pairing_plan
from kdiag.tools.syscalls.records import (
    BEGUN,
    ENDED,
    HEAD_BYTES,
    PATH_BYTES,
    PATHS,
    READ_AT_END,
    UNREAD,
    fill_paths,
    items,
    lines_of,
)
from kdiag.tools.tool import Item

__all__ = ["plan", "run"]

_TEXT = """
struct begun {
    u32 kind, number;
    u64 time_ns;
    u32 tid, process;
    char comm[16];
    u64 arguments[8];
    u32 sizes[2];
    char texts[2][PATH_BYTES];
};
struct ended { u32 kind, number; u64 time_ns, result, begin_ns; u32 tid, nothing; };
struct places { u16 first, second; };
BPF_PERCPU_ARRAY(scratch, struct begun, 1);
BPF_ARRAY(paths, struct places, PATHS_ENTRIES);

/* Read the text behind an argument; whether it could not be read. */
static inline int read_text(struct begun *event, u32 which, u16 place) {
    s64 size;
    if (!place)
        return 0;
    size = bpf_probe_read_user_str(
        event->texts[which], PATH_BYTES, (void *)event->arguments[(place - 1) & 7]);
    if (size <= 0)
        return 1;
    event->sizes[which] = size;
    return 0;
}

/* Send what a call is given; whether a text could not be read. */
static inline int send_begin(void *ctx, u64 registers, u32 kind, u32 number) {
    u32 zero = 0, size;
    int unread = 0;
    struct begun *event = scratch.lookup(&zero);
    struct places *places = paths.lookup(&number);
    u64 both = bpf_get_current_pid_tgid();
    if (!event)
        return 0;
    event->kind = kind;
    event->number = number;
    event->time_ns = bpf_ktime_get_ns();
    event->tid = (u32)both;
    event->process = both >> 32;
    bpf_get_current_comm(event->comm, sizeof(event->comm));
    event->arguments[0] = syscall_argument(registers, 0);
    event->arguments[1] = syscall_argument(registers, 1);
    event->arguments[2] = syscall_argument(registers, 2);
    event->arguments[3] = syscall_argument(registers, 3);
    event->arguments[4] = syscall_argument(registers, 4);
    event->arguments[5] = syscall_argument(registers, 5);
    event->sizes[0] = event->sizes[1] = 0;
    if (places) {
        unread = read_text(event, 0, places->first);
        unread |= read_text(event, 1, places->second);
    }
    if (event->sizes[1])
        send(ctx, event, sizeof(*event));
    else if (event->sizes[0])
        send(ctx, event, HEAD_BYTES + PATH_BYTES);
    else
        send(ctx, event, HEAD_BYTES);
    return unread;
}

int syscall_begin(struct bpf_raw_tracepoint_args *ctx) {
    struct syscall_slot *slot = slot_of_cpu();
    s64 number;
    if (!slot || !watched_now(slot))
        return 0;
    number = number_at_begin(ctx->args[0], ctx->args[1]);
    if (number < 0)
        return 0;
    /* What could not be read is read again at the end: the kernel has fetched it by then. */
    if (send_begin(ctx, ctx->args[0], BEGUN, number))
        number |= UNREAD;
    slot->number = number;
    slot->begin_ns = bpf_ktime_get_ns();
    slot->tid = (u32)bpf_get_current_pid_tgid();
    return 0;
}

int syscall_end(struct bpf_raw_tracepoint_args *ctx) {
    struct syscall_slot *slot = slot_at_end();
    struct ended event = {};
    if (!slot)
        return 0;
    event.time_ns = bpf_ktime_get_ns();
    event.kind = ENDED;
    event.number = slot->number & (UNREAD - 1);
    event.begin_ns = slot->begin_ns;
    event.result = ctx->args[1];
    event.tid = (u32)bpf_get_current_pid_tgid();
    if (errno_at_end(event.result, event.number) < 0)
        return 0;
    if (slot->number & UNREAD)
        send_begin(ctx, ctx->args[0], READ_AT_END, event.number);
    send(ctx, &event, sizeof(event));
    return 0;
}
"""


def run(run: Run) -> Iterator[Item]:
    """Show calls until it ends."""
    with collecting_by_bcc(
        run,
        lambda request: plan(request, follows=run.target is not None),
        lambda collector: fill_paths(collector, machine_of(run.host) or ""),
    ) as collector:
        yield from items(run, collector, lines_of(run))


def plan(request: BccRequest, *, follows: bool) -> BccPlan:
    """Return the program for the filters of :mod:`kdiag.tools.syscall_options`."""
    constants = {
        "BEGUN": BEGUN,
        "ENDED": ENDED,
        "HEAD_BYTES": HEAD_BYTES,
        "PATHS_ENTRIES": PATHS.max_entries,
        "PATH_BYTES": PATH_BYTES,
        "READ_AT_END": READ_AT_END,
        "UNREAD": UNREAD,
    }
    return pairing_plan(request, _TEXT, HOOKS_OF_BOTH, constants, follows=follows, events=True)
