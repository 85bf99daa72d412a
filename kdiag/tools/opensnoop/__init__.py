"""Which files are opened, or looked for, by whom."""

from typing import Optional

from kdiag.records import NamedTuple
from kdiag.tools.path_calls import FILTERS, Found, PathCall
from kdiag.tools.tool import Tool, ToolMechanism

__all__ = ["CALLS", "TOOL", "OpenRow", "row_of"]

CALLS = (
    PathCall("open", 0, None, 1, "open"),
    PathCall("openat", 1, 0, 2, "open"),
    PathCall("openat2", 1, 0),
    PathCall("creat", 0),
)


class OpenRow(NamedTuple):
    """One open. ``fd`` is the new descriptor, ``errno`` why there is none; neither where it never came back.

    ``directory`` is the descriptor that a relative path starts at; ``None`` is the working directory.
    ``flags`` of openat2 are in a struct and not shown. ``path`` is ``None`` where it could not be told.
    """

    start_ns: int
    pid: Optional[int]
    tid: int
    comm: str
    syscall: str
    fd: Optional[int]
    errno: Optional[str]
    flags: Optional[str]
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


def row_of(found: Found) -> OpenRow:
    """Return the row of a call."""
    descriptor = found.result if found.result is not None and found.errno is None else None
    return OpenRow(
        found.start_ns,
        found.pid,
        found.tid,
        found.comm,
        found.syscall,
        descriptor,
        found.errno,
        found.flags,
        found.directory,
        found.path,
        found.duration_ns,
    )


TOOL = Tool(
    name="opensnoop",
    group="files",
    question="Show which files are opened, or looked for, by whom, and how that ends.",
    help="open, openat, openat2 and creat. With -x only failures: what a program looks for and does not "
    "find. Times are those of the begins, in seconds after the first.",
    row=OpenRow,
    columns=(("time", 12), ("tid", 7), ("comm", 15), ("fd", 4), ("errno", 8), ("flags", 22), ("file", 0)),
    mechanisms=(
        ToolMechanism(
            "bcc",
            "kdiag.tools.opensnoop.by_bcc",
            ("bcc",),
            "programs at begin and end of each call send the path and the result",
        ),
        ToolMechanism(
            "bpf",
            "kdiag.tools.opensnoop.by_bpf",
            ("bpf",),
            "programs at begin and end of each call send the path and the result",
        ),
        ToolMechanism(
            "ftrace",
            "kdiag.tools.opensnoop.by_ftrace",
            ("events",),
            "events at begin and end of each call",
            {"pid": "the events have the thread's id only"},
        ),
    ),
    options=FILTERS,
    streams=True,
    rate="syscalls",
)
