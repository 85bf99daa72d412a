"""Begins and ends of system calls become lines, whoever tells of them."""

from typing import Any, Dict, Iterator, Mapping, Optional, Tuple

from kdiag.kernel import errno_names
from kdiag.kernel.syscalls import name_of
from kdiag.records import NamedTuple
from kdiag.tools.syscall_programs import COMPAT
from kdiag.tools.syscalls import SyscallLine
from kdiag.tools.syscalls.arguments import Arguments
from kdiag.tools.syscount.sums import syscall_name

__all__ = ["Begin", "Lines"]

#: From these nobody comes back.
_LAST = ("exit", "exit_group")


class Begin(NamedTuple):
    """A call that has begun; ``texts`` are what pointers among its arguments lead to, by their place."""

    time_ns: int
    comm: str
    pid: Optional[int]
    tid: int
    number: int
    arguments: Tuple[int, ...]
    texts: Mapping[int, str]


class Lines:
    """Pairs begins and ends by thread."""

    def __init__(self, options: Mapping[str, Any], arguments: Arguments, machine: str) -> None:
        self._failed: Optional[bool] = True if options["failed"] else False if options["successful"] else None
        self._arguments = arguments
        self._machine = machine
        self._under_way: Dict[int, Begin] = {}
        self._first_ns: Optional[int] = None

    def begin(self, begun: Begin) -> Iterator[SyscallLine]:
        """Take a begin; yields a line where no end will come."""
        if self._first_ns is None:
            self._first_ns = begun.time_ns
        if name_of(begun.number, self._machine) in _LAST:
            self._under_way.pop(begun.tid, None)
            if self._failed is None:
                yield self._line(begun, None, None)
            return
        self._under_way[begun.tid] = begun

    def texts(self, tid: int, texts: Mapping[int, str]) -> None:
        """Take what could not be read when a call began."""
        begun = self._under_way.get(tid)
        if begun is not None:
            self._under_way[tid] = begun._replace(texts={**begun.texts, **texts})

    def end(
        self, tid: int, number: Optional[int], result: int, ended_ns: int, begun_ns: Optional[int] = None
    ) -> Iterator[SyscallLine]:
        """Take an end; ``number`` is ``None`` where only the begin has it.

        Of a call whose begin was lost there is a line without arguments, if ``begun_ns`` is told; otherwise
        none.
        """
        begun = self._under_way.pop(tid, None)
        lost = begun is None or (number is not None and begun.number != number)
        if lost and begun_ns is not None and number is not None:
            begun = Begin(begun_ns, "?", None, tid, number, (), {})
        elif lost:
            return
        assert begun is not None  # noqa: S101 - for the type checker
        took_ns = max(0, ended_ns - (begun.time_ns if begun_ns is None else begun_ns))
        line = self._line(begun, result, took_ns, lost=lost)
        if self._failed is None or self._failed == (line.errno is not None):
            yield line

    def forget(self) -> None:
        """Events are missing: an end that comes now may be that of another call."""
        self._under_way.clear()

    def unfinished(self) -> Iterator[SyscallLine]:
        """Yield what has not come back until the end."""
        if self._failed is None:
            for begun in sorted(self._under_way.values()):
                yield self._line(begun, None, None)

    def _line(
        self, begun: Begin, result: Optional[int], took_ns: Optional[int], *, lost: bool = False
    ) -> SyscallLine:
        name = syscall_name(begun.number, self._machine)
        shown: Optional[Tuple[str, ...]] = None
        # Where a 32-bit program has its arguments is another matter.
        if not lost and begun.number < COMPAT:
            shown = self._arguments.shown(begun.number, begun.arguments, begun.texts)
        errno = None
        if result is not None and name != "rt_sigreturn":  # its result is that of what the signal came into
            number = errno_names.errno_of_retval(result)
            errno = None if number is None else errno_names.name_of(number)
        first_ns = self._first_ns if self._first_ns is not None else begun.time_ns
        return SyscallLine(
            max(0, begun.time_ns - first_ns),
            begun.comm,
            begun.pid,
            begun.tid,
            name,
            shown,
            result,
            errno,
            took_ns,
        )
