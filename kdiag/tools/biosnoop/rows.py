"""Which requests biosnoop shows, whichever mechanism saw them."""

from kdiag.tools.biosnoop import BlockRow
from kdiag.tools.run import Run

__all__ = ["is_wanted", "leave_out_queue"]

_NS_PER_MS = 1_000_000


def is_wanted(run: Run, row: BlockRow) -> bool:
    """Tell whether a row is what the options ask for."""
    disk, slower_ms = run.options["disk"], run.options["slower_ms"]
    if disk is not None and row.disk != disk:
        return False
    return slower_ms is None or row.latency_ns >= slower_ms * _NS_PER_MS


def leave_out_queue(run: Run) -> None:
    """Say why there is no queue time where nobody asked for it."""
    if not run.options["queue"]:
        run.missing["queue_ns"] = "-Q asks for it"
