"""Arguments of system calls as people write them, by the names and types that tracefs tells."""

from typing import Callable, Dict, Mapping, Optional, Sequence, Tuple

from kdiag.ftrace.event_format import BadFormat, EventFormat, parse_format
from kdiag.ftrace.tracefs import NoTraceFs, TraceFsError, find_tracefs
from kdiag.host.base import Host
from kdiag.kernel.syscalls import entry_name, name_of
from kdiag.records import NamedTuple
from kdiag.tools.event_fields import FieldNames

__all__ = ["Arguments", "Text", "quoted", "text_of"]

_NUMBER_FIELD = "__syscall_nr"
_O_CREAT, _O_TMPFILE = 0o100, 0o20000000
#: Calls whose ``mode`` has a meaning only where a file is made.
_OPENING = {"open": 1, "openat": 2}
#: Arguments that are addresses, though they are declared as numbers.
_ADDRESSES = ("addr", "brk", "new_addr", "old_addr", "shmaddr", "start")
#: Calls that no event tells of, and that have no arguments.
_BARE = ("rt_sigreturn",)


class Text(NamedTuple):
    """What a pointer leads to; ``cut`` where it is longer than what was read."""

    text: str
    cut: bool = False


class Arguments:
    """Formats are read when a call is first seen."""

    def __init__(self, host: Host, machine: str) -> None:
        self._machine = machine
        self._known: Dict[int, Optional[Tuple[EventFormat, FieldNames]]] = {}
        self.why_not = ""
        try:
            self._read: Optional[Callable[[str], bytes]] = find_tracefs(host).read_bytes
        except NoTraceFs as error:
            self._read = None
            self.why_not = f"arguments have no names: {error.reason}"

    def shown(self, number: int, values: Sequence[int], texts: Mapping[int, Text]) -> Tuple[str, ...]:
        """Return the arguments of a call; ``texts`` are what pointers among them lead to, by their place.

        Of a call whose arguments are not known, all six registers are shown.
        """
        name = name_of(number, self._machine)
        if name in _BARE:
            return ()
        if number not in self._known:
            self._known[number] = self._look_up(name)
        known = self._known[number]
        if known is None:
            return tuple(
                quoted(texts[place]) if place in texts else hex(value) for place, value in enumerate(values)
            )
        event, names = known
        fields = [field for field in event.fields if field.name != _NUMBER_FIELD]
        shown = [
            text
            for _, text in names.shown_fields(
                event.full_name, dict(zip((each.name for each in fields), values))
            )
        ]
        for place, field in enumerate(fields):
            if field.type.endswith("*") or field.name in _ADDRESSES:
                shown[place] = hex(values[place]) if values[place] else "NULL"
        for place, text in texts.items():
            if place < len(shown):
                shown[place] = quoted(text)
        opening = _OPENING.get(name or "")
        if opening is not None and not values[opening] & (_O_CREAT | _O_TMPFILE):
            shown = shown[: opening + 1]
        return tuple(shown)

    def _look_up(self, name: Optional[str]) -> Optional[Tuple[EventFormat, FieldNames]]:
        if name is None or self._read is None:
            return None
        path = f"events/syscalls/sys_enter_{entry_name(name, self._machine)}/format"
        try:
            event = parse_format(self._read(path), path)
        except (TraceFsError, BadFormat):
            return None
        # Since 6.19 what a pointer leads to has a field of its own, which no register has.
        registers = tuple(field for field in event.fields if not field.name.endswith("_val"))
        event = event._replace(fields=registers)
        return event, FieldNames({event.id: event}, self._machine)


def text_of(data: bytes, most_bytes: int) -> Text:
    r"""Return text of a program; ``most_bytes`` with its NUL is all that there was room for.

    >>> text_of(b"/a\0", 256), text_of(b"abc\0", 4)
    (Text(text='/a', cut=False), Text(text='abc', cut=True))
    """
    return Text(data.partition(b"\0")[0].decode("utf-8", "surrogateescape"), len(data) >= most_bytes)


def quoted(text: Text) -> str:
    r"""Return text in quotes, with dots after it where it was cut.

    >>> print(quoted(Text('/a"b')), quoted(Text("abc", True)))
    "/a\"b" "abc"...
    """
    escaped = text.text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' + ("..." if text.cut else "")
