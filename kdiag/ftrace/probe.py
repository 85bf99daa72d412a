"""Probes as users name them: ``sched:sched_switch``, ``kprobe:vfs_*``, ``uprobe:/bin/bash:readline``.

The names are those of bpftrace, so that people know them. ``*``, ``?`` and ``[...]`` match as in a shell.
Arguments may follow after a blank, in the kernel's own syntax (Documentation/trace/kprobetrace.rst,
uprobetracer.rst, fprobetrace.rst): ``kprobe:do_sys_openat2 file=+0($arg2):ustring``.
"""

import re
from fnmatch import fnmatchcase
from typing import Dict, Tuple

from kdiag.records import NamedTuple

__all__ = ["KINDS", "BadProbe", "Kind", "Probe", "has_wildcard", "is_offset", "matches", "parse_probe"]

_WILD = re.compile(r"[*?\[]").search
#: What the kernel takes as a place: a symbol (of a module), with an offset.
_SYMBOL = re.compile(r"(?:[\w.$-]+:)?[\w.$*?\[\]!-]+(?:\+(?:0x[0-9a-fA-F]+|\d+))?").fullmatch
_EVENT = re.compile(r"[\w.*?\[\]!-]+").fullmatch
_OFFSET = re.compile(r"(?:0x[0-9a-fA-F]+|\d+)").fullmatch


class BadProbe(ValueError):
    """A probe that cannot be understood; the message says what was expected."""


class Kind(NamedTuple):
    """A kind of probe: its name, short forms, how it is written, what it shows."""

    name: str
    short: Tuple[str, ...]
    form: str
    shows: str
    returns: bool = False


#: All kinds, in the order in which they are listed.
KINDS: Dict[str, Kind] = {
    each.name: each
    for each in (
        Kind("tracepoint", ("t",), "tracepoint:SYSTEM:EVENT", "a place that the kernel's authors marked"),
        Kind("kprobe", ("k",), "kprobe:FUNCTION", "a kernel function is called"),
        Kind("kretprobe", ("kr",), "kretprobe:FUNCTION", "a kernel function returns", True),
        Kind("fprobe", ("f",), "fprobe:FUNCTION", "a kernel function is called (since 6.5, cheaper)"),
        Kind("fretprobe", ("fr",), "fretprobe:FUNCTION", "a kernel function returns (since 6.5)", True),
        Kind("eprobe", ("e",), "eprobe:SYSTEM:EVENT FIELDS", "a tracepoint, with what its fields point to"),
        Kind("uprobe", ("u",), "uprobe:FILE:FUNCTION", "a function of a program or library is called"),
        Kind("uretprobe", ("ur",), "uretprobe:FILE:FUNCTION", "a function of a program returns", True),
    )
}
_SHORT = {short: kind.name for kind in KINDS.values() for short in kind.short}
_FUNCTIONS = ("kprobe", "kretprobe", "fprobe", "fretprobe")
_EVENTS = ("tracepoint", "eprobe")


class Probe(NamedTuple):
    """A probe. ``where`` is the system of an event, the file of a uprobe, empty for a kernel function.

    ``what`` is the event, the function (with ``+OFFSET``) or the offset in the file; ``args`` are in the
    kernel's syntax.
    """

    kind: str
    where: str
    what: str
    args: Tuple[str, ...] = ()

    def __str__(self) -> str:
        place = f"{self.where}:{self.what}" if self.where else self.what
        return f"{self.kind}:{place}"

    @property
    def pattern(self) -> bool:
        """Whether it may stand for several."""
        return has_wildcard(self.what) or (self.kind in _EVENTS and has_wildcard(self.where))


def parse_probe(text: str) -> Probe:
    """Parse a probe; :exc:`BadProbe` says what is wrong.

    >>> parse_probe("kprobe:vfs_*"), parse_probe("t:syscalls:sys_enter_open*").where
    (Probe(kind='kprobe', where='', what='vfs_*', args=()), 'syscalls')
    >>> parse_probe("uprobe:/bin/bash:readline a=%di:x64")
    Probe(kind='uprobe', where='/bin/bash', what='readline', args=('a=%di:x64',))
    >>> str(parse_probe("sched:sched_switch"))
    'tracepoint:sched:sched_switch'
    >>> parse_probe("vfs_read")
    Traceback (most recent call last):
        ...
    kdiag.ftrace.probe.BadProbe: 'vfs_read': a probe is written KIND:PLACE, such as kprobe:vfs_read
    """
    words = text.split()
    if not words:
        raise BadProbe("an empty probe")
    place, args = words[0], tuple(words[1:])
    head, colon, rest = place.partition(":")
    if not colon or not rest:
        raise BadProbe(f"{place!r}: a probe is written KIND:PLACE, such as kprobe:{head or 'vfs_read'}")
    kind = _SHORT.get(head, head)
    if kind not in KINDS:
        if ":" in rest:
            raise BadProbe(f"{place!r}: there is no kind {head!r}; there are: {', '.join(KINDS)}")
        kind, rest = "tracepoint", place
    return _of_kind(kind, place, rest, args)


def _of_kind(kind: str, place: str, rest: str, args: Tuple[str, ...]) -> Probe:
    if kind in _FUNCTIONS:
        if not _SYMBOL(rest):
            raise BadProbe(f"{place!r}: {rest!r} is not the name of a function; write {KINDS[kind].form}")
        return Probe(kind, "", rest, args)
    if kind in _EVENTS:
        where, colon, what = rest.partition(":")
        if not (_EVENT(where) and _EVENT(what)):
            raise BadProbe(f"{place!r}: write {KINDS[kind].form}, such as {kind}:sched:sched_switch")
        return Probe(kind, where, what, args)
    where, colon, what = rest.rpartition(":")
    if not colon or not where or not what:
        raise BadProbe(f"{place!r}: write {KINDS[kind].form}, such as {kind}:/bin/bash:readline")
    return Probe(kind, where, what, args)


def has_wildcard(text: str) -> bool:
    """Tell whether a name is a pattern."""
    return _WILD(text) is not None


def is_offset(text: str) -> bool:
    """Tell whether the place of a uprobe is a number already."""
    return _OFFSET(text) is not None


def matches(name: str, pattern: str) -> bool:
    """Tell whether a name matches, letter by letter.

    >>> matches("vfs_read", "vfs_*"), matches("Vfs_read", "vfs_*")
    (True, False)
    """
    return fnmatchcase(name, pattern)
