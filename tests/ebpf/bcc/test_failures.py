"""The texts are those that BCC, clang and the verifier printed on real kernels."""

import errno

import pytest

from kdiag.ebpf.bcc.failures import failure_of, telling_lines

NO_TYPE = """\
/virtual/main.c:2:83: error: incomplete definition of type 'struct task_struct'
int f(void *ctx) { struct task_struct *t = (void*)bpf_get_current_task(); return t->pid; }
                                                                                    ~^
1 error generated.
"""
NOT_TRACEABLE = (
    "Exception: Failed to attach BPF program b'f' to kprobe b'vfs_read', it's not traceable (either "
    'non-existing, inlined, or marked as "notrace")'
)
FAILED = "Exception: Failed to compile BPF module <text>"
LOCKDOWN = "Lockdown: python3: use of kprobes is restricted; see man kernel_lockdown.7"


@pytest.mark.parametrize(
    ("text", "error", "reason"),
    [
        ("", "ModuleNotFoundError: No module named 'bcc'", "it is not installed for this Python"),
        (
            "",
            "OSError: libbcc.so.0: cannot open shared object file: No such file or directory",
            "a library of it is missing",
        ),
        (
            "modprobe: FATAL: Module kheaders not found in directory /lib/modules/6.18.44\n"
            "chdir(/lib/modules/6.18.44/build): No such file or directory\n",
            FAILED,
            "there are no headers of the running kernel",
        ),
        (
            "<built-in>:1:10: fatal error: './include/linux/kconfig.h' file not found\n",
            FAILED,
            "there are no headers of the running kernel",
        ),
        (
            "././include/linux/kconfig.h:5:10: fatal error: 'generated/autoconf.h' file not found\n",
            FAILED,
            "there are no headers of the running kernel",
        ),
        (
            "/virtual/main.c:1:46: error: incomplete definition of type 'struct tracepoint__sched__x'\n",
            FAILED,
            "the format of the event could not be read when the program was compiled",
        ),
        (NO_TYPE, FAILED, "the program names a structure that these headers do not describe"),
        (
            "x.c:1:1: error: invalid application of 'sizeof' to an incomplete type 'struct request'",
            FAILED,
            "the program names a structure that these headers do not describe",
        ),
        ("/virtual/main.c:1:9: error: expected ';'\n", FAILED, "the program does not compile: expected ';'"),
        ("", FAILED, "the compiler failed"),
        (
            "could not open bpf map: c, error: Argument list too long\n",
            FAILED,
            "the kernel does not make the map c, error: Argument list too long",
        ),
        (
            "create_probe_event: open(/sys/kernel/tracing/kprobe_events): No such file or directory\n",
            NOT_TRACEABLE,
            "this kernel has no kprobes, or hides them (lockdown=confidentiality)",
        ),
        (
            "create_probe_event: open(/sys/kernel/tracing/kprobe_events): Operation not permitted\n",
            NOT_TRACEABLE,
            "probes are refused to root, too: by lockdown or a security module",
        ),
        (
            "cannot attach kprobe, Invalid argument\n",
            NOT_TRACEABLE,
            "this kernel has no such function, has inlined it, or does not let it be probed",
        ),
        (
            "perf_event_open failed: Permission denied\n",
            "Exception: Failed to attach BPF to perf event",
            "sampling is refused (kernel.perf_event_paranoid, or a security module)",
        ),
        (
            "bpf_attach_raw_tracepoint (nosuch): No such file or directory\n",
            "FileNotFoundError: [Errno 2] No such file or directory",
            "this kernel has no tracepoint nosuch",
        ),
        (
            "open(/sys/kernel/tracing/events/sched/nosuch/id): No such file or directory\n",
            "Exception: Failed to attach BPF program b'f' to tracepoint b'sched:nosuch'",
            "this kernel has no such event, or tracefs is not to be seen "
            "(/sys/kernel/tracing/events/sched/nosuch/id)",
        ),
        (
            "6: (85) call bpf_probe_read_kernel#113\nunknown func bpf_probe_read_kernel#113\n",
            "Exception: Failed to load BPF program b'f': Invalid argument",
            "programs may not copy kernel memory here, as under lockdown=confidentiality",
        ),
        (
            "program of this type cannot use helper bpf_probe_read_kernel#113\nprocessed 7 insns (limit 1)\n",
            "Exception: Failed to load BPF program b'f': Invalid argument",
            "programs may not copy kernel memory here, as under lockdown=confidentiality",
        ),
        (
            "0: (79) r0 = *(u64 *)(r5 +0)\nR5 !read_ok\nprocessed 1 insns (limit 1000000)\n",
            "Exception: Failed to load BPF program b'f': Permission denied",
            "the verifier refuses it: R5 !read_ok",
        ),
        ("", "Exception: Unknown program b'g'", "the program has no function g"),
        (
            "",
            "Exception: could not determine address of symbol nosuchsym in /usr/lib/libc.so.6",
            "there is no such program or library, or it has no symbol nosuchsym",
        ),
        ("something new\n", "Exception: what nobody has seen yet", "Exception: what nobody has seen yet"),
    ],
)
def test_a_reason_for_each_text(text: str, error: str, reason: str) -> None:
    failed = failure_of("load", error, 0, text, euid=0)
    assert failed.reason == reason
    assert failed.errno is None
    assert failed.text.endswith(error)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "bpf: Failed to load program: Operation not permitted",
            "Exception: Need super-user privileges to run",
        ),
        ("could not open bpf map: c, error: Operation not permitted", FAILED),
    ],
)
def test_who_asks_makes_the_difference(text: str, error: str) -> None:
    as_user = failure_of("load", error, errno.EPERM, text, euid=1000)
    assert (as_user.reason, as_user.errno) == ("this takes root", errno.EPERM)
    as_root = failure_of("load", error, errno.EPERM, text, euid=0)
    assert "refused to root, too" in as_root.reason


def test_the_kernels_own_reason_is_told() -> None:
    failed = failure_of("attach", NOT_TRACEABLE, errno.EPERM, "", euid=0, kernel_log=[LOCKDOWN])
    assert failed.reason.endswith(f"({LOCKDOWN})")
    assert "policy" in failed.remedy
    assert failed.kernel_log == (LOCKDOWN,)


def test_what_lockdown_refuses_to_bcc_another_mechanism_may_do() -> None:
    text = "program of this type cannot use helper bpf_probe_read_kernel#113\nprocessed 7 insns (limit 1)\n"
    said = "Lockdown: python3: use of bpf to read kernel RAM is restricted; see man kernel_lockdown.7"
    failed = failure_of("load", "Exception: x", errno.EINVAL, text, euid=0, kernel_log=[said])
    assert failed.reason.endswith(f"({said})")
    assert failed.remedy == "the mechanism bpf, which reads the kernel through typed pointers"


def test_braces_in_what_was_printed_are_no_format() -> None:
    failed = failure_of("x", "E: {0} {x}", None, "could not open bpf map: {y}", euid=0)
    assert failed.reason == "the kernel does not make the map {y}"


def test_the_lines_that_tell_the_most() -> None:
    assert telling_lines("warning: 1\n" * 50 + NO_TYPE)[0] == NO_TYPE.split("\n")[0]
    assert telling_lines("\n".join(map(str, range(50)))) == tuple(map(str, range(38, 50)))
    assert telling_lines("") == ()
