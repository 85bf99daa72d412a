"""``/proc/<pid>/syscall``: the system call in which a task sleeps, with its arguments.

Documented in proc_pid_syscall(5), made by proc_pid_syscall() in fs/proc/base.c. One of three lines:
``running``; ``-1 sp pc`` of a task that sleeps outside of a system call; or ``number arg1 ... arg6 sp pc``,
the number in decimal, all else in hexadecimal. Reading it needs the right to ptrace the task.

Traps. Registers that the call does not use hold whatever they held. The numbers are those of the task's own
instruction set: a 32-bit task on a 64-bit kernel uses another table. A kernel thread makes no system calls:
6.18 prints zeros for it, which look like call 0 but have no stack pointer. A zombie is ``-1 0x0 0x0``.
"""

from typing import List, Optional, Tuple

from kdiag.procfs.one_line import one_line
from kdiag.procfs.text import Problem, hexadecimal, problem, signed
from kdiag.records import NamedTuple

__all__ = ["PidSyscall", "parse_pid_syscall"]

_WANTED = "running|-1 sp pc|number a1 a2 a3 a4 a5 a6 sp pc"
_ARGUMENTS = 6


class PidSyscall(NamedTuple):
    """What the task does; ``number`` is ``None`` if it runs, or sleeps outside of a system call."""

    running: Optional[bool]
    number: Optional[int]
    arguments: Tuple[int, ...]
    stack_pointer: Optional[int]
    program_counter: Optional[int]
    problems: Tuple[Problem, ...] = ()


def parse_pid_syscall(data: bytes, path: str = "/proc/<pid>/syscall") -> PidSyscall:
    r"""Parse a task's syscall file.

    >>> call = parse_pid_syscall(
    ...     b"0 0x3 0x7f41ad04a000 0x20000 0x7f41ad0ddb60 0x0 0x0 0x7fffa8cb7758 0x7f41ad1c62ad\n")
    >>> call.number, call.arguments[0], call.arguments[2]
    (0, 3, 131072)
    >>> parse_pid_syscall(b"running\n").running
    True
    """
    problems: List[Problem] = []
    line = one_line(data, path, _WANTED, problems)
    if line is None:
        return PidSyscall(None, None, (), None, None, tuple(problems))
    if line == b"running":
        return PidSyscall(True, None, (), None, None, tuple(problems))
    first, *rest = line.split() or [b""]
    number, registers = signed(first), [_register(token) for token in rest]
    known = [register for register in registers if register is not None]
    expected = None if number is None else _ARGUMENTS + 2 if number >= 0 else 2
    if len(registers) != expected or len(known) != expected:
        problems.append(problem(path, 1, line, _WANTED))
        return PidSyscall(None, None, (), None, None, tuple(problems))
    *arguments, stack_pointer, program_counter = known
    inside = number if arguments else None
    return PidSyscall(False, inside, tuple(arguments), stack_pointer, program_counter, tuple(problems))


def _register(token: bytes) -> Optional[int]:
    return hexadecimal(token[2:]) if token.startswith(b"0x") else None
