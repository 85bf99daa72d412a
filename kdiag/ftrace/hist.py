r"""``events/SYSTEM/EVENT/hist``: what hist triggers counted, one histogram a trigger.

Documented in Documentation/trace/histogram.rst, made by kernel/trace/trace_events_hist.c. The file is there
only with CONFIG_HIST_TRIGGERS (Debian: since 6.1). The trigger as the kernel has it stands above; it tells
the keys, their order and how they are shown::

    # trigger info: hist:keys=id.syscall,common_pid.execname:vals=hitcount:sort=hitcount:size=2048 [active]
    { id: sys_read                      [  0], common_pid: bash            [      1234] } hitcount:         12
    Totals:
        Hits: 12
        Entries: 1
        Dropped: 0

Traps. ``Hits`` counts only what had room; every drop is a hit that is not in the table. Numbers are printed
without a sign, also where the field has one (see :func:`kdiag.ftrace.retval.signed_64`); those of ``.hex``
have no 0x. A string key may hold what looks like the next key. A stack takes several lines; a stack kept in a
field begins on the line of its name. ``2^6`` stands for more than 32 and at most 64. Maxima
(``onmax().save()``) are a line below their entry.
"""

import re
from typing import Dict, List, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem
from kdiag.records import NamedTuple

__all__ = ["HistEntry", "HistFile", "HistKey", "Histogram", "parse_hist"]


class HistKey(NamedTuple):
    """One key of an entry.

    ``modifier`` is how it is shown: empty, or ``hex``, ``sym``, ``sym-offset``, ``execname``, ``syscall``,
    ``log2``, ``buckets``, ``stacktrace``. ``text`` is what is printed (the name, for sym, execname and
    syscall), ``value`` the number that it stands for: the value, the address, the pid, the system call's
    number. A bucket holds what is at least ``low`` and at most ``high``. ``frames`` are the functions of a
    stack, innermost first.
    """

    name: str
    modifier: str
    text: str
    value: Optional[int] = None
    low: Optional[int] = None
    high: Optional[int] = None
    frames: Tuple[str, ...] = ()


class HistEntry(NamedTuple):
    """One line of the table: keys in the trigger's order, and sums by name, ``hitcount`` among them.

    ``maxima`` are the numbers of the line below (``max`` or ``changed``, and what was saved with it), as
    text.
    """

    keys: Tuple[HistKey, ...]
    values: Dict[str, int]
    maxima: Dict[str, str]


class Histogram(NamedTuple):
    """What one trigger counted; totals are ``None`` where they are not in the file."""

    trigger: str
    active: bool
    entries: Tuple[HistEntry, ...]
    hits: Optional[int]
    entries_total: Optional[int]
    dropped: Optional[int]
    notes: Tuple[str, ...] = ()


class HistFile(NamedTuple):
    """All histograms of an event, in the order of their triggers."""

    histograms: Tuple[Histogram, ...]
    problems: Tuple[Problem, ...] = ()


_TRIGGER = b"# trigger info: "
_STATE = re.compile(r"(.*) \[(active|paused)\]$", re.DOTALL).match
_VALUE = re.compile(r"\s+(\w+): +(\d{1,20})(?=\s|$)").match
_SHARE = re.compile(r"\s+(\w+) \(%\): +\d+\.\d\d(?=\s|$)|\s+\w+: [# ]{20}(?=\s|$)").match
_TOTAL = re.compile(rb"    (Hits|Entries|Dropped|Duplicates): (\d{1,20})").fullmatch
_MAXIMUM = re.compile(r"(\w+): +(.*?)(?=  \w+: |\s*$)")
_FRAME = b"         "
_BRACKETED = re.compile(r"(.*?)\s*\[ *(\d{1,20})\]$", re.DOTALL).match
_SYMBOL = re.compile(r"\[([0-9a-f]{1,16})\] (.*)", re.DOTALL).match
_BUCKET = re.compile(r"~ (\d{1,20})-(\d{1,20})$").match
_POWER = re.compile(r"~ 2\^(\d{1,2})$").match


def parse_hist(data: bytes, path: str = "hist") -> HistFile:
    r"""Parse the file.

    >>> parsed = parse_hist(
    ...     b"# trigger info: hist:keys=id.syscall:vals=hitcount:sort=hitcount:size=2048 [active]\n#\n\n"
    ...     b"{ id: sys_read                      [  0] } hitcount:         12\n\n"
    ...     b"Totals:\n    Hits: 12\n    Entries: 1\n    Dropped: 3\n")
    >>> [histogram] = parsed.histograms
    >>> [entry] = histogram.entries
    >>> [(key.text, key.value) for key in entry.keys], entry.values, histogram.dropped
    ([('sys_read', 0)], {'hitcount': 12}, 3)
    """
    problems: List[Problem] = []
    found: List[_Open] = []
    block: List[bytes] = []
    block_line = 0
    for number, line in complete_lines(data, path, problems):
        if line.startswith(_TRIGGER):
            found.append(_Open(decode(line[len(_TRIGGER) :])))
        elif block and line.startswith(_FRAME):
            block.append(line)
        elif block or line.startswith(b"{ "):
            block_line = block_line if block else number
            block.append(line)
            if b"}" not in line:
                continue
            entry = found[-1].entry(decode(b"\n".join(block))) if found else None
            if entry is None:
                problems.append(problem(path, block_line, block[0], "{ the trigger's keys } and its values"))
            else:
                found[-1].entries.append(entry)
            block = []
        elif not line.strip() or line.startswith(b"#") or line == b"Totals:":
            continue
        elif not found or not found[-1].other(line):
            problems.append(problem(path, number, line, "a line of a histogram"))
    if block:
        problems.append(problem(path, block_line, block[0], "the end of an entry (file cut off)"))
    return HistFile(tuple(each.closed() for each in found), tuple(problems))


class _Open:
    """A histogram while it is read."""

    def __init__(self, text: str) -> None:
        state = _STATE(text)
        self.trigger, self.active = (text, True) if state is None else (state[1], state[2] == "active")
        self.keys = _keys(self.trigger)
        self.entries: List[HistEntry] = []
        self.totals: Dict[bytes, int] = {}
        self.notes: List[str] = []

    def other(self, line: bytes) -> bool:
        """Take a line that is none of an entry's; false where it is nothing known."""
        total = _TOTAL(line)
        if total is not None:
            self.totals[total[1]] = int(total[2])
            return True
        text = decode(line)
        if text.startswith("\t") and self.entries and not self.notes and _MAXIMUM.match(text.strip()):
            self.entries[-1].maxima.update(
                {name: value.strip() for name, value in _MAXIMUM.findall(text.strip())}
            )
            return True
        if text.startswith("Snapshot taken") or (self.notes and text.startswith("\t")):
            self.notes.append(text.strip())
            return True
        return False

    def entry(self, text: str) -> Optional[HistEntry]:
        """Read an entry by the keys that the trigger has: from the end, as only the first may hold
        anything."""
        inside, _, after = text[2:].rpartition("}")
        values: Dict[str, int] = {}
        at = 0
        while at < len(after):
            value = _VALUE(after, at)
            # A bar of ``.graph`` comes after the number of the same name.
            match = value or _SHARE(after, at)
            if match is None:
                return None
            if value is not None:
                values.setdefault(value[1], int(value[2]))
            at = match.end()
        keys: List[HistKey] = []
        for index in range(len(self.keys) - 1, -1, -1):
            name, modifier = self.keys[index]
            label = _label(name, modifier)
            start = inside.rfind(f", {label}") if index else (0 if inside.startswith(label) else -1)
            if start < 0:
                return None
            keys.append(_key(name, modifier, inside[start + len(label) + (2 if index else 0) :]))
            inside = inside[:start]
        return HistEntry(tuple(reversed(keys)), values, {})

    def closed(self) -> Histogram:
        totals = [self.totals.get(name) for name in (b"Hits", b"Entries", b"Dropped")]
        return Histogram(
            self.trigger, self.active, tuple(self.entries), totals[0], totals[1], totals[2], tuple(self.notes)
        )


#: Keys that 7.2 prints twice in the trigger, and once in the entries.
_MISPRINTED = {"common_cpucommon_cpu": "common_cpu"}


def _keys(trigger: str) -> List[Tuple[str, str]]:
    """Return names and modifiers of a trigger's keys, in their order.

    >>> _keys("hist:name=x:keys=id.syscall,lat.buckets=8,stacktrace:vals=hitcount:sort=hitcount")
    [('id', 'syscall'), ('lat', 'buckets'), ('stacktrace', 'stacktrace')]
    """
    for part in trigger.split(":"):
        if part.startswith(("keys=", "key=")):
            names = [_MISPRINTED.get(name, name) for name in part.partition("=")[2].split(",")]
            split = [(name.partition(".")[0], name.partition(".")[2].partition("=")[0]) for name in names]
            return [
                (name, "stacktrace" if name in ("stacktrace", "common_stacktrace") else how)
                for name, how in split
            ]
    return []


def _label(name: str, modifier: str) -> str:
    if modifier != "stacktrace":
        return f"{name}: "
    return f"{name}:" if name in ("stacktrace", "common_stacktrace") else f"{name}.stacktrace"


def _key(name: str, modifier: str, text: str) -> HistKey:
    if modifier == "stacktrace":
        frames = tuple(line.strip() for line in text.split("\n") if line.strip())
        return HistKey(name, modifier, " < ".join(frames), frames=frames)
    text = text.strip(" \n")
    if modifier in ("execname", "syscall"):
        match = _BRACKETED(text)
        return (
            HistKey(name, modifier, text)
            if match is None
            else HistKey(name, modifier, match[1], int(match[2]))
        )
    if modifier in ("sym", "sym-offset"):
        match = _SYMBOL(text)
        return (
            HistKey(name, modifier, text)
            if match is None
            else HistKey(name, modifier, match[2], int(match[1], 16))
        )
    if modifier == "log2":
        match = _POWER(text)
        if match is not None:
            high = 1 << int(match[1])
            return HistKey(name, modifier, text, None, high // 2 + 1 if high > 1 else 0, high)
    if modifier == "buckets":
        match = _BUCKET(text)
        if match is not None:
            return HistKey(name, modifier, text, None, int(match[1]), int(match[2]))
    if modifier == "hex":
        return HistKey(name, modifier, text, int(text, 16) if re.fullmatch("[0-9a-f]{1,16}", text) else None)
    return HistKey(name, modifier, text, int(text) if re.fullmatch(r"\d{1,20}", text) else None)
