r"""``error_log``: the kernel's own words on commands that it refused, with a caret where it stopped.

Documented in Documentation/trace/ftrace.rst ("error_log"), since 5.2. It holds the last eight, of all users
of that instance; filters and triggers are told in the instance, dynamic events at the top level.
"""

import re
from typing import List

from kdiag.records import NamedTuple

__all__ = ["Refusal", "explanation", "parse_error_log"]

_HEAD = re.compile(r"\[ *(\d+\.\d+)\] (.*?): error: (.*)$").match
_COMMAND = "  Command: "


class Refusal(NamedTuple):
    """One entry: who refused (``trace_kprobe``, ``hist:sched:sched_switch``), why, the command, the caret.

    ``caret`` is where in ``command`` it stands, counted in characters from 0; -1 where there is none.
    """

    time_s: float
    by: str
    why: str
    command: str
    caret: int


def parse_error_log(text: str) -> List[Refusal]:
    r"""Parse all entries, oldest first.

    >>> parse_error_log(
    ...     "[   45.914661] trace_kprobe: error: Invalid probed address or symbol\n"
    ...     "  Command: p:kd/bad nosuchfunc\n                    ^\n")
    ... # doctest: +NORMALIZE_WHITESPACE
    [Refusal(time_s=45.914661, by='trace_kprobe', why='Invalid probed address or symbol',
             command='p:kd/bad nosuchfunc', caret=9)]
    """
    found: List[Refusal] = []
    lines = text.split("\n")
    for count, line in enumerate(lines):
        head = _HEAD(line)
        if head is None or count + 1 >= len(lines) or not lines[count + 1].startswith(_COMMAND):
            continue
        below = lines[count + 2] if count + 2 < len(lines) else ""
        caret = len(below) - 1 - len(_COMMAND) if below.strip() == "^" else -1
        command = lines[count + 1][len(_COMMAND) :]
        found.append(Refusal(float(head[1]), head[2], head[3], command, max(-1, caret)))
    return found


def explanation(log: str, written: str) -> str:
    r"""Return the newest entry that is about a command, as three lines; nothing where the log has none.

    >>> print(explanation(
    ...     "[1.5] event filter parse error: error: Field not found\n  Command: foo == 1\n           ^\n",
    ...     "foo == 1"))
    the kernel says: Field not found
      foo == 1
      ^
    """
    wanted = " ".join(written.split())
    for entry in reversed(parse_error_log(log)):
        command = " ".join(entry.command.split())
        # The kernel leaves out parts of some commands (the "!" of a removal, "if FILTER"), and adds nothing.
        # An entry in which what was written merely occurs ("1", "nop") is an old one about something else.
        if command and command in wanted:
            lines = [f"the kernel says: {entry.why}", f"  {entry.command}"]
            if entry.caret >= 0:
                lines.append(" " * (2 + entry.caret) + "^")
            return "\n".join(lines)
    return ""
