"""biosnoop by the events of block requests in tracefs, put together in kdiag."""

import time
from typing import Iterator

from kdiag.kernel.errno_names import name_of
from kdiag.tools.biosnoop import BlockRow
from kdiag.tools.biosnoop.rows import is_wanted, leave_out_queue
from kdiag.tools.block_disks import DiskNames, check_disk
from kdiag.tools.block_pairs import BlockRequest
from kdiag.tools.block_rounds import tracing_requests
from kdiag.tools.run import Run
from kdiag.tools.threads import Threads
from kdiag.tools.tool import Item

__all__ = ["run"]


def run(run: Run) -> Iterator[Item]:
    """Show requests until it ends."""
    check_disk(run.host, run.options["disk"])
    leave_out_queue(run)
    disks = DiskNames(run.host)
    with tracing_requests(run, from_queue=True) as traced:
        begun_ns = time.monotonic_ns()
        for requests in traced.rounds():
            for request in requests:
                row = _row(request, disks, traced.threads, begun_ns, with_queue=run.options["queue"])
                if is_wanted(run, row):
                    yield row
        if not run.dry_run:
            traced.tell_pending()


def _row(
    request: BlockRequest, disks: DiskNames, threads: Threads, begun_ns: int, *, with_queue: bool
) -> BlockRow:
    return BlockRow(
        (request.done_ns - begun_ns) / 1e9,
        threads.process_of(request.tid),
        request.tid,
        request.comm,
        disks.of(request.dev),
        request.operation,
        request.sector,
        request.total_bytes,
        request.issued_ns - request.queued_ns if with_queue else None,
        request.done_ns - request.issued_ns,
        name_of(request.error) if request.error else "",
    )
