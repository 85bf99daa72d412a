r"""The text of the function_graph tracer, line by line, as ``trace`` and ``trace_pipe`` show it.

Documented in Documentation/trace/ftrace.rst, made by kernel/trace/trace_functions_graph.c. Columns, each of
which an option can switch off or on: ``abs | cpu) task | flags | mark duration |  body``. Examples::

     0)   0.830 us    |              rcu_all_qs(); /* = 0x0 */
      8.630016 |   0)    bash-87     |  .... | + 10.532 us   |              file_ra_state_init();
     1)               |    do_sys_openat2(dfd=-100, how=0xff74) { /* <-__x64_sys_openat+0x60/0x80 */
     0) * 31567.26 us |            } /* do_dentry_open ret=-2 */

Traps. The indent is the depth (two blanks each), and a trace may begin and end at any depth. A function whose
return record does not follow its entry at once is an entry and a ``}``, also where it called nothing. Return
values are ``= 0x0`` up to 6.12 and ``ret=0x0`` since 6.13, decimal for errors, hex for all others. A task's
name is cut to 7 bytes, may hold blanks and dashes, and is ``<...>`` where the kernel forgot it. The duration
has seven digits at most. With ``tracing_thresh`` there are ends alone. Lines of CPUs interleave, and a task
changes its CPU within a call.
"""

import re
from typing import Dict, Iterable, Iterator, Optional, Tuple, Union

from kdiag.ftrace.retval import signed_64
from kdiag.procfs.text import Problem, problem
from kdiag.records import NamedTuple

__all__ = ["GraphLine", "parse_graph"]


class GraphLine(NamedTuple):
    """One line. ``kind`` says what it is, and what it has; everything else is ``None``.

    =============  =========================================================================================
    entry          a function begins: function, module, depth, args, caller
    leaf           a function that called nothing that is traced: as entry, with duration and retval
    return         a function ends: depth, duration, retval; function only where the kernel names it
    comment        an event, or what was written to trace_marker: text, depth
    irq_entry      an interrupt begins (``==========>``)
    irq_exit       an interrupt ends
    switch         the CPU goes on with another task: comm and pid; text is the one before, ``comm-pid``
    lost           events of the CPU were lost: lost_events, or ``None`` where the number is not known
    started        the CPU's events begin here in this file; those before were overwritten
    cut            a line that the kernel found too long to print (``[LINE TOO BIG]``)
    =============  =========================================================================================

    ``line`` counts from 1. ``ts_ns`` is there with ``funcgraph-abstime``, ``comm`` and ``pid`` with
    ``funcgraph-proc``. ``retval`` is the register as a signed 64-bit number (a 32-bit -2 may be 4294967294:
    see :func:`kdiag.ftrace.retval.retval_errno`); a function that returns ``void`` leaves anything in it.
    ``caller`` is ``function+0xoffset/0xsize`` (funcgraph-retaddr), ``args`` the text between the brackets.
    """

    kind: str
    line: int
    cpu: Optional[int] = None
    comm: Optional[str] = None
    pid: Optional[int] = None
    ts_ns: Optional[int] = None
    duration_ns: Optional[int] = None
    depth: Optional[int] = None
    function: Optional[str] = None
    module: Optional[str] = None
    args: Optional[str] = None
    retval: Optional[int] = None
    caller: Optional[str] = None
    text: Optional[str] = None
    flags: Optional[str] = None
    lost_events: Optional[int] = None


#: cpu, comm, pid, ts_ns, duration_ns, flags
_Columns = Tuple[Optional[int], Optional[str], Optional[int], Optional[int], Optional[int], Optional[str]]
#: kind, depth, function, module, args, retval, caller, text
_Body = Tuple[
    str,
    Optional[int],
    Optional[str],
    Optional[str],
    Optional[str],
    Optional[int],
    Optional[str],
    Optional[str],
]

_COLUMNS = re.compile(
    r"""
    (?:\s*(?P<abs>\d{1,15}\.\d{6})\s\|\s\s)?                          # funcgraph-abstime
    (?:\s+\d+\sus\s\|\s\s)?                                      # relative time: latency tracers only
    (?:\s*(?P<cpu>\d{1,5})\)\s)?                                     # funcgraph-cpu
    (?:\s*(?P<comm>\S.{0,6}?|)-(?P<pid>\d{1,10})\s*\s\|\s)?           # funcgraph-proc
    (?:\s(?P<flags>[^\s|]{4,6})\s\|\s)?                          # latency-format: 4, or 5 since about 5.15
    (?:[ $@*\#!+]\s(?P<duration>\d{1,9}(?:\.\d{1,3})?)\sus\s*\|\s\s|\s{14}\|\s\s)?
    (?P<body>.*)
    """,
    re.X | re.DOTALL,
).fullmatch
_FUNCTION = r"(?P<function>[^\s(/}][^\s(]*)(?:\s<[0-9a-f]+>)?(?:\s\[(?P<module>[^\]]+)\])?(?:\s<[0-9a-f]+>)?"
_CALL = re.compile(
    r"(?P<indent>\s*)" + _FUNCTION + r"\((?P<args>.*)\)(?P<end>\s\{|;)(?:\s/\*(?P<note>.*)\*/)?", re.DOTALL
).fullmatch
_END = re.compile(r"(?P<indent>\s*)\}(?:\s/\*(?P<note>.*)\*/)?", re.DOTALL).fullmatch
_COMMENT = re.compile(r"(?P<indent>\s*)/\*\s?(?P<text>.*?)\s?\*/", re.DOTALL).fullmatch
_INTERRUPT = re.compile(r"\s*(==========>|<==========)(?:\s\|)?").fullmatch
_OVERRUNS = re.compile(r"\s*\((?P<text>Overruns: \d+)\)").fullmatch
_SWITCH = re.compile(
    r"\s*(?P<cpu>\d{1,5})\)\s+(?P<before>.{0,16}?-\d{1,10})\s+=>\s+(?P<comm>.{0,16}?)-(?P<pid>\d{1,10})\s*",
    re.DOTALL,
).fullmatch
_LOST = re.compile(r"CPU:(\d{1,5}) \[LOST (?:(\d{1,20}) )?EVENTS\]").fullmatch
_STARTED = re.compile(r"#+ CPU (\d{1,5}) buffer started #+").fullmatch
#: ``<-caller+0x1/0x2 ret=0x0``, ``function [module] = -2`` and every part of it alone.
_NOTE = re.compile(
    r"\s*(?:<-(?P<caller>\S+(?:\s\[[^\]]+\])?)(?:\s<[0-9a-f]+>)?\s?|(?!=|ret=)" + _FUNCTION + r"\s?)?"
    r"(?:(?:=\s|ret=)(?P<retval>0x[0-9a-f]{1,16}|-?\d{1,20}))?\s*"
).fullmatch
_SEPARATOR = "-" * 42
_INDENT = 2
_WANTED = "a line of function_graph"
#: Bodies that were read already are kept: a kernel path is made of the same ones again and again.
_REMEMBERED = 50_000


def parse_graph(lines: Iterable[str], path: str = "trace") -> Iterator[Union[GraphLine, Problem]]:
    r"""Yield every line but headers, separators and blank ones; what is none of the kinds is a problem.

    Lines are as a file opened with ``newline="\\n"`` gives them, with their newline; a last one without it
    was cut off.

    >>> lines = [" 0)               |  vfs_read() {\n", " 0)   1.250 us    |  } /* vfs_read = -9 */\n"]
    >>> for each in parse_graph(lines):
    ...     print(each.kind, each.cpu, each.depth, each.function, each.duration_ns, each.retval)
    entry 0 0 vfs_read None None
    return 0 0 vfs_read 1250 -9
    """
    bodies: Dict[str, Optional[_Body]] = {}
    make = tuple.__new__
    for number, line in enumerate(lines, 1):
        # The usual columns, without a regular expression: `cpu) mark duration |  body`.
        bracket = line.find(")")
        bar = bracket + 16
        if 0 < bracket < 8 and line[bar : bar + 3] == "|  " and line[-1] == "\n":
            duration = _duration(line[bracket + 1 : bar])
            cpu = line[:bracket].strip()
            if duration is not _NOT_READ and cpu.isdigit():
                body = line[bar + 3 : -1]
                found = bodies[body] if body in bodies else _remember(bodies, body)
                if found is not None:
                    # The fields in their order; the constructor costs more than all the rest.
                    columns = (number, int(cpu), None, None, None, duration)
                    yield make(GraphLine, (found[0], *columns, *found[1:], None, None))
                    continue
        other = _other_line(line, number, bodies, path)
        if other is not None:
            yield other


#: What stands for a duration that has to be read with care.
_NOT_READ = -1
_NO_DURATION = " " * 15


def _duration(column: str) -> Optional[int]:
    """Return the nanoseconds between ``cpu)`` and the bar: a blank, a mark, a blank, the number of us.

    >>> _duration("   0.830 us    "), _duration(" * 31567.26 us "), _duration(" $ 1234567 us  ")
    (830, 31567260, 1234567000)
    >>> _duration("  junk") == _duration("   0.8e0 us    ") == _NOT_READ
    True
    """
    if column == _NO_DURATION:
        return None
    number, _, rest = column[3:].partition(" us")
    whole, _, fraction = number.partition(".")
    if not (whole + fraction).isdigit() or rest.strip() or column[1] not in " $@*#!+":
        return _NOT_READ
    return int(whole) * 1000 + (int(fraction.ljust(3, "0")) if fraction else 0)


def _remember(bodies: Dict[str, Optional[_Body]], body: str) -> Optional[_Body]:
    if len(bodies) >= _REMEMBERED:
        bodies.clear()
    found = bodies[body] = _parse_body(body)
    return found


def _other_line(
    line: str, number: int, bodies: Dict[str, Optional[_Body]], path: str
) -> Union[GraphLine, Problem, None]:
    """Read a line with unusual columns, or that is none of a call."""
    if not line.endswith("\n"):
        return problem(
            path, number, line.encode("utf-8", "surrogateescape"), "a newline at the end (cut off)"
        )
    text = line[:-1]
    if not text.strip() or text.strip() == _SEPARATOR:
        return None
    match = _LOST(text)
    if match is not None:
        events = None if match[2] is None else int(match[2])
        return GraphLine("lost", number, int(match[1]), lost_events=events)
    match = _STARTED(text)
    if match is not None:
        return GraphLine("started", number, int(match[1]))
    if text.startswith("#"):
        return None
    if text.strip() == "[LINE TOO BIG]":
        return GraphLine("cut", number)
    match = _SWITCH(text)
    if match is not None:
        return GraphLine(
            "switch", number, int(match["cpu"]), match["comm"], int(match["pid"]), text=match["before"]
        )
    match = _COLUMNS(text)
    if match is not None:
        body = match["body"]
        found = bodies[body] if body in bodies else _remember(bodies, body)
        if found is not None:
            return _line(number, match, found)
    return problem(path, number, text.encode("utf-8", "surrogateescape"), _WANTED)


def _line(number: int, columns: "re.Match[str]", body: _Body) -> GraphLine:
    kind, depth, function, module, args, retval, caller, text = body
    cpu, pid, time, duration = columns["cpu"], columns["pid"], columns["abs"], columns["duration"]
    whole, _, fraction = (duration or "").partition(".")
    return GraphLine(
        kind,
        number,
        None if cpu is None else int(cpu),
        columns["comm"],
        None if pid is None else int(pid),
        None if time is None else int(time.replace(".", "")) * 1000,
        None if duration is None else int(whole) * 1000 + int(fraction.ljust(3, "0") or 0),
        depth,
        function,
        module,
        args,
        retval,
        caller,
        text,
        columns["flags"],
    )


def _parse_body(body: str) -> Optional[_Body]:
    """Return what the last column says; ``None`` where it is none of the kinds."""
    plain = body.lstrip(" ")
    indent = len(body) - len(plain)
    depth = indent // _INDENT
    if plain == "}" and indent % _INDENT == 0:
        return ("return", depth, None, None, None, None, None, None)
    match = _INTERRUPT(body)
    if match is not None:
        kind = "irq_entry" if match[1].endswith(">") else "irq_exit"
        return (kind, None, None, None, None, None, None, None)
    match = _OVERRUNS(body) or _COMMENT(body)
    if match is not None:
        return ("comment", depth, None, None, None, None, None, match["text"])
    match = _END(body)
    call = None if match is not None else _CALL(body)
    found = match or call
    if found is None or indent % _INDENT:
        return None
    note = _NOTE(found["note"] or "")
    if note is None:
        return None
    number = note["retval"]
    retval = None if number is None else signed_64(int(number, 16 if "x" in number else 10))
    if call is None:
        return ("return", depth, note["function"], note["module"], None, retval, None, None)
    kind = "entry" if call["end"] == " {" else "leaf"
    return (kind, depth, call["function"], call["module"], call["args"], retval, note["caller"], None)
