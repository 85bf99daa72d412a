"""biolatency by the events of block requests in tracefs, put together in kdiag."""

from typing import Dict, Iterator, List

from kdiag.tools.biolatency.times import Key, Times, by_disk, summary_of, with_request
from kdiag.tools.block_disks import DiskNames, check_disk
from kdiag.tools.block_pairs import BlockRequest
from kdiag.tools.block_rounds import tracing_requests
from kdiag.tools.run import Run
from kdiag.tools.tool import Item

__all__ = ["run"]


def run(run: Run) -> Iterator[Item]:
    """Take the times until it ends."""
    check_disk(run.host, run.options["disk"])
    names = DiskNames(run.host)
    times: Dict[Key, Times] = {}
    begun_s = 0.0
    with tracing_requests(run, from_queue=run.options["queue"]) as traced:
        for requests in traced.rounds():
            _add(run, names, times, requests)
            if run.interval_s is not None and run.tick() is False:
                yield summary_of(times, begun_s, run.duration_s)
                begun_s, times = run.duration_s, {}
        if not run.dry_run:
            traced.tell_pending()
    if not run.dry_run:
        yield summary_of(times, begun_s, run.duration_s)


def _add(run: Run, names: DiskNames, times: Dict[Key, Times], requests: List[BlockRequest]) -> None:
    wanted = run.options["disk"]
    for each in requests:
        disk = names.of(each.dev)
        if wanted not in (None, disk):
            continue
        key = (
            disk or "(none)" if by_disk(run.options) else None,
            each.operation if run.options["operations"] else None,
        )
        begun_ns = each.queued_ns if run.options["queue"] else each.issued_ns
        time_ns = max(0, each.done_ns - begun_ns)
        times[key] = with_request(times.get(key), time_ns, each.total_bytes, failed=each.error != 0)
