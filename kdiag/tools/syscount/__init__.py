"""Which system calls are made, by whom, how often, how long they take, how many fail."""

from typing import Any, Mapping, Optional

from kdiag.records import NamedTuple
from kdiag.tools.syscall_options import FILTERS, check_filters
from kdiag.tools.tool import BadOption, Option, Tool, ToolMechanism

__all__ = ["TOOL", "SyscallRow"]


class SyscallRow(NamedTuple):
    """One system call, one process, or both; the fields that were not asked for are ``None``.

    A call is counted when it has come back, and only if its begin was seen, too. Times are in nanoseconds;
    ``p50_ns`` and ``p99_ns`` are at most 6.25 % too high. ``max_ns`` is ``None`` for an interval.
    ``by_errno`` names the errors, the most frequent first.
    """

    syscall: Optional[str]
    pid: Optional[int]
    comm: Optional[str]
    calls: int
    errors: Optional[int]
    total_ns: Optional[int]
    avg_ns: Optional[float]
    p50_ns: Optional[int]
    p99_ns: Optional[int]
    max_ns: Optional[int]
    by_errno: Optional[str]


def _check(options: Mapping[str, Any]) -> None:
    check_filters(options)
    if options["counts_only"]:
        for name, flag in (("successful", "-z"), ("failed", "-Z")):
            if options[name]:
                raise BadOption(f"--counts-only does not see how calls end: it does not go with {flag}")
        if options["sort"] not in (None, "calls", "name"):
            raise BadOption(f"--counts-only has nothing to sort by {options['sort']}")


TOOL = Tool(
    name="syscount",
    group="system calls",
    question="Count system calls: which, by whom, how often, how long, how many fail.",
    help="Like strace -c -f at a small part of its cost. A call counts when it has come back; calls that had "
    "begun before, or go on at the end, do not. p50 and p99 are at most 6.25 % too high.",
    row=SyscallRow,
    columns=(
        ("syscall", 20),
        ("pid", 7),
        ("comm", 15),
        ("calls", 9),
        ("errors", 8),
        ("total_ns", 9),
        ("avg_ns", 9),
        ("p50_ns", 9),
        ("p99_ns", 9),
        ("max_ns", 9),
        ("by_errno", 0),
    ),
    mechanisms=(
        ToolMechanism(
            "bcc",
            "kdiag.tools.syscount.by_bcc",
            ("bcc",),
            "programs compiled by BCC at the begin and end of each call sum up in the kernel",
        ),
        ToolMechanism(
            "bpf",
            "kdiag.tools.syscount.by_bpf",
            ("bpf",),
            "programs at the begin and end of each call sum up in the kernel",
        ),
        ToolMechanism(
            "ftrace",
            "kdiag.tools.syscount.by_ftrace",
            ("events",),
            "events at begin and end of each call, summed up in kdiag; 32-bit calls are not told apart",
        ),
    ),
    options=(
        Option(
            "by",
            ("--by",),
            "Count by this.",
            "choice",
            default="syscall",
            choices=("syscall", "process", "both"),
        ),
        *FILTERS,
        Option(
            "sort",
            ("--sort",),
            "Show the greatest first; the default is total.",
            "choice",
            choices=("calls", "errors", "total", "avg", "max", "name"),
        ),
        Option(
            "counts_only",
            ("--counts-only",),
            "Count begins of calls and nothing else, which costs least.",
        ),
    ),
    rate="syscalls",
    check=_check,
)
