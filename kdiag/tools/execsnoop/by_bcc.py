"""execsnoop by programs that BCC compiles: those of :mod:`kdiag.tools.execsnoop.by_bpf`, in C."""

from typing import Iterator

from kdiag.ebpf.bcc.client import BccHook
from kdiag.kernel.syscalls import number_of
from kdiag.tools.bcc_run import BccPlan, BccRequest, collecting_by_bcc
from kdiag.tools.execsnoop.events import ARGUMENTS, BEGUN, DONE, FAILED, MORE, PATH_BYTES, TEXT_BYTES, rows_of
from kdiag.tools.run import Run
from kdiag.tools.tool import CannotUse, Item

__all__ = ["run"]

_TEXT = """
struct begun {
    u32 kind, process, user, number;
    u64 time_ns;
    u64 sizes[ARGUMENTS + 1];
    char path[PATH_BYTES];
    char texts[ARGUMENTS][TEXT_BYTES];
};
struct ended {
    u32 kind, process, parent, nothing;
    s64 result;
    char comm[16];
};
BPF_PERCPU_ARRAY(scratch, struct begun, 1);

static inline u64 read_text(char *text, u32 size, u64 address) {
    s64 read = bpf_probe_read_user_str(text, size, (void *)address);
    return read > 0 ? read : 0;
}

int exec_begin(struct bpf_raw_tracepoint_args *ctx) {
    u32 zero = 0, place;
    u64 arguments, address = 0, number = ctx->args[1];
    struct begun *event;
    if (number == EXECVE)
        place = 0;
    else if (number == EXECVEAT)
        place = 1;
    else
        return 0;
    if (!watched() || !IS_NATIVE(ctx->args[0]))
        return 0;
    event = scratch.lookup(&zero);
    if (!event)
        return 0;
    event->kind = BEGUN;
    event->process = bpf_get_current_pid_tgid() >> 32;
    event->user = (u32)bpf_get_current_uid_gid();
    event->number = 0;
    event->time_ns = bpf_ktime_get_ns();
    __builtin_memset(event->sizes, 0, sizeof(event->sizes));
    if (place == 0) {
        event->sizes[0] = read_text(event->path, PATH_BYTES, syscall_argument(ctx->args[0], 0));
        arguments = syscall_argument(ctx->args[0], 1);
    } else {
        event->sizes[0] = read_text(event->path, PATH_BYTES, syscall_argument(ctx->args[0], 1));
        arguments = syscall_argument(ctx->args[0], 2);
    }
    #pragma unroll
    for (u32 at = 0; at < ARGUMENTS; at++) {
        if (bpf_probe_read_user(&address, sizeof(address), (void *)(arguments + 8 * at)) || !address)
            goto all;
        event->number = at + 1;
        event->sizes[at + 1] = read_text(event->texts[at], TEXT_BYTES, address);
    }
    if (!bpf_probe_read_user(&address, sizeof(address), (void *)(arguments + 8 * ARGUMENTS)) && address)
        event->number |= MORE;
all:
    send(ctx, event, sizeof(*event));
    return 0;
}

int exec_done(struct bpf_raw_tracepoint_args *ctx) {
    struct ended event = { .kind = DONE };
    u64 parent = 0;
    if (!watched())
        return 0;
    event.process = bpf_get_current_pid_tgid() >> 32;
    bpf_probe_read_kernel(&parent, sizeof(parent), (void *)(ctx->args[0] + OFF_PARENT));
    bpf_probe_read_kernel(&event.parent, sizeof(event.parent), (void *)(parent + OFF_GROUP));
    bpf_get_current_comm(event.comm, sizeof(event.comm));
    send(ctx, &event, sizeof(event));
    return 0;
}

int exec_failed(struct bpf_raw_tracepoint_args *ctx) {
    struct ended event = { .kind = FAILED };
    u64 number = 0;
    event.result = ctx->args[1];
    if (event.result >= 0)
        return 0;
    bpf_probe_read_kernel(&number, NUMBER_BYTES, (void *)(ctx->args[0] + OFF_NUMBER));
    if ((number != EXECVE && number != EXECVEAT) || !watched() || !IS_NATIVE(ctx->args[0]))
        return 0;
    event.process = bpf_get_current_pid_tgid() >> 32;
    bpf_get_current_comm(event.comm, sizeof(event.comm));
    send(ctx, &event, sizeof(event));
    return 0;
}
"""
#: A 32-bit program of x86 numbers its calls another way; its code segment tells it (``__USER32_CS``).
_NATIVE = """
static inline int is_native(u64 registers) {
    u16 segment = 0;
    bpf_probe_read_kernel(&segment, sizeof(segment), (void *)(registers + OFF_SEGMENT));
    return segment != 0x23;
}
#define IS_NATIVE(registers) is_native(registers)
"""
_ALWAYS = "#define IS_NATIVE(registers) 1\n"
_NUMBER = {"x86_64": "orig_ax", "aarch64": "syscallno"}
_HOOKS = (
    BccHook("raw_tracepoint", "sched_process_exec", "exec_done"),
    BccHook("raw_tracepoint", "sys_exit", "exec_failed"),
    BccHook("raw_tracepoint", "sys_enter", "exec_begin"),
)


def run(run: Run) -> Iterator[Item]:
    """Show executions until it ends."""
    with collecting_by_bcc(run, _plan) as collector:
        yield from rows_of(run, collector)


def _plan(request: BccRequest) -> BccPlan:
    btf, machine = request.btf, request.machine
    if machine not in _NUMBER:
        raise CannotUse(f"where system calls have their number on {machine} is not known here")
    number = btf.field("pt_regs", _NUMBER[machine])
    values = {
        "ARGUMENTS": ARGUMENTS,
        "BEGUN": BEGUN,
        "DONE": DONE,
        "EXECVE": number_of("execve", machine),
        "EXECVEAT": number_of("execveat", machine),
        "FAILED": FAILED,
        "MORE": MORE,
        "NUMBER_BYTES": number.size_bytes,
        "OFF_GROUP": btf.offset("task_struct", "tgid"),
        "OFF_NUMBER": number.offset_bytes,
        "OFF_PARENT": btf.offset("task_struct", "real_parent"),
        "PATH_BYTES": PATH_BYTES,
        "TEXT_BYTES": TEXT_BYTES,
    }
    native = _ALWAYS
    if machine == "x86_64":
        native = _NATIVE
        values["OFF_SEGMENT"] = btf.offset("pt_regs", "cs")
    flags = tuple(f"-D{name}={value}" for name, value in values.items())
    return BccPlan(native + _TEXT, _HOOKS, events=True, cflags=flags)
