"""Which files are asked about without opening them: stat, access, readlink and their kin."""

from typing import Optional

from kdiag.records import NamedTuple
from kdiag.tools.path_calls import FILTERS, Found, PathCall
from kdiag.tools.tool import Tool, ToolMechanism

__all__ = ["CALLS", "TOOL", "StatRow", "row_of"]

CALLS = (
    PathCall("stat", 0),
    PathCall("lstat", 0),
    PathCall("newfstatat", 1, 0),
    PathCall("statx", 1, 0),
    PathCall("access", 0),
    PathCall("faccessat", 1, 0),
    PathCall("faccessat2", 1, 0),
    PathCall("readlink", 0),
    PathCall("readlinkat", 1, 0),
)


class StatRow(NamedTuple):
    """One call. ``errno`` is ``None`` for one that succeeded, ``result`` for one that never came back.

    ``directory`` is the descriptor that a relative path starts at (the file itself where the path is empty);
    ``None`` is the working directory. ``path`` is ``None`` where it could not be told.
    """

    start_ns: int
    pid: Optional[int]
    tid: int
    comm: str
    syscall: str
    result: Optional[int]
    errno: Optional[str]
    directory: Optional[int]
    path: Optional[str]
    duration_ns: Optional[int]

    @property
    def time(self) -> str:
        """The begin, in seconds with six decimals."""
        return f"{self.start_ns // 1000 / 1e6:12.6f}"

    @property
    def file(self) -> Optional[str]:
        """The path, after the descriptor that it starts at."""
        return (
            self.path if self.directory is None or self.path is None else f"[fd {self.directory}] {self.path}"
        )


def row_of(found: Found) -> StatRow:
    """Return the row of a call."""
    return StatRow(
        found.start_ns,
        found.pid,
        found.tid,
        found.comm,
        found.syscall,
        found.result,
        found.errno,
        found.directory,
        found.path,
        found.duration_ns,
    )


TOOL = Tool(
    name="statsnoop",
    group="files",
    question="Show which files are asked about, by whom: stat, access, readlink and their kin.",
    help="stat, lstat, newfstatat, statx, access, faccessat, faccessat2, readlink and readlinkat. With -x "
    "only failures: what a program looks for and does not find.",
    row=StatRow,
    columns=(("time", 12), ("tid", 7), ("comm", 15), ("syscall", 11), ("errno", 8), ("file", 0)),
    mechanisms=(
        ToolMechanism(
            "bcc",
            "kdiag.tools.statsnoop.by_bcc",
            ("bcc",),
            "programs at begin and end of each call send the path and the result",
        ),
        ToolMechanism(
            "bpf",
            "kdiag.tools.statsnoop.by_bpf",
            ("bpf",),
            "programs at begin and end of each call send the path and the result",
        ),
        ToolMechanism(
            "ftrace",
            "kdiag.tools.statsnoop.by_ftrace",
            ("events",),
            "events at begin and end of each call",
            {"pid": "the events have the thread's id only"},
        ),
    ),
    options=FILTERS,
    streams=True,
    rate="syscalls",
)
