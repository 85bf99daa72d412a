"""Reading a plain command line without click, whose import costs more than a whole snapshot.

Only what needs no explanation is read here: known options with good values. Anything else, from
``--help`` to a misspelt option, is left to click, which goes by the same table of options.
"""

from typing import Any, Dict, List, Optional, Tuple

from kdiag.cli.options import CHECK, SNAPSHOT, Option, defaults
from kdiag.records import NamedTuple

__all__ = ["Request", "read_quickly", "seconds"]

_COMMANDS: Dict[str, Tuple[Option, ...]] = {"snapshot": SNAPSHOT, "check": CHECK}
MAX_SECONDS = 86_400.0
MAX_COUNT = 100_000


class Request(NamedTuple):
    """A command and the value of each of its options."""

    command: str
    values: Dict[str, Any]


def read_quickly(arguments: List[str]) -> Optional[Request]:
    """Return what is asked for, or ``None`` where click has to decide.

    >>> read_quickly(["--once"]).values["once"]
    True
    >>> read_quickly(["snapshot", "--interval", "soon"]) is None
    True
    """
    command, rest = "snapshot", arguments
    if arguments and not arguments[0].startswith("-"):
        command, rest = arguments[0], arguments[1:]
    if command not in _COMMANDS:
        return None
    by_flag = {option.flag: option for option in _COMMANDS[command]}
    values = defaults(_COMMANDS[command])
    words = iter(rest)
    for word in words:
        flag, equals, text = word.partition("=")
        option = by_flag.get(flag)
        if option is None or (option.kind == "flag" and equals):
            return None
        if option.kind == "flag":
            values[option.dest] = True
            continue
        value = _value(option, text if equals else next(words, ""))
        if value is None:
            return None
        values[option.dest] = (*values[option.dest], value) if option.kind == "texts" else value
    return Request(command, values)


def seconds(text: str) -> Optional[float]:
    """Return a sensible number of seconds, or ``None``.

    >>> seconds("0.5"), seconds("nan"), seconds("-1"), seconds("1e9")
    (0.5, None, None, None)
    """
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0.01 <= value <= MAX_SECONDS else None


def count(text: str) -> Optional[int]:
    """Return a sensible count, or ``None``.

    >>> count("5"), count("0"), count("x")
    (5, None, None)
    """
    if not (text.isascii() and text.isdigit()):
        return None
    value = int(text)
    return value if 1 <= value <= MAX_COUNT else None


def _value(option: Option, text: str) -> Any:
    if option.kind == "seconds":
        return seconds(text)
    if option.kind == "count":
        return count(text)
    if option.kind == "choice":
        return text if text in option.choices else None
    # A value that looks like an option is a mistake that click explains.
    return text if text and not text.startswith("-") else None
