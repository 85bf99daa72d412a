"""exitsnoop by a program that BCC compiles: the one of :mod:`kdiag.tools.exitsnoop.by_bpf`, in C."""

from typing import Iterator

from kdiag.ebpf.bcc.client import BccHook
from kdiag.tools.bcc_run import BccPlan, BccRequest, collecting_by_bcc
from kdiag.tools.exitsnoop.events import rows_of
from kdiag.tools.run import Run
from kdiag.tools.tool import Item

__all__ = ["run"]

_TEXT = """
struct ended {
    u64 end_ns, begin_ns;
    u32 process, thread, parent, status;
    char comm[16];
};

static inline u64 pointer_at(u64 base, u64 offset) {
    u64 found = 0;
    bpf_probe_read_kernel(&found, sizeof(found), (void *)(base + offset));
    return found;
}

static inline u32 number_at(u64 base, u64 offset) {
    u32 found = 0;
    bpf_probe_read_kernel(&found, sizeof(found), (void *)(base + offset));
    return found;
}

int process_exit(struct bpf_raw_tracepoint_args *ctx) {
    struct ended event = {};
    u64 task = ctx->args[0], first = task;
    if (!watched())
        return 0;
#ifndef EACH_THREAD
    /* The last thread: nobody of the process lives any more. */
    if (number_at(pointer_at(task, OFF_SIGNAL), OFF_LIVE))
        return 0;
    first = pointer_at(task, OFF_LEADER);
#endif
    event.end_ns = bpf_ktime_get_ns();
    event.begin_ns = pointer_at(first, OFF_START);
    event.process = number_at(task, OFF_GROUP);
    event.thread = number_at(task, OFF_PID_OF_TASK);
    event.parent = number_at(pointer_at(task, OFF_PARENT), OFF_GROUP);
    event.status = number_at(task, OFF_STATUS);
    bpf_get_current_comm(event.comm, sizeof(event.comm));
    send(ctx, &event, sizeof(event));
    return 0;
}
"""
#: Flag -> struct and field.
_OFFSETS = {
    "OFF_SIGNAL": ("task_struct", "signal"),
    "OFF_LIVE": ("signal_struct", "live"),
    "OFF_LEADER": ("task_struct", "group_leader"),
    "OFF_START": ("task_struct", "start_time"),
    "OFF_GROUP": ("task_struct", "tgid"),
    "OFF_PID_OF_TASK": ("task_struct", "pid"),
    "OFF_PARENT": ("task_struct", "real_parent"),
    "OFF_STATUS": ("task_struct", "exit_code"),
}


def run(run: Run) -> Iterator[Item]:
    """Show ends until it ends."""
    with collecting_by_bcc(run, _plan) as collector:
        yield from rows_of(run, collector)


def _plan(request: BccRequest) -> BccPlan:
    flags = [f"-D{name}={request.btf.offset(*field)}" for name, field in _OFFSETS.items()]
    flags += ["-DEACH_THREAD"] if request.options["threads"] else []
    hook = BccHook("raw_tracepoint", "sched_process_exit", "process_exit")
    return BccPlan(_TEXT, (hook,), events=True, cflags=tuple(flags))
