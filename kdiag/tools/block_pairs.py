"""Block requests put together from the events of tracefs, by disk and sector.

Events do not tell which request they are of, so it is found by ``(dev, sector)``. Traps:

- A sector may be under way twice (two readers): the latest is taken, so that one whose end was lost cannot
  make all later ones wrong. Two times may be exchanged then, their sum is right.
- Flushes and commands have no sector of their own: they are told by disk and kind. A flush completes with
  sector 2**64 - 1.
- A part that is done moves the rest on: what is left begins at another sector.
- Completions of 0 sectors come again when a write ends that took a flush, at a sector that may be another's.
  A request that only asks for a flush is never issued; the kernel's own, ``FF``, is issued for it.
- Before its issue a request may grow at its begin (``block_bio_frontmerge``; its ``dev`` may be that of a
  partition), or become part of another (``block_rq_merge``, since 5.11).
"""

from typing import Callable, Dict, List, Optional, Tuple

from kdiag.ftrace.event import Event
from kdiag.records import NamedTuple

__all__ = ["BlockPairs", "BlockRequest"]

_SECTOR_BYTES = 512
_NO_SECTOR = (1 << 64) - 1
_Key = Tuple[int, int, str]


class BlockRequest(NamedTuple):
    """A request that has completed. ``dev`` is the kernel's number, ``error`` an errno, 0 if there was none.

    Times are of the trace's clock. ``queued_ns`` is the earliest event that was seen of it, ``tid`` and
    ``comm`` the thread that was running then. ``total_bytes`` were done; ``sector`` is ``None`` for flushes
    and commands.
    """

    dev: int
    sector: Optional[int]
    operation: str
    total_bytes: int
    error: int
    queued_ns: int
    issued_ns: int
    done_ns: int
    tid: int
    comm: str
    watched: bool


class _UnderWay:
    """A request that has not completed: sectors that are done, and left."""

    def __init__(self, event: Event, watched: bool) -> None:
        self.queued_ns = event.ts_ns
        self.issued_ns = 0
        self.tid = event.pid
        self.comm: str = event.fields["comm"]
        self.watched = watched
        self.came_back = False
        self.sector: Optional[int] = None
        self.command_bytes = 0
        self.done = 0
        self.left = 0


class BlockPairs:
    """Feed events in the order of time. ``watches`` tells whether a thread is of interest.

    ``merges_told`` says whether the kernel tells of requests that become part of others.
    """

    def __init__(self, watches: Callable[[int], bool], *, merges_told: bool) -> None:
        self._watches = watches
        self._merges_told = merges_told
        self._queued: Dict[_Key, List[_UnderWay]] = {}
        self._issued: Dict[_Key, List[_UnderWay]] = {}
        self._handlers: Dict[str, Callable[[Event], Optional[BlockRequest]]] = {
            "block:block_io_start": self._queue,
            "block:block_rq_insert": self._insert,
            "block:block_rq_issue": self._issue,
            "block:block_rq_requeue": self._come_back,
            "block:block_rq_merge": self._merge,
            "block:block_bio_frontmerge": self._grow,
            "block:block_rq_complete": self._complete,
        }

    def feed(self, event: Event) -> Optional[BlockRequest]:
        """Take an event; return the request that it completes."""
        handler = self._handlers.get(event.name)
        return None if handler is None else handler(event)

    def pending_ns(self) -> List[int]:
        """Return when those watched requests were issued that have not completed."""
        return [each.issued_ns for some in self._issued.values() for each in some if each.watched]

    def _queue(self, event: Event) -> None:
        if event.fields["nr_sector"] or event.fields["bytes"]:
            _put(self._queued, _key(event), self._new(event))

    def _insert(self, event: Event) -> None:
        known = self._queued.get(_key(event))
        if not (known and known[-1].came_back):
            self._queue(event)

    def _issue(self, event: Event) -> None:
        key = _key(event)
        request = _take(self._queued, key) or self._new(event)
        request.issued_ns = event.ts_ns
        request.came_back = False
        request.sector = None if key[2] else key[1]
        request.left = event.fields["nr_sector"]
        request.command_bytes = 0 if request.left else event.fields["bytes"]
        if not self._merges_told:
            self._forget_inside(key, request.left)
        _put(self._issued, key, request)

    def _come_back(self, event: Event) -> None:
        request = _take(self._issued, _key(event))
        if request is not None:
            request.came_back = True
            _put(self._queued, _key(event), request)

    def _merge(self, event: Event) -> None:
        _take(self._queued, _key(event))

    def _grow(self, event: Event) -> None:
        begin = event.fields["sector"]
        end = begin + event.fields["nr_sector"]
        for key in [each for each in self._queued if each[1] == end and not each[2]]:
            request = _take(self._queued, key)
            if request is not None:
                _put(self._queued, (key[0], begin, ""), request)

    def _complete(self, event: Event) -> Optional[BlockRequest]:
        key, sectors = _key(event), event.fields["nr_sector"]
        request = _take(self._issued, key)
        if request is None:
            return None  # it was issued before the start
        request.done += sectors
        if not key[2] and sectors < request.left:
            request.left -= sectors
            _put(self._issued, (key[0], key[1] + sectors, ""), request)
            return None
        return BlockRequest(
            key[0],
            request.sector,
            event.fields["rwbs"],
            request.command_bytes or request.done * _SECTOR_BYTES,
            abs(event.fields["error"]),
            request.queued_ns,
            request.issued_ns,
            event.ts_ns,
            request.tid,
            request.comm,
            request.watched,
        )

    def _new(self, event: Event) -> _UnderWay:
        return _UnderWay(event, self._watches(event.pid))

    def _forget_inside(self, key: _Key, sectors: int) -> None:
        """Forget what was queued at sectors of a request that is issued now: it became part of it."""
        begin, end = key[1], key[1] + sectors
        for each in [other for other in self._queued if other[0] == key[0] and begin < other[1] < end]:
            _take(self._queued, each)


def _key(event: Event) -> _Key:
    """Return what a request is found by: its sector, or its kind where it has none."""
    fields = event.fields
    sector: int = fields["sector"]
    if sector == _NO_SECTOR or not fields["nr_sector"]:
        return fields["dev"], -1, fields["rwbs"][:2]
    return fields["dev"], sector, ""


def _put(requests: Dict[_Key, List[_UnderWay]], key: _Key, request: _UnderWay) -> None:
    requests.setdefault(key, []).append(request)


def _take(requests: Dict[_Key, List[_UnderWay]], key: _Key) -> Optional[_UnderWay]:
    """Take the latest request of a key."""
    known = requests.get(key)
    if not known:
        return None
    request = known.pop()
    if not known:
        del requests[key]
    return request
