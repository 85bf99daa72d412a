"""System calls that look a path up: what opensnoop and statsnoop have in common.

A tool says which calls it shows (:class:`PathCall`) and what row each makes; the mechanisms here do the rest.
"""

from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from kdiag.kernel.flags import decode
from kdiag.kernel.syscalls import number_of
from kdiag.records import NamedTuple
from kdiag.tools.syscalls.arguments import Text
from kdiag.tools.syscalls.lines import Begin, Pairing, errno_of
from kdiag.tools.syscount.sums import syscall_name
from kdiag.tools.tool import Option

__all__ = ["FILTERS", "Found", "PathCall", "PathPairing", "numbers_of", "syscall_options"]

AT_FDCWD = -100
_CUT = "..."

FILTERS = (
    Option("failed", ("-x", "--failed"), "Only calls that failed: what was looked for and not found."),
    Option("name", ("-n", "--name"), "Only paths with this text in them.", "text", metavar="TEXT"),
)


class PathCall(NamedTuple):
    """A system call by the name of its number; where its arguments are (0 to 5), ``None`` for none."""

    name: str
    path: int
    directory: Optional[int] = None
    flags: Optional[int] = None
    flag_table: str = ""


class Found(NamedTuple):
    """One call. ``path`` is ``None`` where nobody could tell it. ``directory`` is the descriptor that a
    relative path starts at, ``None`` for the working directory. ``flags`` are in words.

    ``result`` and ``duration_ns`` are ``None`` for a call that did not come back.
    """

    start_ns: int
    pid: Optional[int]
    tid: int
    comm: str
    syscall: str
    path: Optional[str]
    directory: Optional[int]
    flags: Optional[str]
    result: Optional[int]
    errno: Optional[str]
    duration_ns: Optional[int]


def numbers_of(calls: Tuple[PathCall, ...], machine: str) -> Dict[int, PathCall]:
    """Return the calls that this machine has, by number.

    >>> sorted(numbers_of((PathCall("open", 0), PathCall("openat", 1, 0)), "aarch64"))
    [56]
    """
    numbers = ((number_of(call.name, machine), call) for call in calls)
    return {number: call for number, call in numbers if number is not None}


def syscall_options(options: Mapping[str, Any], numbers: Mapping[int, PathCall]) -> Dict[str, Any]:
    """Return the options of :mod:`kdiag.tools.syscall_options` that ask for these calls."""
    names = (",".join(map(str, sorted(numbers))),)
    return {"names": names, "failed": options["failed"], "successful": False}


class PathPairing(Pairing):
    """Makes rows of begins and ends; ``make`` makes the tool's own row of what was found."""

    def __init__(
        self,
        options: Mapping[str, Any],
        machine: str,
        numbers: Mapping[int, PathCall],
        make: Callable[[Found], Any],
    ) -> None:
        super().__init__(syscall_options(options, numbers), machine)
        self._numbers = numbers
        self._make = make
        self._wanted: Optional[str] = options["name"]

    def row(self, begun: Begin, result: Optional[int], took_ns: Optional[int], *, lost: bool = False) -> Any:
        """Return the tool's row."""
        call = self._numbers[begun.number]
        name = syscall_name(begun.number, self._machine)
        text = begun.texts.get(call.path)
        path = None if text is None else _shown(text)
        directory = flags = None
        if begun.arguments and not lost:
            if call.directory is not None:
                descriptor = _int(begun.arguments[call.directory])
                directory = None if descriptor == AT_FDCWD else descriptor
            if call.flags is not None:
                flags = decode(call.flag_table, begun.arguments[call.flags] & 0xFFFF_FFFF, self._machine)
        return self._make(
            Found(
                self.after_first_ns(begun),
                begun.pid,
                begun.tid,
                begun.comm,
                name,
                path,
                directory,
                flags,
                result,
                errno_of(name, result),
                took_ns,
            )
        )

    def path(self, tid: int, text: Text) -> None:
        """Take the path of the call that a thread is in, if it is in one of these and none is known yet."""
        begun = self.under_way(tid)
        if begun is not None:
            place = self._numbers[begun.number].path
            if place not in begun.texts:
                self.texts(tid, {place: text})

    def wants(self, row: Any) -> bool:
        """Tell whether the row is one that the user asked for."""
        return self._wanted is None or (row.path is not None and self._wanted in row.path)


def _shown(text: Text) -> str:
    return text.text + (_CUT if text.cut else "")


def _int(value: int) -> int:
    """Return an argument of type int: the upper half of its register may hold anything."""
    value &= 0xFFFF_FFFF
    return value - (1 << 32) if value >> 31 else value
