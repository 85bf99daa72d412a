"""``/proc/<pid>/stack``: the kernel functions in which a task sleeps, innermost first.

Documented in proc_pid_stack(5), made by proc_pid_stack() in fs/proc/base.c. Lines are ``[<0>]
symbol+0x1/0x2 [module]``: offset into and size of the function. Mode 0400, and reading it needs the right
to ptrace and CAP_SYS_ADMIN.

Older kernels print addresses (zeros under kptr_restrict) in place of the ``0``, and end with an entry of
all ones, which is no function and is left out here. A place without a name is printed as its address.

Traps. The file is empty for a task that is running on a CPU, and for a zombie.
"""

import re
from typing import List, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem
from kdiag.records import NamedTuple

__all__ = ["PidStack", "StackFrame", "parse_pid_stack"]

_FRAME = re.compile(
    rb"\[<([0-9a-f]{1,16})>\] "
    rb"(?:0x([0-9a-f]{1,16})|([^\x00-\x20\x7f-\xff]+)\+0x([0-9a-f]{1,16})/0x([0-9a-f]{1,16}))"
    rb"(?: \[([^\]]+)\])?"
).fullmatch


class StackFrame(NamedTuple):
    """One function; ``symbol`` is ``None`` where the kernel has no name, ``address`` where it hides it."""

    symbol: Optional[str]
    offset_bytes: Optional[int]
    size_bytes: Optional[int]
    module: Optional[str]
    address: Optional[int]


class PidStack(NamedTuple):
    """The stack, innermost function first."""

    frames: Tuple[StackFrame, ...]
    problems: Tuple[Problem, ...] = ()


def parse_pid_stack(data: bytes, path: str = "/proc/<pid>/stack") -> PidStack:
    r"""Parse a task's stack file.

    >>> stack = parse_pid_stack(
    ...     b"[<0>] hrtimer_nanosleep+0x74/0xf0\n[<0>] nfs_wait_bit_killable+0x1e/0x90 [nfs]\n")
    >>> [(frame.symbol, frame.offset_bytes, frame.module) for frame in stack.frames]
    [('hrtimer_nanosleep', 116, None), ('nfs_wait_bit_killable', 30, 'nfs')]
    """
    problems: List[Problem] = []
    frames: List[StackFrame] = []
    for number, line in complete_lines(data, path, problems):
        match = _FRAME(line)
        if match is None:
            problems.append(problem(path, number, line, "[<address>] symbol+0xN/0xN [module]"))
            continue
        address, bare, symbol, offset, size, module = match.groups()
        if bare and not bare.strip(b"f"):
            continue
        frames.append(
            StackFrame(
                symbol=None if symbol is None else decode(symbol),
                offset_bytes=None if offset is None else int(offset, 16),
                size_bytes=None if size is None else int(size, 16),
                module=None if module is None else decode(module),
                address=int(bare or address, 16) or None,
            )
        )
    return PidStack(tuple(frames), tuple(problems))
