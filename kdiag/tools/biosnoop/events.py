"""What the programs of biosnoop send for each request, whoever loaded them."""

import struct
import time
from typing import Iterator

from kdiag.ebpf.collector import Collector
from kdiag.tools.biosnoop import BlockRow
from kdiag.tools.biosnoop.rows import is_wanted
from kdiag.tools.block_errors import error_name
from kdiag.tools.block_operations import letters
from kdiag.tools.block_pending import pending_notes
from kdiag.tools.block_programs import NO_SECTOR, REQUESTS, RequestLayout, issued_and_pending
from kdiag.tools.run import Run

__all__ = ["EVENT_BYTES", "row_of", "rows"]

#: When done (ns), sector as u64; bits of cmd_flags, error as u32; name of the disk. Then what was kept of the
#: request: when queued and issued (ns), bytes, whether watched, thread and group as u64; name.
_EVENT = struct.Struct("=QQII32sQQQQII16s")
EVENT_BYTES = _EVENT.size
_ROUND_S = 0.1


def rows(run: Run, collector: Collector, layout: RequestLayout) -> Iterator[BlockRow]:
    """Yield requests until it ends."""
    begun_ns = time.monotonic_ns()
    ended = run.dry_run
    while not ended:
        ended = run.tick() is True
        if ended:
            collector.stop()
        for event in collector.events(0 if ended else _ROUND_S):
            row = row_of(event, layout, begun_ns, with_queue=run.options["queue"])
            if is_wanted(run, row):
                yield row
    if not run.dry_run:
        pending = issued_and_pending(collector.maps[REQUESTS.name])
        run.notes += pending_notes(pending, time.monotonic_ns())


def row_of(event: bytes, layout: RequestLayout, begun_ns: int, *, with_queue: bool) -> BlockRow:
    """Return the row of an event; padding may follow it."""
    (
        done_ns,
        sector,
        cmd_flags,
        error,
        disk,
        queued_ns,
        issued_ns,
        done_bytes,
        _,
        tid,
        tgid,
        comm,
    ) = _EVENT.unpack_from(event)
    return BlockRow(
        (done_ns - begun_ns) / 1e9,
        tgid,
        tid,
        _text(comm),
        _text(disk) or None,
        letters(layout.operations, cmd_flags),
        None if sector == NO_SECTOR else sector,
        done_bytes,
        issued_ns - queued_ns if with_queue else None,
        done_ns - issued_ns,
        error_name(error, is_errno=layout.error_is_errno),
    )


def _text(data: bytes) -> str:
    return data.partition(b"\0")[0].decode("utf-8", "surrogateescape")
