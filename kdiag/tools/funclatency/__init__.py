"""How long calls of functions take: a histogram for each."""

from typing import Optional

from kdiag.records import NamedTuple
from kdiag.tools.tool import Option, Tool, ToolMechanism

__all__ = ["TOOL", "UNITS_NS", "FunctionLatencyRow"]

#: Units that the histograms may be in, in nanoseconds.
UNITS_NS = {"ns": 1, "us": 1000, "ms": 1_000_000}


class FunctionLatencyRow(NamedTuple):
    """A function, and how long its calls took from entry to return, with what they called and waited for.

    ``max_ns`` is ``None`` for an interval.
    """

    place: str
    calls: int
    avg_ns: float
    max_ns: Optional[int]
    total_ns: int


TOOL = Tool(
    name="funclatency",
    group="functions",
    question="Show how long calls of functions take, of the kernel or of programs.",
    help="A FUNCTION is one of the kernel (vfs_read, 'ext4_sync*'), of a program (/bin/bash:readline), or of "
    "a library (c:getaddrinfo). Times are from entry to return, with what was waited for. Calls that had "
    "begun before, or still go on at the end, are not in them.",
    row=FunctionLatencyRow,
    columns=(("place", 50), ("calls", 10), ("avg_ns", 10), ("max_ns", 10), ("total_ns", 10)),
    mechanisms=(
        ToolMechanism(
            "bcc",
            "kdiag.tools.funclatency.by_bcc",
            ("bcc",),
            "programs at entry and return take the time in the kernel",
        ),
        ToolMechanism(
            "bpf",
            "kdiag.tools.funclatency.by_bpf",
            ("bpf",),
            "programs at entry and return take the time in the kernel",
        ),
        ToolMechanism(
            "ftrace",
            "kdiag.tools.funclatency.by_ftrace",
            ("events",),
            "probes at entry and return, paired in kdiag",
        ),
    ),
    options=(
        Option("functions", (), "What to time.", "texts", metavar="FUNCTION...", takes_arguments=True),
        Option(
            "unit", ("--unit",), "Unit of the histograms.", "choice", default="us", choices=tuple(UNITS_NS)
        ),
    ),
)
