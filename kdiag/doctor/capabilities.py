"""What kdiag may be able to use of a kernel: each capability with what it enables and how to get it.

How each is tried stands in :mod:`kdiag.doctor.trials`; here is only data. ``needs`` are capabilities without
which there is nothing to try. ``config`` are the options that the kernel must have been built with.
"""

from typing import Mapping, Tuple

from kdiag.records import NamedTuple

__all__ = ["ALIASES", "CAPABILITIES", "GROUPS", "Capability"]


class Capability(NamedTuple):
    """One thing that a kernel and a user may or may not have."""

    id: str
    group: str
    title: str
    enables: str
    remedy: str
    needs: Tuple[str, ...] = ()
    config: Tuple[str, ...] = ()


#: In the order in which they are shown.
GROUPS: Mapping[str, str] = {
    "procfs": "files of /proc",
    "tracefs": "tracefs: events",
    "functions": "tracefs: functions of the kernel",
    "probes": "tracefs: probes",
    "counting": "tracefs: counting in the kernel",
    "bpf": "BPF and perf events",
}

_BUILT = "a kernel built with {}"

_ROWS: Tuple[Capability, ...] = (
    Capability("procfs", "procfs", "files of /proc", "snapshot and check", "mount -t proc proc /proc"),
    Capability(
        "psi",
        "procfs",
        "pressure (PSI)",
        "who waits for CPU, memory or I/O, and how long: the first question of snapshot",
        "boot with psi=1, on a kernel built with CONFIG_PSI (4.20 and later)",
        config=("CONFIG_PSI",),
    ),
    Capability(
        "proc_stack",
        "procfs",
        "/proc/PID/stack",
        "where in the kernel a blocked task sleeps: all functions",
        "run as root (CAP_SYS_ADMIN), on a kernel built with CONFIG_STACKTRACE",
        config=("CONFIG_STACKTRACE",),
    ),
    Capability(
        "proc_wchan",
        "procfs",
        "/proc/PID/wchan",
        "where in the kernel a blocked task sleeps: one function",
        "run as root, or as the user of the task (CAP_SYS_PTRACE)",
        config=("CONFIG_KALLSYMS",),
    ),
    Capability(
        "proc_syscall",
        "procfs",
        "/proc/PID/syscall",
        "in which system call a blocked task is",
        "run as root, or as the user of the task (CAP_SYS_PTRACE)",
        config=("CONFIG_HAVE_ARCH_TRACEHOOK",),
    ),
    Capability(
        "kallsyms",
        "procfs",
        "addresses in kallsyms",
        "names for the addresses in binary stacks",
        "run as root (CAP_SYSLOG), with kernel.kptr_restrict 0 or 1",
        config=("CONFIG_KALLSYMS",),
    ),
    Capability(
        "tracefs",
        "tracefs",
        "tracefs",
        "all tracing by the kernel: path, probes, count, stream",
        "run as root (CAP_SYS_ADMIN), on a kernel built with CONFIG_FTRACE",
        config=("CONFIG_FTRACE",),
    ),
    Capability(
        "instances",
        "tracefs",
        "private instances",
        "tracing beside others, in buffers of one's own, gone at the end",
        "run as root; " + _BUILT.format("CONFIG_TRACING"),
        ("tracefs",),
    ),
    Capability(
        "events",
        "tracefs",
        "tracepoints",
        "stream and count of what the kernel reports: scheduler, block I/O, network ...",
        _BUILT.format("CONFIG_EVENT_TRACING"),
        ("instances",),
        ("CONFIG_EVENT_TRACING",),
    ),
    Capability(
        "syscall_events",
        "tracefs",
        "system call events",
        "begin, arguments and result of each system call",
        _BUILT.format("CONFIG_FTRACE_SYSCALLS"),
        ("events",),
        ("CONFIG_FTRACE_SYSCALLS",),
    ),
    Capability(
        "event_stack",
        "tracefs",
        "stacks with events",
        "the path of a call where functions cannot be traced: stacks of the events on the way",
        _BUILT.format("CONFIG_STACKTRACE"),
        ("events",),
        ("CONFIG_STACKTRACE",),
    ),
    Capability(
        "raw_buffers",
        "tracefs",
        "binary buffers",
        "reading events 40 times as fast as their text, with exact losses",
        "free memory for buffers; root",
        ("events",),
    ),
    Capability(
        "event_fork",
        "tracefs",
        "following children",
        "tracing what a command starts, and threads that are born meanwhile",
        "a kernel with options/event-fork (4.12 and later); the initial PID namespace",
        ("events",),
    ),
    Capability(
        "function",
        "functions",
        "function tracer",
        "which functions a task calls",
        _BUILT.format("CONFIG_FUNCTION_TRACER and CONFIG_DYNAMIC_FTRACE"),
        ("instances",),
        ("CONFIG_FUNCTION_TRACER", "CONFIG_DYNAMIC_FTRACE"),
    ),
    Capability(
        "function_graph_instance",
        "functions",
        "function_graph, private",
        "the path of a call with every function and its time, beside other tracers",
        "a kernel 6.11 or later built with CONFIG_FUNCTION_GRAPH_TRACER",
        ("instances",),
        ("CONFIG_FUNCTION_GRAPH_TRACER",),
    ),
    Capability(
        "function_graph_top",
        "functions",
        "function_graph, shared",
        "the same where it cannot be private: one tracer on the machine at a time",
        _BUILT.format("CONFIG_FUNCTION_GRAPH_TRACER"),
        ("tracefs",),
        ("CONFIG_FUNCTION_GRAPH_TRACER",),
    ),
    Capability(
        "funcgraph_retval",
        "functions",
        "results of functions",
        "where an error was born, at the first try",
        "a kernel 6.5 or later built with CONFIG_FUNCTION_GRAPH_RETVAL",
        ("function_graph",),
        ("CONFIG_FUNCTION_GRAPH_RETVAL",),
    ),
    Capability(
        "funcgraph_args",
        "functions",
        "arguments of functions",
        "what each function of the path was called with",
        "a kernel 6.15 or later built with CONFIG_FUNCTION_TRACE_ARGS",
        ("function_graph",),
        ("CONFIG_FUNCTION_TRACE_ARGS",),
    ),
    Capability(
        "kprobes",
        "probes",
        "kprobes",
        "an event at nearly any kernel function, with its arguments",
        _BUILT.format("CONFIG_KPROBE_EVENTS"),
        ("instances",),
        ("CONFIG_KPROBES", "CONFIG_KPROBE_EVENTS"),
    ),
    Capability(
        "kretprobes",
        "probes",
        "kretprobes",
        "an event when a kernel function returns, with its result",
        _BUILT.format("CONFIG_KPROBE_EVENTS and CONFIG_KRETPROBES"),
        ("instances",),
        ("CONFIG_KRETPROBES", "CONFIG_KPROBE_EVENTS"),
    ),
    Capability(
        "fprobes",
        "probes",
        "fprobes",
        "the same at a third of the cost, with arguments by name",
        "a kernel 6.5 or later built with CONFIG_FPROBE_EVENTS",
        ("instances",),
        ("CONFIG_FPROBE", "CONFIG_FPROBE_EVENTS"),
    ),
    Capability(
        "eprobes",
        "probes",
        "eprobes",
        "what the pointers in an event's arguments lead to (names of files)",
        "a kernel 5.15 or later built with CONFIG_PROBE_EVENTS and kprobe events",
        ("instances",),
        ("CONFIG_PROBE_EVENTS", "CONFIG_EPROBE_EVENTS"),
    ),
    Capability(
        "uprobes",
        "probes",
        "uprobes",
        "an event at a function of a program or library",
        _BUILT.format("CONFIG_UPROBE_EVENTS"),
        ("instances",),
        ("CONFIG_UPROBES", "CONFIG_UPROBE_EVENTS"),
    ),
    Capability(
        "hist",
        "counting",
        "histogram triggers",
        "counting and summing in the kernel, without recording each event",
        _BUILT.format("CONFIG_HIST_TRIGGERS"),
        ("events",),
        ("CONFIG_HIST_TRIGGERS",),
    ),
    Capability(
        "synthetic",
        "counting",
        "synthetic events",
        "latency between two events, worked out in the kernel",
        _BUILT.format("CONFIG_SYNTH_EVENTS and CONFIG_HIST_TRIGGERS"),
        ("instances",),
        ("CONFIG_SYNTH_EVENTS",),
    ),
    Capability(
        "probe_profile",
        "counting",
        "counters of probes",
        "how often a probe fired, without recording each time",
        _BUILT.format("CONFIG_KPROBE_EVENTS or CONFIG_UPROBE_EVENTS"),
        ("instances",),
    ),
    Capability(
        "bpf",
        "bpf",
        "bpf(2)",
        "kdiag's own programs in the kernel: the mechanism bpf of the tools, and of path --all",
        "run as root (CAP_BPF and CAP_PERFMON); " + _BUILT.format("CONFIG_BPF_SYSCALL"),
        config=("CONFIG_BPF_SYSCALL", "CONFIG_DEBUG_INFO_BTF"),
    ),
    Capability(
        "bcc",
        "bpf",
        "BCC",
        "the tools' programs written in C, compiled where they run: the mechanism bcc",
        "the distribution's package for its own Python (Debian: python3-bpfcc; Fedora, RHEL: python3-bcc); "
        "kernel headers are not needed",
        ("bpf",),
    ),
    Capability(
        "perf_events",
        "bpf",
        "perf events, whole system",
        "sampling all CPUs: profile",
        "run as root (CAP_PERFMON), or lower kernel.perf_event_paranoid to 0",
        config=("CONFIG_PERF_EVENTS",),
    ),
)

#: By id, in the order in which they are shown.
CAPABILITIES: Mapping[str, Capability] = {row.id: row for row in _ROWS}

#: Other ids: what mechanisms may call a capability, and what has it if any of several works.
ALIASES: Mapping[str, Tuple[str, ...]] = {
    "function_graph": ("function_graph_instance", "function_graph_top"),
    "hist_triggers": ("hist",),
}
