"""Fields of events as people read them: errno names, flags, letters of states, devices, system calls by name.

What a number means is told by the event's name and the field's name and type; nothing is guessed from the
value alone, but for return values, whose errors have a range of their own. What is not known is shown as the
kernel has it: decimal, or hexadecimal for pointers and addresses.
"""

import re
from typing import Callable, Dict, List, Mapping, Tuple

from kdiag.ftrace.event import Event, Value
from kdiag.ftrace.event_format import EventFormat, Field, argument
from kdiag.ftrace.reap import group_of
from kdiag.ftrace.retval import retval_errno, signed_64
from kdiag.kernel import errno_names, flags, syscalls

__all__ = ["FieldNames", "hex_or_decimal"]

#: Fields that tell nothing more than the event's name does.
_LEFT_OUT = frozenset(("__syscall_nr", "__probe_ip", "__probe_func", "__probe_ret_ip"))
_POINTED = re.compile(r"__\w+_val").fullmatch
#: include/trace/events/sched.h (TASK_STATE_TO_CHAR_STR), by bit; 0 is a task that was preempted.
_STATES = ((0x1, "S"), (0x2, "D"), (0x4, "T"), (0x8, "t"), (0x10, "X"), (0x20, "Z"), (0x40, "P"), (0x80, "I"))
_PREEMPTED = 0x100
#: Numbers of other kinds that are better read in hexadecimal.
_HEX_TYPES = ("*", "gfp_t", "pgoff_t", "phys_addr_t", "kernel_ulong_t")
_HEX_NAMES = ("flags", "gfp_flags", "addr", "address", "ip", "mask", "pfn")


def hex_or_decimal(field: Field, value: int) -> str:
    """Return a number as its type and its name want it."""
    kind = field.type.strip()
    if kind.endswith("*") or kind in _HEX_TYPES or field.name in _HEX_NAMES:
        return hex(value & ((1 << 8 * field.size_bytes) - 1))
    return str(value)


class FieldNames:
    """Shows the fields of all events of one kernel; ``machine`` (``uname -m``) has its system calls."""

    def __init__(self, formats: Dict[int, EventFormat], machine: str) -> None:
        self._machine = machine
        self._shown = {event.full_name: self._plan(event) for event in formats.values()}

    def shown(self, event: Event) -> List[Tuple[str, str]]:
        """Return (name, text) of each field that is worth showing, in the kernel's order."""
        return self.shown_fields(event.name, event.fields)

    def shown_fields(self, event_name: str, fields: Mapping[str, Value]) -> List[Tuple[str, str]]:
        """Do the same for fields that no event was read from."""
        return [
            (name, show(fields[field])) for name, field, show in self._shown[event_name] if field in fields
        ]

    def _plan(self, event: EventFormat) -> List[Tuple[str, str, Callable[[Value], str]]]:
        # Since 6.19 what a pointer of a system call leads to stands in a field of its own.
        pointed = {each.name[2:-4] for each in event.fields if _POINTED(each.name)}
        plan: List[Tuple[str, str, Callable[[Value], str]]] = []
        for field in event.fields:
            if field.name in _LEFT_OUT or field.name in pointed:
                continue
            name = field.name[2:-4] if _POINTED(field.name) else field.name
            plan.append((name, field.name, self._how(event, field)))
        return plan

    def _how(self, event: EventFormat, field: Field) -> Callable[[Value], str]:
        number = self._number(event, field)

        def show(value: Value) -> str:
            if value is None:
                return "(fault)"  # as the kernel prints what it could not read
            if isinstance(value, str):
                return f'"{value}"'
            if isinstance(value, bytes):
                return value.hex()
            if isinstance(value, tuple):
                return "{" + ",".join(map(str, value)) + "}"
            return number(value)

        return show

    def _number(self, event: EventFormat, field: Field) -> Callable[[int], str]:
        if event.system == "syscalls":
            return _returned if event.name.startswith("sys_exit_") else self._argument(event, field)
        if event.system == "raw_syscalls":
            if field.name == "id":
                return self._syscall
            return _returned if field.name == "ret" else hex
        if field.name == "ret":
            return _returned
        if field.name == "prev_state":
            return _state
        if field.name == "dev" and field.size_bytes == 4:
            return _device
        if group_of(event.system, event.name) is not None:  # arguments of probes have no types of their own
            return lambda value: str(value) if abs(value) < 1 << 32 else hex(value & 0xFFFF_FFFF_FFFF_FFFF)
        return lambda value: hex_or_decimal(field, value)

    def _argument(self, event: EventFormat, field: Field) -> Callable[[int], str]:
        table = flags.table_of_argument(event.name[len("sys_enter_") :], field.name)
        if table is None and field.name == "fd":  # mmap(2) declares it as unsigned long
            table = "fd"
        if table is None:
            return lambda value: hex_or_decimal(field, argument(field, value))
        return lambda value: flags.decode(table, argument(field, value), self._machine)

    def _syscall(self, number: int) -> str:
        name = syscalls.name_of(number, self._machine)
        return f"{number} {name}" if name else str(number)


def _returned(value: int) -> str:
    """Return a return value with the name of its error.

    >>> _returned(-2), _returned(0xFFFFFFFFFFFFFFF3), _returned(3)
    ('-2 ENOENT', '-13 EACCES', '3')
    """
    number = signed_64(value)
    failed = retval_errno(value)
    if failed is None:
        return str(number) if abs(number) < 1 << 32 else hex(value & 0xFFFF_FFFF_FFFF_FFFF)
    return f"-{failed} {errno_names.name_of(failed)}"


def _state(value: int) -> str:
    """Return the state of a task that gives up the CPU.

    >>> _state(0), _state(1), _state(2), _state(0x100)
    ('R', 'S', 'D', 'R+')
    """
    letters = "|".join(letter for bit, letter in _STATES if value & bit) or "R"
    return letters + ("+" if value & _PREEMPTED else "")


def _device(value: int) -> str:
    """Return a device as MAJOR:MINOR (include/linux/kdev_t.h).

    >>> _device(0x800011)
    '8:17'
    """
    return f"{value >> 20}:{value & 0xFFFFF}"
