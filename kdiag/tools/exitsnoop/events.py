"""What the programs of exitsnoop send, whoever loaded them, and the rows that it makes."""

import struct
from typing import Dict, Iterator

from kdiag.ebpf.collector import Collector
from kdiag.kernel.machine import machine_of
from kdiag.tools.event_rounds import events_of
from kdiag.tools.exitsnoop.rows import Rows
from kdiag.tools.run import Run
from kdiag.tools.tool import Item, LostHere

__all__ = ["EVENT", "rows_of"]

#: End in ns, begin in ns, process, thread, parent, status as wait(2) has it, name.
EVENT = struct.Struct("=QQIIII16s")


def rows_of(run: Run, collector: Collector) -> Iterator[Item]:
    """Yield the rows of ends until it ends."""
    rows = Rows(run.options, machine_of(run.host) or "")
    #: When each process had begun that has ended. Two threads that end at once may both be told as the last.
    ended: Dict[int, int] = {}
    for data in events_of(run, collector):
        if isinstance(data, LostHere):
            yield data
            continue
        end_ns, begin_ns, pid, tid, parent, status, comm = EVENT.unpack_from(data)
        if not run.options["threads"]:
            if ended.get(pid) == begin_ns:
                continue
            ended[pid] = begin_ns
        yield from rows.row(
            end_ns,
            pid,
            tid if run.options["threads"] else None,
            parent,
            comm.partition(b"\0")[0].decode("utf-8", "surrogateescape"),
            max(0, end_ns - begin_ns),
            status,
        )
