"""Which programs are executed, with which arguments, by whom; and which could not be."""

from typing import Optional, Tuple

from kdiag.records import NamedTuple
from kdiag.tools.tool import Option, Tool, ToolMechanism

__all__ = ["TOOL", "ExecRow"]


class ExecRow(NamedTuple):
    """One execve or execveat that came to its end. ``errno`` is ``None`` for one that succeeded.

    ``comm`` is the name of the process afterwards. ``path`` is as it was given; ``arguments`` are ``None``
    where they could not be told, and end with ``...`` where there are more.
    """

    start_ns: int
    pid: int
    parent_pid: Optional[int]
    uid: Optional[int]
    comm: str
    errno: Optional[str]
    path: Optional[str]
    arguments: Optional[Tuple[str, ...]]

    @property
    def time(self) -> str:
        """The begin, in seconds with six decimals, after the first."""
        return f"{self.start_ns // 1000 / 1e6:12.6f}"

    @property
    def command(self) -> str:
        """The path, and the arguments after the first, which is the program's own name."""
        words = [self.path or "?", *(self.arguments or ())[1:]]
        return " ".join(word if word and not set(word) & set(" \t\n'\"\\") else repr(word) for word in words)


TOOL = Tool(
    name="execsnoop",
    group="processes",
    question="Show which programs are executed, with which arguments, by whom; and which could not be.",
    help="execve and execveat, successful or not. Times are those of the begins, in seconds after the first.",
    row=ExecRow,
    columns=(
        ("time", 12),
        ("pid", 7),
        ("parent_pid", 10),
        ("uid", 6),
        ("comm", 15),
        ("errno", 8),
        ("command", 0),
    ),
    mechanisms=(
        ToolMechanism(
            "bcc",
            "kdiag.tools.execsnoop.by_bcc",
            ("bcc",),
            "programs at begin and end send path, arguments and result",
        ),
        ToolMechanism(
            "bpf",
            "kdiag.tools.execsnoop.by_bpf",
            ("bpf",),
            "programs at begin and end send path, arguments and result",
        ),
        ToolMechanism(
            "ftrace",
            "kdiag.tools.execsnoop.by_ftrace",
            ("events",),
            "events at begin and end of each call, and of each program that was executed",
            {
                "uid": "the events do not have it",
                "parent_pid": "the events do not have it",
                "arguments": "the events have their addresses only",
            },
        ),
    ),
    options=(
        Option("failed", ("-x", "--failed"), "Only what could not be executed."),
        Option("name", ("-n", "--name"), "Only paths with this text in them.", "text", metavar="TEXT"),
    ),
    streams=True,
    # Its programs and events are at the begin and end of every system call.
    rate="syscalls",
)
