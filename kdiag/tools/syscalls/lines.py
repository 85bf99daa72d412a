"""Begins and ends of system calls become lines, whoever tells of them."""

from typing import Any, Dict, Iterator, Mapping, Optional, Tuple

from kdiag.kernel import errno_names
from kdiag.kernel.syscalls import name_of
from kdiag.records import NamedTuple
from kdiag.tools.syscall_programs import COMPAT
from kdiag.tools.syscalls import SyscallLine
from kdiag.tools.syscalls.arguments import Arguments, Text
from kdiag.tools.syscount.sums import syscall_name

__all__ = ["Begin", "Lines", "Pairing", "errno_of"]

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
    texts: Mapping[int, Text]


class Pairing:
    """Pairs begins and ends by thread; what row a pair makes says :meth:`row`."""

    def __init__(self, options: Mapping[str, Any], machine: str) -> None:
        self._failed: Optional[bool] = True if options["failed"] else False if options["successful"] else None
        self._machine = machine
        self._under_way: Dict[int, Begin] = {}
        self._first_ns: Optional[int] = None

    def row(self, begun: Begin, result: Optional[int], took_ns: Optional[int], *, lost: bool = False) -> Any:
        """Return the row of a call, which has an ``errno``; of a ``lost`` begin only the ids are known."""
        raise NotImplementedError

    def begin(self, begun: Begin) -> Iterator[Any]:
        """Take a begin; yields a line where no end will come."""
        if self._first_ns is None:
            self._first_ns = begun.time_ns
        if name_of(begun.number, self._machine) in _LAST:
            self._under_way.pop(begun.tid, None)
            if self._failed is None:
                yield self.row(begun, None, None)
            return
        self._under_way[begun.tid] = begun

    def under_way(self, tid: int) -> Optional[Begin]:
        """Return the call that a thread is in."""
        return self._under_way.get(tid)

    def texts(self, tid: int, texts: Mapping[int, Text]) -> None:
        """Take what could not be read when a call began."""
        begun = self._under_way.get(tid)
        if begun is not None:
            self._under_way[tid] = begun._replace(texts={**begun.texts, **texts})

    def end(
        self, tid: int, number: Optional[int], result: int, ended_ns: int, begun_ns: Optional[int] = None
    ) -> Iterator[Any]:
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
        line = self.row(begun, result, took_ns, lost=lost)
        if self._failed is None or self._failed == (line.errno is not None):
            yield line

    def forget(self) -> None:
        """Events are missing: an end that comes now may be that of another call."""
        self._under_way.clear()

    def unfinished(self) -> Iterator[Any]:
        """Yield what has not come back until the end."""
        if self._failed is None:
            for begun in sorted(self._under_way.values()):
                yield self.row(begun, None, None)

    def after_first_ns(self, begun: Begin) -> int:
        """Return when a call began, after the first one."""
        return max(0, begun.time_ns - (begun.time_ns if self._first_ns is None else self._first_ns))


def errno_of(name: str, result: Optional[int]) -> Optional[str]:
    """Return what a call's error is called, ``None`` if it has none."""
    if result is None or name == "rt_sigreturn":  # its result is that of what the signal came into
        return None
    number = errno_names.errno_of_retval(result)
    return None if number is None else errno_names.name_of(number)


class Lines(Pairing):
    """Makes a line of each call."""

    def __init__(self, options: Mapping[str, Any], arguments: Arguments, machine: str) -> None:
        super().__init__(options, machine)
        self._arguments = arguments

    def row(
        self, begun: Begin, result: Optional[int], took_ns: Optional[int], *, lost: bool = False
    ) -> SyscallLine:
        """Return the line."""
        name = syscall_name(begun.number, self._machine)
        shown: Optional[Tuple[str, ...]] = None
        # Where a 32-bit program has its arguments is another matter.
        if not lost and begun.number < COMPAT:
            shown = self._arguments.shown(begun.number, begun.arguments, begun.texts)
        return SyscallLine(
            self.after_first_ns(begun),
            begun.comm,
            begun.pid,
            begun.tid,
            name,
            shown,
            result,
            errno_of(name, result),
            took_ns,
        )
