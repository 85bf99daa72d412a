"""Each request to a disk, as it completes: whose, what, how long."""

from typing import Optional

from kdiag.records import NamedTuple
from kdiag.tools.tool import Option, Tool, ToolMechanism

__all__ = ["TOOL", "BlockRow"]


class BlockRow(NamedTuple):
    """A request that completed at ``time_s`` after the begin.

    ``pid``, ``tid`` and ``comm`` are of the thread that made it, as far as that was seen; writes from the
    page cache are made by kernel threads. ``operation`` is in blktrace's letters; ``sector`` (512 bytes, of
    the whole disk) is ``None`` for flushes and commands. ``latency_ns`` is from the issue to the driver,
    ``queue_ns`` before that. ``error`` is empty where all went well.
    """

    time_s: float
    pid: Optional[int]
    tid: int
    comm: str
    disk: Optional[str]
    operation: str
    sector: Optional[int]
    size_bytes: int
    queue_ns: Optional[int]
    latency_ns: int
    error: str

    @property
    def time(self) -> str:
        """The time in seconds, with microseconds: many requests come within a millisecond."""
        return f"{self.time_s:12.6f}"


TOOL = Tool(
    name="biosnoop",
    group="disks",
    question="Show each request to a disk: whose, what, where, how long.",
    help="The latency is from the issue to the driver to the completion; what came before it is queue time "
    "(-Q). Writes from the page cache are made by kernel threads. Operations are in blktrace's letters: R "
    "read, W write, D discard, FF flush; then F forced to the medium, A read ahead, S synchronous, M "
    "metadata.",
    row=BlockRow,
    columns=(
        ("time", 12),
        ("pid", 7),
        ("comm", 15),
        ("disk", 8),
        ("operation", 9),
        ("sector", 11),
        ("size_bytes", 8),
        ("queue_ns", 8),
        ("latency_ns", 8),
        ("error", 0),
    ),
    mechanisms=(
        ToolMechanism(
            "bcc",
            "kdiag.tools.biosnoop.by_bcc",
            ("bcc",),
            "programs at making, issue and completion of each request",
        ),
        ToolMechanism(
            "bpf",
            "kdiag.tools.biosnoop.by_bpf",
            ("bpf",),
            "programs at making, issue and completion of each request",
        ),
        ToolMechanism(
            "ftrace",
            "kdiag.tools.biosnoop.by_ftrace",
            ("events",),
            "events of each request, put together in kdiag by disk and sector",
        ),
    ),
    options=(
        Option("queue", ("-Q", "--queued"), "Show the time in the kernel's queues, too."),
        Option("disk", ("-d", "--disk"), "Only requests to this disk.", "text", metavar="DISK"),
        Option(
            "slower_ms", ("--slower",), "Only requests that took so long, or longer.", "number", metavar="MS"
        ),
    ),
    streams=True,
    rate="block",
)
