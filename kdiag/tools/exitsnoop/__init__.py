"""Which processes end, how, and how long they lived."""

from typing import Optional

from kdiag.records import NamedTuple
from kdiag.tools.tool import Option, Tool, ToolMechanism

__all__ = ["TOOL", "ExitRow"]


class ExitRow(NamedTuple):
    """A process that ended with its last thread; with ``--threads`` each thread.

    ``exit_code`` is that of exit(2), 0 to 255, ``signal`` what killed it: one of them is ``None``.
    ``core_dumped`` is only of signals. ``lived_ns`` is from its fork.
    """

    end_ns: int
    pid: int
    tid: Optional[int]
    parent_pid: Optional[int]
    comm: str
    lived_ns: Optional[int]
    exit_code: Optional[int]
    signal: Optional[str]
    core_dumped: Optional[bool]

    @property
    def time(self) -> str:
        """The end, in seconds with six decimals, after the first."""
        return f"{self.end_ns // 1000 / 1e6:12.6f}"

    @property
    def process(self) -> str:
        """Its id, and the thread's where each thread is shown."""
        return str(self.pid) if self.tid is None else f"{self.pid}/{self.tid}"

    @property
    def how(self) -> str:
        """How it ended."""
        if self.signal is not None:
            return f"killed by {self.signal}" + (", core dumped" if self.core_dumped else "")
        return "?" if self.exit_code is None else f"exit {self.exit_code}"


TOOL = Tool(
    name="exitsnoop",
    group="processes",
    question="Show which processes end, how, and how long they lived.",
    help="A process ends with its last thread. Times are seconds after the first end.",
    row=ExitRow,
    columns=(
        ("time", 12),
        ("process", 15),
        ("parent_pid", 10),
        ("comm", 15),
        ("lived_ns", 9),
        ("how", 0),
    ),
    mechanisms=(
        ToolMechanism(
            "bcc",
            "kdiag.tools.exitsnoop.by_bcc",
            ("bcc",),
            "a program at each end sends what the kernel knows of it",
        ),
        ToolMechanism(
            "bpf",
            "kdiag.tools.exitsnoop.by_bpf",
            ("bpf",),
            "a program at each end sends what the kernel knows",
        ),
        ToolMechanism(
            "ftrace",
            "kdiag.tools.exitsnoop.by_ftrace",
            ("events",),
            "events of ends, and of the calls and signals that lead there",
            {
                "core_dumped": "the events do not tell",
            },
        ),
        ToolMechanism(
            "procfs",
            "kdiag.tools.exitsnoop.by_procfs",
            ("procfs",),
            "looks at /proc some times a second: nothing that comes and goes in between",
        ),
    ),
    options=(
        Option("threads", ("--threads",), "Show the end of each thread."),
        Option("failed", ("-x", "--failed"), "Only ends by a signal, or with an exit code other than 0."),
    ),
    streams=True,
    rate="forks",
)
