"""Arguments of a system call as its ``sys_enter`` event has them, in words where their meaning is known."""

from typing import Callable, List, Mapping, Optional, Tuple

from kdiag.ftrace.event_format import EventFormat, Field, argument
from kdiag.kernel.flags import decode, table_of_argument

__all__ = ["arguments_of", "describer"]

_MOST_TEXT = 200


def describer(
    event: Optional[EventFormat], syscall: str, machine: str
) -> Callable[[Mapping[str, object]], str]:
    """Return what writes the arguments of a call as text; without the call's own event they are bare numbers.

    >>> describer(None, "openat", "x86_64")({"id": 257, "args": (3, 255, 0, 0, 0, 0)})
    '0x3, 0xff, 0x0, 0x0, 0x0, 0x0'
    """
    if event is None:
        return _bare
    fields = _arguments(event)
    known = {each.name for each in event.fields}
    tables = {each.name: table_of_argument(syscall, each.name) for each in fields}

    def described(values: Mapping[str, object]) -> str:
        told: List[str] = []
        for each in fields:
            value = values.get(each.name)
            if not isinstance(value, int):
                continue
            text = values.get(f"__{each.name}_val") if f"__{each.name}_val" in known else None  # since 6.19
            if isinstance(text, str):
                told.append(f'{each.name}="{text[:_MOST_TEXT]}"')
            else:
                told.append(f"{each.name}={_shown(each, value, tables[each.name], machine)}")
        return ", ".join(told)

    return described


def arguments_of(event: Optional[EventFormat]) -> Tuple[str, ...]:
    """Return the names of a call's arguments in their order, nothing where it has no event of its own."""
    return () if event is None else tuple(each.name for each in _arguments(event))


def _arguments(event: EventFormat) -> List[Field]:
    return [each for each in event.fields if not each.name.startswith("__")]


def _shown(field: Field, value: int, table: Optional[str], machine: str) -> str:
    if table is not None:
        return decode(table, value, machine)
    if "*" in field.type or "flag" in field.name:
        return hex(value) if value else "0"
    return str(argument(field, value))


def _bare(values: Mapping[str, object]) -> str:
    args = values.get("args")
    return ", ".join(hex(each) for each in args if isinstance(each, int)) if isinstance(args, tuple) else ""
