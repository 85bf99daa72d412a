"""How often functions are called: of the kernel, by patterns; of programs and libraries."""

from kdiag.records import NamedTuple
from kdiag.tools.tool import Option, Tool, ToolMechanism

__all__ = ["TOOL", "FunctionRow"]


class FunctionRow(NamedTuple):
    """A function that was called; ``place`` is ``kprobe:NAME`` or ``uprobe:FILE:NAME``."""

    place: str
    calls: int


TOOL = Tool(
    name="funccount",
    group="functions",
    question="Count how often functions are called, of the kernel or of programs.",
    help="A FUNCTION is one of the kernel (vfs_read, 'vfs_*'), of a program (/bin/bash:readline), or of a "
    "library (c:malloc). Patterns leave out what would hang a machine to probe. Functions that were never "
    "called are only counted.",
    row=FunctionRow,
    columns=(("place", 50), ("calls", 10)),
    mechanisms=(
        ToolMechanism(
            "bcc", "kdiag.tools.funccount.by_bcc", ("bcc",), "a program at each function counts in the kernel"
        ),
        ToolMechanism(
            "bpf", "kdiag.tools.funccount.by_bpf", ("bpf",), "a program at each function counts in the kernel"
        ),
        ToolMechanism(
            "ftrace",
            "kdiag.tools.funccount.by_ftrace",
            ("events",),
            "probes of tracefs, counted as `kdiag count` does",
        ),
    ),
    options=(
        Option("functions", (), "What to count.", "texts", metavar="FUNCTION...", takes_arguments=True),
    ),
)
