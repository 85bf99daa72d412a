"""Why BCC failed, concluded from what it printed: its exceptions name a step and at times a wrong reason.

The texts are those of BCC 0.18 to 0.37, of clang and of the kernel's verifier. Nothing is concluded from
``BPF.support_*()``, which looks for names in kallsyms and is wrong where addresses are hidden.
"""

import re
from typing import Optional, Sequence, Tuple

from kdiag.records import NamedTuple

__all__ = ["BccError", "failure_of", "telling_lines"]

_PACKAGE = (
    "the distribution's package for its own Python (Debian: python3-bpfcc; Fedora, RHEL: python3-bcc), "
    "or a Python that has it named in KDIAG_BCC_PYTHON"
)
_PRIVILEGE = "run as root (CAP_BPF and CAP_PERFMON)"
_POLICY = "whoever set that policy has to allow it; most of it takes another boot"
_OWN_HEADERS = "let kdiag use its own headers, as it does unless told otherwise"
_BPF_INSTEAD = "the mechanism bpf, which reads the kernel through typed pointers"
_DEFECT = "a defect of kdiag: report it; the other mechanisms do not need BCC"


class _Cause(NamedTuple):
    pattern: str
    reason: str
    remedy: str
    privilege: bool = False
    """The reason is that of root; for others it is the lack of privilege."""


#: The first that is found in the text counts: what is more exact comes first.
_CAUSES: Tuple[_Cause, ...] = (
    _Cause(r"No module named '?bcc", "it is not installed for this Python", _PACKAGE),
    _Cause(
        r"lib(bcc|bpf|LLVM|clang)\S*: cannot open shared object file",
        "a library of it is missing",
        "the distribution's package of that library (Debian: libbpfcc; Fedora, RHEL: bcc)",
    ),
    _Cause(
        r"Unable to find kernel headers|Module kheaders not found|(kconfig|autoconf)\.h' file not found",
        "there are no headers of the running kernel",
        _OWN_HEADERS,
    ),
    _Cause(
        r"incomplete definition of type 'struct tracepoint__",
        "the format of the event could not be read when the program was compiled",
        "mount tracefs at /sys/kernel/tracing (and debugfs for BCC before 0.19)",
    ),
    _Cause(
        r"incomplete definition of type|to an incomplete type",
        "the program names a structure that these headers do not describe",
        _DEFECT,
    ),
    _Cause(
        r"'asm goto' constructs are not supported|too many errors emitted",
        "this compiler does not understand these headers",
        _OWN_HEADERS,
    ),
    _Cause(
        r"could not open bpf map: .*Operation not permitted",
        "maps are refused to root, too: by a security module, a container, or (before 5.11) RLIMIT_MEMLOCK",
        "try outside of the container; before 5.11: ulimit -l unlimited",
        privilege=True,
    ),
    _Cause(r"could not open bpf map: (?P<what>.*)", "the kernel does not make the map {what}", _DEFECT),
    _Cause(
        r"(unknown func|cannot use helper) bpf_probe_read(_kernel|_str|_kernel_str)?#",
        "programs may not copy kernel memory here, as under lockdown=confidentiality",
        _BPF_INSTEAD,
    ),
    _Cause(
        r"Need super-user privileges|Failed to load program: Operation not permitted",
        "programs are refused to root, too: by lockdown, a security module or a container",
        _POLICY,
        privilege=True,
    ),
    _Cause(
        r"open\(\S*[ku]probe_events\): (Permission denied|Operation not permitted)",
        "probes are refused to root, too: by lockdown or a security module",
        _POLICY,
        privilege=True,
    ),
    _Cause(
        r"create_probe_event: open\(\S*kprobe_events\): No such file",
        "this kernel has no kprobes, or hides them (lockdown=confidentiality)",
        "a kernel built with CONFIG_KPROBE_EVENTS",
    ),
    _Cause(
        r"cannot attach kprobe, |probe entry may not exist|it's not traceable",
        "this kernel has no such function, has inlined it, or does not let it be probed",
        "look for it with kdiag probes",
    ),
    _Cause(
        r"perf_event_open failed: Permission denied|Failed to attach BPF to perf event",
        "sampling is refused (kernel.perf_event_paranoid, or a security module)",
        "run as root (CAP_SYS_ADMIN: CAP_PERFMON is not enough where perf_event_paranoid is 3)",
    ),
    _Cause(
        r"bpf_attach_raw_tracepoint \((?P<what>\w+)\): No such file",
        "this kernel has no tracepoint {what}",
        "a kernel built with the option that this event belongs to",
    ),
    _Cause(
        r"open\((?P<what>[^)]*/events/[^)]*/id)\): No such file",
        "this kernel has no such event, or tracefs is not to be seen ({what})",
        "mount tracefs at /sys/kernel/tracing",
    ),
    _Cause(
        r"could not determine address of symbol (b')?(?P<what>[^' ]*)",
        "there is no such program or library, or it has no symbol {what}",
        "its debugging symbols, or an address instead of the name",
    ),
    _Cause(r"Unknown program (b')?(?P<what>[^']*)", "the program has no function {what}", _DEFECT),
    _Cause(r"No usable temporary directory", "no temporary folder can be written", "set TMPDIR"),
    _Cause(
        r"MemoryError|Cannot allocate memory|bad_alloc|killed by SIGKILL",
        "there may be too little memory for the compiler, which takes 130 MB",
        "the mechanism bpf, which needs no compiler",
    ),
    _Cause(r"^\S+:\d+:\d+: (fatal )?error: (?P<what>.*)$", "the program does not compile: {what}", _DEFECT),
    _Cause(r"LLVM ERROR|Failed to compile BPF", "the compiler failed", _DEFECT),
    _Cause(r"^(?P<what>.*)\nprocessed \d+ insns", "the verifier refuses it: {what}", _DEFECT),
    _Cause(r"!read_ok|invalid access|unknown func", "the verifier refuses it", _DEFECT),
)
_ERROR_LINE = re.compile(r"^\S+:\d+:\d+: (fatal )?error: ")
_MAX_LINES = 12


class BccError(Exception):
    """BCC could not be used: at which ``step``, the ``errno`` if one is known, the reason, how to get it.

    ``text`` is what BCC, the compiler and the verifier printed; ``kernel_log`` what the kernel logged.
    """

    def __init__(
        self,
        step: str,
        errno: Optional[int],
        reason: str,
        remedy: str = "",
        text: str = "",
        kernel_log: Tuple[str, ...] = (),
    ) -> None:
        super().__init__(f"BCC: {step}: {reason}")
        self.step = step
        self.errno = errno
        self.reason = reason
        self.remedy = remedy
        self.text = text
        self.kernel_log = kernel_log


def failure_of(
    step: str,
    error: str,
    errno: Optional[int],
    text: str,
    *,
    euid: int,
    kernel_log: Sequence[str] = (),
) -> BccError:
    """Return the failure of a step, for the exception's own words, the errno and what was printed.

    >>> told = "/virtual/main.c:1:9: error: use of undeclared identifier 'x'"
    >>> failure_of("compile", "Exception: Failed", None, told, euid=0).reason
    "the program does not compile: use of undeclared identifier 'x'"
    """
    whole = f"{text.strip()}\n{error}".strip()
    reason, remedy = error.split("\n")[0], ""
    for cause in _CAUSES:
        found = re.search(cause.pattern, whole, re.MULTILINE)
        if found:
            reason, remedy = cause.reason.format(**found.groupdict()), cause.remedy
            if cause.privilege and euid != 0:
                reason, remedy = "this takes root", _PRIVILEGE
            break
    if kernel_log:
        reason = f"{reason} ({kernel_log[-1]})"
        remedy = remedy if remedy == _BPF_INSTEAD else _POLICY
    return BccError(step, errno or None, reason, remedy, whole, tuple(kernel_log))


def telling_lines(text: str) -> Tuple[str, ...]:
    """Return the lines that tell the most: from the compiler's first error on, else the last ones."""
    lines = [line for line in text.split("\n") if line.strip()]
    for at, line in enumerate(lines):
        if _ERROR_LINE.match(line):
            return tuple(lines[at : at + _MAX_LINES])
    return tuple(lines[-_MAX_LINES:])
