"""Which system calls are made, by whom, how often, how long they take, how many fail."""

from typing import Optional

from kdiag.records import NamedTuple
from kdiag.tools.tool import Option, Tool, ToolMechanism

__all__ = ["TOOL", "SyscallRow"]


class SyscallRow(NamedTuple):
    """One system call, one process, or both; the fields that were not asked for are ``None``.

    Times are in nanoseconds and only of calls that came back.
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


TOOL = Tool(
    name="syscount",
    group="system calls",
    question="Count system calls: which, by whom, how often, how long, how many fail.",
    help="Like strace -c -f at a small part of its cost.",
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
            "bpf",
            "kdiag.tools.syscount.by_bpf",
            ("bpf",),
            "programs at the begin and end of each call sum up in the kernel",
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
    ),
    rate="syscalls",
)
