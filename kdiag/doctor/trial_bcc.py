"""The trial of BCC: a program of three lines is compiled, loaded and attached, in a process of its own.

That it can be imported says little: the compiler may find no headers, the kernel may refuse what comes of it.
"""

from typing import TYPE_CHECKING

from kdiag.doctor.outcome import NotTried, Refused

if TYPE_CHECKING:
    from kdiag.doctor.trials import Bench

__all__ = ["bcc"]

_TEXT = """\
BPF_ARRAY(calls, u64, 1);
int on_exit(struct bpf_raw_tracepoint_args *ctx) { calls.increment(0); return 0; }
"""


def bcc(bench: "Bench") -> str:
    """Attach a program to the end of processes, which is rare."""
    # Imported here: it starts processes, which most trials do not.
    from kdiag.ebpf.bcc.client import BccHook, BccProgram, attach
    from kdiag.ebpf.bcc.failures import BccError, telling_lines

    if bench.host.kind != "live":
        raise NotTried("not tried", "a recording has no system calls")
    hook = BccHook("raw_tracepoint", "sched_process_exit", "on_exit")
    try:
        with attach(BccProgram(_TEXT, (), (hook,))) as process:
            seconds = process.seconds["compile"]
            return (
                f"version {process.version} for {process.python}; "
                f"compiled in {seconds:.1f} s with kdiag's own headers"
            )
    except BccError as error:
        lines = telling_lines(error.text)
        detail = f"{error.step}: {lines[-1]}" if lines else error.step
        raise Refused(detail, error.reason, error.remedy) from None
