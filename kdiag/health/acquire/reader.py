"""Reading files into a sample: parsed, stamped, with what each cost; failures are kept, by kind."""

from typing import Any, Callable, Dict, List, Optional, Tuple

from kdiag.health.sample import Cost, Sample
from kdiag.host.base import Failure, Host, ReadError

__all__ = ["Reader"]

Parser = Callable[..., Any]


class Reader:
    """Reads a host's files into one sample."""

    def __init__(self, host: Host, sample: Sample) -> None:
        self.host = host
        self.sample = sample
        #: By path, or by the family's pattern.
        self.costs: Dict[str, Cost] = {}
        self._family_failures: Dict[Tuple[str, str, Optional[int]], int] = {}

    def bytes_of(self, path: str, family: str = "", may_block: bool = False) -> Optional[bytes]:
        """Return a file's bytes, or ``None`` with the failure kept.

        Of a ``family`` (``/proc/[pid]/stat``) only what failed otherwise than by vanishing is kept.
        """
        try:
            reading = self.host.reading(path, may_block)
        except ReadError as error:
            self.fail(error.failure, family)
            return None
        started, ended = reading.started_ns, reading.ended_ns
        if started is not None and ended is not None:
            self.spend(family or path, 1, len(reading.data), ended - started)
            if not family:
                self.sample.stamps_ns[path] = (started + ended) // 2
        if not family:
            self.sample.raw[path] = reading.data
        return reading.data

    def parse(self, path: str, parser: Parser, family: str = "", may_block: bool = False) -> Any:
        """Return a file's record, or ``None`` with the failure kept; its problems are kept too."""
        data = self.bytes_of(path, family, may_block)
        if data is None:
            return None
        record = parser(data, path)
        if record.problems:
            self.sample.problems.extend(record.problems)
        return record

    def names(self, path: str) -> List[str]:
        """Return the names in a folder, none if it cannot be listed (the failure is kept)."""
        try:
            return self.host.list(path)
        except ReadError as error:
            self.fail(error.failure)
            return []

    def fail(self, failure: Failure, family: str = "") -> None:
        """Keep a failure; a process that ended while it was looked at is none."""
        if not family:
            self.sample.failures[failure.path] = failure
        elif failure.kind not in ("vanished", "absent"):
            key = (family, failure.kind, failure.errno)
            self._family_failures[key] = self._family_failures.get(key, 0) + 1

    def finish(self) -> None:
        """Say once for each family how many of its files could not be read, and why."""
        for (family, kind, errno), count in self._family_failures.items():
            self.sample.failures[family] = Failure(family, kind, errno, f"{count} of them")
        self._family_failures.clear()

    def spend(self, key: str, reads: int, size: int, duration_ns: int) -> None:
        """Add what some reads cost."""
        cost = self.costs.get(key, Cost(0, 0, 0))
        self.costs[key] = Cost(cost.reads + reads, cost.bytes + size, cost.duration_ns + duration_ns)
