"""Block requests that complete, round by round, from the events of tracefs.

Completions come in whatever thread runs, so the kernel cannot choose by thread: threads of the target are
followed here, by ``task:task_newtask``.
"""

import time
from contextlib import contextmanager
from typing import Iterator, List

from kdiag.ftrace.instance import pids_are_the_kernels
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import TraceFs
from kdiag.tools.block_pairs import BlockPairs, BlockRequest
from kdiag.tools.block_pending import pending_notes
from kdiag.tools.ftrace_run import Traced, TraceEvent, tracing
from kdiag.tools.run import Run
from kdiag.tools.threads import Threads
from kdiag.tools.tool import CannotUse

__all__ = ["RequestRounds", "tracing_requests"]

_SYSTEM, _MADE, _INSERTED, _MERGED = "block", "block_io_start", "block_rq_insert", "block_rq_merge"
_ALWAYS = ("block_rq_issue", "block_rq_complete", "block_rq_requeue")


class RequestRounds:
    """Requests as they complete; ``threads`` are those of the target and what they make."""

    def __init__(self, run: Run, traced: Traced) -> None:
        self.threads = Threads(run)
        self._run = run
        self._traced = traced
        # Without a target all requests count, kdiag's own and those of the idle task, too.
        watches = (lambda tid: True) if run.target is None else self.threads.watches
        merges_told = traced.session.instance.exists(f"events/{_SYSTEM}/{_MERGED}")
        self._pairs = BlockPairs(watches, merges_told=merges_told)

    def rounds(self) -> Iterator[List[BlockRequest]]:
        """Yield the watched requests that completed in each round of reading."""
        for events in self._traced.rounds():
            done = []
            for event in events:
                self.threads.feed(event)
                request = self._pairs.feed(event)
                if request is not None and request.watched:
                    done.append(request)
            yield done

    def tell_pending(self) -> None:
        """Note what has not completed, unless events were lost: then nobody knows."""
        if not self._traced.session.lost():
            self._run.notes += pending_notes(self._pairs.pending_ns(), time.monotonic_ns())


@contextmanager
def tracing_requests(run: Run, *, from_queue: bool) -> Iterator[RequestRounds]:
    """Trace requests; ``from_queue`` asks for when they were queued, and by whom.

    Raises :exc:`~kdiag.tools.tool.CannotUse` before it has begun.
    """
    if run.target is not None and not pids_are_the_kernels(run.host):
        raise CannotUse(
            "threads cannot be followed from within a PID namespace of one's own",
            "mount the host's /proc (as /host/proc) and give --root /host, or trace all processes",
        )

    def set_up(tracefs: TraceFs, session: Session) -> None:
        if not from_queue and run.target is None:
            return
        exists = session.instance.exists
        made = exists(f"events/{_SYSTEM}/{_MADE}")
        session.enable(_SYSTEM, _MADE if made else _INSERTED)
        session.enable(_SYSTEM, "block_bio_frontmerge")
        if exists(f"events/{_SYSTEM}/{_MERGED}"):
            session.enable(_SYSTEM, _MERGED)

    events = [TraceEvent(_SYSTEM, event) for event in _ALWAYS]
    with tracing(run, events, comms=True, everybody=True, set_up=set_up) as traced:
        yield RequestRounds(run, traced)
