"""Each system call as a line: who, when, with which arguments, how it ended, how long it took."""

from typing import Optional, Tuple

from kdiag.kernel import errno_names
from kdiag.records import NamedTuple
from kdiag.tools.syscall_options import FILTERS, check_filters
from kdiag.tools.tool import Tool, ToolMechanism

__all__ = ["TOOL", "SyscallLine"]

#: Calls whose result is an address.
_ADDRESSES = ("brk", "mmap", "mremap", "shmat")


class SyscallLine(NamedTuple):
    """One call. ``start_ns`` is its begin after that of the first call shown.

    ``arguments`` are as people write them; ``None`` where they were lost. ``result`` and ``duration_ns`` are
    ``None`` for a call that never comes back, or went on at the end. ``errno`` names its error.
    """

    start_ns: int
    comm: str
    pid: Optional[int]
    tid: int
    syscall: str
    arguments: Optional[Tuple[str, ...]]
    result: Optional[int]
    errno: Optional[str]
    duration_ns: Optional[int]

    @property
    def time(self) -> str:
        """The begin, in seconds with six decimals."""
        return f"{self.start_ns // 1000 / 1e6:12.6f}"

    @property
    def thread(self) -> str:
        """Name and id of the thread."""
        return f"{self.comm}/{self.tid}"

    @property
    def call(self) -> str:
        """The call as strace writes it."""
        arguments = "..." if self.arguments is None else ", ".join(self.arguments)
        line = f"{self.syscall}({arguments}) = {self._ending}"
        return line if self.duration_ns is None else f"{line} <{self.duration_ns / 1e9:.9f}>"

    @property
    def _ending(self) -> str:
        if self.result is None:
            return "?"
        if self.errno is not None:
            text = errno_names.text_of(-self.result)
            return f"-1 {self.errno}" + (f" ({text})" if text else "")
        return hex(self.result & 0xFFFF_FFFF_FFFF_FFFF) if self.syscall in _ADDRESSES else str(self.result)


TOOL = Tool(
    name="syscalls",
    group="system calls",
    question="Show each system call: who, when, with which arguments, how it ended, how long it took.",
    help="Like strace -f -T at a small part of its cost. A line comes when the call has come back; its time "
    "is that of the begin, in seconds after the first call. Structs and buffers are shown as addresses.",
    row=SyscallLine,
    columns=(("time", 12), ("thread", 23), ("call", 0)),
    mechanisms=(
        ToolMechanism(
            "bcc",
            "kdiag.tools.syscalls.by_bcc",
            ("bcc",),
            "programs compiled by BCC send what each call is given and what it returns, paths as text",
        ),
        ToolMechanism(
            "bpf",
            "kdiag.tools.syscalls.by_bpf",
            ("bpf",),
            "programs at begin and end of each call send what it is given and what it returns, paths as text",
        ),
        ToolMechanism(
            "ftrace",
            "kdiag.tools.syscalls.by_ftrace",
            ("events",),
            "events at begin and end of each call; 32-bit calls are not told apart, paths are addresses",
            {"pid": "the events have the thread's id only"},
        ),
    ),
    options=FILTERS,
    streams=True,
    rate="syscalls",
    check=check_filters,
)
