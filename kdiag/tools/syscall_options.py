"""Which system calls are asked for: the options of the tools that watch them, and what they mean."""

from typing import Any, FrozenSet, Mapping, Optional

from kdiag.kernel.syscalls import SYSCALLS, meant_by, number_of
from kdiag.tools.tool import BadOption, Option

__all__ = ["FILTERS", "RESTARTED", "check_filters", "wanted_numbers"]

#: On x86 and arm64 the kernel forgets the number of a call that returns from a signal handler: its end has
#: -1, and a result that is none of its own.
RESTARTED = "rt_sigreturn"

FILTERS = (
    Option(
        "names",
        ("-e", "--syscalls"),
        "Only these system calls: names, or numbers, with commas between.",
        "texts",
        metavar="NAMES",
        default=(),
    ),
    Option("successful", ("-z", "--successful-only"), "Only calls that succeeded."),
    Option("failed", ("-Z", "--failed-only"), "Only calls that failed."),
)
_MOST_NUMBER = 511


def check_filters(options: Mapping[str, Any]) -> None:
    """Raise :exc:`BadOption` for filters that do not go together."""
    if options["successful"] and options["failed"]:
        raise BadOption("-z leaves out what -Z asks for: give one of them")


def wanted_numbers(options: Mapping[str, Any], machine: str) -> Optional[FrozenSet[int]]:
    """Return the numbers of the calls that are asked for, ``None`` for all.

    A name means what programs of today do when they call it: ``open`` is ``openat``, too. Raises
    :exc:`BadOption` for what no call is called.
    """
    words = [word.strip() for text in options["names"] for word in text.split(",") if word.strip()]
    if not words:
        return None
    if machine not in SYSCALLS and not all(word.isdigit() for word in words):
        raise BadOption(f"-e: the numbers of system calls on {machine} are not known here: give numbers")
    numbers = set()
    for word in words:
        if word.isdigit() and int(word) <= _MOST_NUMBER:
            numbers.add(int(word))
            continue
        meant = [number_of(name, machine) for name in meant_by(word, machine)]
        if not meant:
            raise BadOption(f"-e: there is no system call {word!r} on {machine}")
        numbers.update(number for number in meant if number is not None)
    return frozenset(numbers)
