"""How long requests to disks take: histograms, of all, by disk, or by operation."""

from typing import Optional

from kdiag.records import NamedTuple
from kdiag.tools.tool import Option, Tool, ToolMechanism

__all__ = ["TOOL", "BlockLatencyRow"]


class BlockLatencyRow(NamedTuple):
    """Requests of one disk, of one operation, of both, or all of them; what was not asked for is ``None``.

    ``operation`` is in blktrace's letters. ``total_bytes`` are those done, ``errors`` requests that failed.
    Times are from the issue to the driver to the completion, with ``-Q`` from the queueing; ``max_ns`` is
    ``None`` for an interval.
    """

    disk: Optional[str]
    operation: Optional[str]
    ios: int
    errors: Optional[int]
    total_bytes: int
    avg_ns: Optional[float]
    max_ns: Optional[int]


TOOL = Tool(
    name="biolatency",
    group="disks",
    question="Show how long requests to disks take, as histograms.",
    help="A request's time is from its issue to the driver to its completion; with -Q from when it was "
    "queued. Requests issued before the start are not in it; those not completed at the end are told of. "
    "Operations are in blktrace's letters: R read, W write, D discard, FF flush; then F forced to the "
    "medium, A read ahead, S synchronous, M metadata.",
    row=BlockLatencyRow,
    columns=(
        ("disk", 16),
        ("operation", 9),
        ("ios", 9),
        ("errors", 8),
        ("total_bytes", 9),
        ("avg_ns", 9),
        ("max_ns", 9),
    ),
    mechanisms=(
        ToolMechanism(
            "bcc",
            "kdiag.tools.biolatency.by_bcc",
            ("bcc",),
            "programs at issue and completion of each request take the time in the kernel",
        ),
        ToolMechanism(
            "bpf",
            "kdiag.tools.biolatency.by_bpf",
            ("bpf",),
            "programs at issue and completion of each request take the time in the kernel",
        ),
        ToolMechanism(
            "ftrace",
            "kdiag.tools.biolatency.by_ftrace",
            ("events",),
            "events at issue and completion of each request, put together in kdiag by disk and sector",
        ),
        ToolMechanism(
            "procfs",
            "kdiag.tools.biolatency.by_procfs",
            ("procfs",),
            "/proc/diskstats: the average of each disk, with its queue, and no histogram",
            {
                "errors": "/proc/diskstats does not count them",
                "max_ns": "/proc/diskstats has sums only",
            },
        ),
    ),
    options=(
        Option("disks", ("-D", "--disks"), "Show each disk by itself."),
        Option("disk", ("-d", "--disk"), "Only requests to this disk.", "text", metavar="DISK"),
        Option("operations", ("-F", "--flags"), "Show each operation, with its flags, by itself."),
        Option("queue", ("-Q", "--queued"), "Include the time in the kernel's queues."),
    ),
    rate="block",
)
