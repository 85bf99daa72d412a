"""Begins and ends of executions become rows, whoever tells of them."""

from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Tuple

from kdiag.kernel import errno_names
from kdiag.records import NamedTuple
from kdiag.tools.execsnoop import ExecRow

__all__ = ["Begin", "Pairs"]


class Begin(NamedTuple):
    """An execution that was asked for, by a process."""

    time_ns: int
    pid: int
    uid: Optional[int]
    path: Optional[str]
    arguments: Optional[Tuple[str, ...]]


class Pairs:
    """Puts ends to their begins, by process: all threads but one end with an execution."""

    def __init__(
        self, options: Mapping[str, Any], parent_of: Callable[[int], Optional[int]] = lambda pid: None
    ) -> None:
        self._only_failed: bool = options["failed"]
        self._wanted: Optional[str] = options["name"]
        self._parent_of = parent_of
        self._under_way: Dict[int, Begin] = {}
        self._first_ns: Optional[int] = None

    def begin(self, begun: Begin) -> None:
        """Take a begin."""
        if self._first_ns is None:
            self._first_ns = begun.time_ns
        self._under_way[begun.pid] = begun

    def path(self, pid: int, path: Optional[str]) -> None:
        """Take the path of the execution that a process asks for, if none is known yet."""
        begun = self._under_way.get(pid)
        if begun is not None and begun.path is None:
            self._under_way[pid] = begun._replace(path=path)

    def done(
        self, pid: int, parent_pid: Optional[int], comm: str, path: Optional[str] = None
    ) -> Iterator[ExecRow]:
        """Take that a process executes another program now; ``path`` where the begin did not tell it."""
        begun = self._under_way.pop(pid, None)
        if begun is not None and not self._only_failed:
            yield from self._row(begun._replace(path=begun.path or path), parent_pid, comm, None)

    def failed(self, pid: int, result: int, comm: str) -> Iterator[ExecRow]:
        """Take a result below 0."""
        begun = self._under_way.pop(pid, None)
        number = errno_names.errno_of_retval(result)
        if begun is not None and number is not None:
            yield from self._row(begun, self._parent_of(pid), comm, errno_names.name_of(number))

    def forget(self) -> None:
        """Events are missing: an end that comes now may be another's."""
        self._under_way.clear()

    def _row(
        self, begun: Begin, parent_pid: Optional[int], comm: str, errno: Optional[str]
    ) -> Iterator[ExecRow]:
        if self._wanted is not None and self._wanted not in (begun.path or ""):
            return
        start_ns = begun.time_ns - (begun.time_ns if self._first_ns is None else self._first_ns)
        yield ExecRow(start_ns, begun.pid, parent_pid, begun.uid, comm, errno, begun.path, begun.arguments)
