"""Reading files into a sample: parsed, stamped, with what each cost; failures are kept, by kind."""

from importlib import import_module
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from kdiag.health.sample import Cost, Sample
from kdiag.host.base import Failure, Host, ReadError

__all__ = ["MAY_BE_EMPTY", "Parser", "Reader", "load_parser"]

#: Files that may have nothing to say: a host without disks, a task that runs or is dead, a group without
#: controllers. Every other file of the catalogue has at least a heading on a kernel that has it.
MAY_BE_EMPTY = frozenset(
    ("cgroup.controllers", "diskstats", "fstab", "limits", "os-release", "stack", "wchan")
)

#: What parses a file: a function, or its name as the catalogue has it (``uptime:parse_uptime``). A name is
#: imported only when there are bytes to parse, and many files are absent or seldom read.
Parser = Union[str, Callable[..., Any]]


def load_parser(name: str) -> Callable[..., Any]:
    """Import the parser that a row of the catalogue names."""
    module, _, function = name.partition(":")
    parser: Callable[..., Any] = getattr(import_module(f"kdiag.procfs.{module}"), function)
    return parser


class Reader:
    """Reads a host's files into one sample."""

    def __init__(self, host: Host, sample: Sample) -> None:
        self.host = host
        self.sample = sample
        #: By path, or by the family's pattern: reads, bytes, nanoseconds.
        self._spent: Dict[str, List[int]] = {}
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
        if not reading.data and path.rpartition("/")[2] not in MAY_BE_EMPTY:
            # Masked by an empty file (containers do so), or copied by a tool that believes st_size.
            self.fail(Failure(path, "error", None, "it is empty"), family)
            return None
        started, ended = reading.started_ns, reading.ended_ns
        if started is not None and ended is not None:
            self._spend(family or path, len(reading.data), ended - started)
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
        record = (load_parser(parser) if isinstance(parser, str) else parser)(data, path)
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
        """Say once for each family how many of its files could not be read, and why; and what all cost."""
        for (family, kind, errno), count in self._family_failures.items():
            self.sample.failures[family] = Failure(family, kind, errno, f"{count} of them")
        self._family_failures.clear()
        self.sample.costs = {key: Cost(*spent) for key, spent in self._spent.items()}

    def _spend(self, key: str, size: int, duration_ns: int) -> None:
        spent = self._spent.get(key)
        if spent is None:
            self._spent[key] = [1, size, duration_ns]
        else:
            spent[0] += 1
            spent[1] += size
            spent[2] += duration_ns
