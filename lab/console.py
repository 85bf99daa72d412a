"""What a guest's console tells of its end: a panic, an oops, a stall, a warning, or nothing.

Kernel messages are not an interface, but these lines have stood for twenty years, and crash kernels,
syzkaller and kernel CI all go by them.
"""

import re
from typing import List, NamedTuple, Optional, Pattern, Tuple

__all__ = ["Trouble", "find_trouble", "end_of"]


class Trouble(NamedTuple):
    """One bad line of a console. `fatal` is false for what a kernel prints and goes on."""

    kind: str
    line: str
    fatal: bool


# In order of weight: the first kind that is found names the end. Sources: kernel/panic.c,
# arch/x86/kernel/dumpstack.c, kernel/watchdog.c, kernel/rcu/tree_stall.h, mm/oom_kill.c.
_SIGNS: Tuple[Tuple[str, Pattern[str], bool], ...] = (
    ("panic", re.compile(r"Kernel panic - not syncing"), True),
    ("oops", re.compile(r"\bOops: |\bOops\b.*\[#\d+\]|BUG: unable to handle|general protection fault"), True),
    ("BUG", re.compile(r"kernel BUG at |\bBUG: (?!soft lockup|workqueue lockup|unable)"), True),
    ("soft lockup", re.compile(r"soft lockup - CPU#"), True),
    ("hard lockup", re.compile(r"hard LOCKUP"), True),
    ("RCU stall", re.compile(r"rcu: INFO: .*detected .*stall"), True),
    ("no root", re.compile(r"Failed to mount real root|Unable to mount root fs"), True),
    ("warning", re.compile(r"WARNING: (?:CPU: \d+ PID|\S+ at )"), False),
)


def find_trouble(console: str) -> "Tuple[Trouble, ...]":
    """The bad lines of `console`, heaviest kind first, in the order they were printed within a kind."""
    lines = [line.strip() for line in console.splitlines()]
    found: List[Trouble] = []
    for kind, sign, fatal in _SIGNS:
        found += [Trouble(kind, line, fatal) for line in lines if sign.search(line)]
    return tuple(found)


def end_of(console: str, lines: int = 40) -> str:
    """The last lines of `console`, without control characters that would drive the reader's terminal."""
    kept = console.rstrip().splitlines()[-lines:]
    return "\n".join(re.sub(r"[^\t\x20-\x7e]", "?", line) for line in kept)


def fatal(troubles: "Tuple[Trouble, ...]") -> Optional[Trouble]:
    """The heaviest trouble that ends a guest, if there is one."""
    return next((trouble for trouble in troubles if trouble.fatal), None)
