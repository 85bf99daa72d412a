"""How long tasks that could run wait for a CPU."""

from typing import Optional

from kdiag.records import NamedTuple
from kdiag.tools.tool import Option, Tool, ToolMechanism

__all__ = ["TOOL", "UNIT", "UNIT_NS", "WaitRow"]

#: Of the histograms.
UNIT, UNIT_NS = "us", 1000


class WaitRow(NamedTuple):
    """A process (or a thread), and how long its threads waited for a CPU while they could run.

    ``max_ns`` is ``None`` where it is not known: for an interval, and where the kernel keeps sums alone.
    """

    pid: int
    comm: str
    waits: int
    avg_ns: float
    max_ns: Optional[int]
    total_ns: int


TOOL = Tool(
    name="runqlat",
    group="CPU",
    question="Show how long tasks that could run wait for a CPU.",
    help="A wait begins when a task is woken, or loses its CPU while it could go on, and ends when it gets "
    "one. Long waits mean that there are more tasks than CPUs, or that a CPU limit of a control group bites.",
    row=WaitRow,
    columns=(("pid", 7), ("comm", 15), ("waits", 9), ("avg_ns", 9), ("max_ns", 9), ("total_ns", 9)),
    mechanisms=(
        ToolMechanism(
            "bcc",
            "kdiag.tools.runqlat.by_bcc",
            ("bcc",),
            "programs at wake-ups and switches sum up in the kernel",
        ),
        ToolMechanism(
            "bpf",
            "kdiag.tools.runqlat.by_bpf",
            ("bpf",),
            "programs at wake-ups and switches sum up in the kernel",
        ),
        ToolMechanism(
            "ftrace",
            "kdiag.tools.runqlat.by_ftrace",
            ("events",),
            "events of wake-ups and switches, paired in kdiag",
        ),
        ToolMechanism(
            "procfs",
            "kdiag.tools.runqlat.by_procfs",
            ("procfs",),
            "sums of /proc/PID/task/TID/schedstat: no single waits, none of tasks that came and went",
            {"max_ns": "the kernel keeps sums alone"},
        ),
    ),
    options=(
        Option(
            "by", ("--by",), "Sum up by this.", "choice", default="process", choices=("process", "thread")
        ),
        Option("per_row", ("-P", "--histograms"), "Show a histogram for each row, too."),
    ),
    rate="switches",
)
