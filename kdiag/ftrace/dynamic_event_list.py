r"""``dynamic_events``, ``kprobe_events``, ``uprobe_events``, ``synthetic_events`` as the kernel lists them.

Documented in Documentation/trace/kprobetrace.rst and its neighbours; one line a definition, as it could be
written again. The letter says what it is, a number after it how many calls a return probe can follow at
once::

    p:kd/open do_sys_openat2 dfd=$arg1 file=+0($arg2):ustring
    r10:kd/opened do_sys_openat2 ret=$retval:s64
    p:kd/up /tmp/true:0x00000000000023d0 sp=%sp
    e:kd/ep syscalls.sys_enter_openat file=+0($filename):ustring
    f:kd/fpr vfs_read%return ret=$retval
    t:kd/tp sched_process_exec
    s:synthetic/lat u64 lat; pid_t pid

Traps. Probes of kernel and of user functions have the same letters; those of programs have a path and an
offset. A bare ``r`` reads back with a number (r2 on 5.10, r10 since 6.1), an argument without a name as
``argN=``. In ``synthetic_events`` a line has no letter: ``lat\tu64 lat; pid_t pid``.
"""

import re
from typing import List, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem
from kdiag.records import NamedTuple

__all__ = ["DynamicEvent", "DynamicEvents", "parse_dynamic_events"]


class DynamicEvent(NamedTuple):
    """One definition.

    ``kind`` is kprobe, kretprobe, uprobe, uretprobe, eprobe, fprobe, fretprobe, tprobe (a raw tracepoint) or
    synthetic. ``target`` is what it is set on: a function, a program's path, ``system.event``, a tracepoint;
    empty for a synthetic event. ``offset`` is that into a program. ``args`` are ``name=fetch`` (synthetic:
    ``type name``).
    """

    kind: str
    group: str
    name: str
    target: str
    args: Tuple[str, ...]
    offset: Optional[int] = None
    most_active: Optional[int] = None


class DynamicEvents(NamedTuple):
    """All definitions, in the kernel's order."""

    events: Tuple[DynamicEvent, ...]
    problems: Tuple[Problem, ...] = ()


_PROBE = re.compile(r"([prefts])(\d{0,6}):([^/\s]+)/(\S+)(?: (.*))?", re.DOTALL).fullmatch
_PROGRAM = re.compile(r"(/.*?):0x([0-9a-f]{1,16})(?:\(0x[0-9a-f]+\))?(?: (.*)|$)", re.DOTALL).match
_SYNTHETIC = re.compile(r"(\w+)\t(.*)", re.DOTALL).fullmatch
_KINDS = {"p": "kprobe", "r": "kretprobe", "e": "eprobe", "f": "fprobe", "t": "tprobe"}
_OF_PROGRAMS = {"kprobe": "uprobe", "kretprobe": "uretprobe"}
_RETURN = "%return"
_WANTED = "KIND:GROUP/EVENT TARGET ARG..."


def parse_dynamic_events(data: bytes, path: str = "dynamic_events") -> DynamicEvents:
    r"""Parse any of the four files.

    >>> [event] = parse_dynamic_events(b"r10:kd/opened do_sys_openat2 ret=$retval:s64\n").events
    >>> event.kind, event.group, event.name, event.target, event.args, event.most_active
    ('kretprobe', 'kd', 'opened', 'do_sys_openat2', ('ret=$retval:s64',), 10)
    """
    problems: List[Problem] = []
    events: List[DynamicEvent] = []
    for number, line in complete_lines(data, path, problems):
        found = _parse_line(decode(line))
        if found is None:
            problems.append(problem(path, number, line, _WANTED))
        else:
            events.append(found)
    return DynamicEvents(tuple(events), tuple(problems))


def _parse_line(line: str) -> Optional[DynamicEvent]:
    match = _SYNTHETIC(line)
    if match is not None:
        return DynamicEvent("synthetic", "synthetic", match[1], "", _fields(match[2]))
    match = _PROBE(line)
    if match is None:
        return None
    letter, most, group, name, rest = match.groups(default="")
    if letter == "s":
        return DynamicEvent("synthetic", group, name, "", _fields(rest))
    kind, most_active = _KINDS[letter], int(most) if most else None
    program = _PROGRAM(rest) if letter in "pr" else None
    if program is not None:
        args = tuple((program[3] or "").split())
        return DynamicEvent(
            _OF_PROGRAMS[kind], group, name, program[1], args, int(program[2], 16), most_active
        )
    words = rest.split()
    if not words:
        return None
    target = words[0]
    if kind == "fprobe" and target.endswith(_RETURN):
        kind, target = "fretprobe", target[: -len(_RETURN)]
    return DynamicEvent(kind, group, name, target, tuple(words[1:]), None, most_active)


def _fields(text: str) -> Tuple[str, ...]:
    return tuple(" ".join(field.split()) for field in text.split(";") if field.strip())
