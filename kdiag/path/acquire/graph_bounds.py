"""What shows where calls begin and end, beside the graph: events of system calls, or probes at a function.

The events of a system call have its arguments as numbers. Strings among them are read by a probe at its
wrapper, which gets the program's registers in memory (``struct pt_regs``); since 6.19 the events have them.
"""

from typing import Dict, Mapping, Optional, Sequence, Tuple

from kdiag.ftrace.dynamic_events import DynamicEvents
from kdiag.ftrace.event_format import EventFormat
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import TraceFsError
from kdiag.host.base import Host
from kdiag.kernel.syscall_symbol import symbol_of_syscall
from kdiag.kernel.syscalls import SYSCALLS, entry_name
from kdiag.path.acquire.graph_names import Traceable
from kdiag.path.acquire.graph_spans import Bound, SpanBuilder
from kdiag.path.acquire.stitch_arguments import describer
from kdiag.path.acquire.stitch_selftest import why_nothing
from kdiag.path.request import Request

__all__ = ["Bounds", "string_arguments"]

#: Where the wrapper finds the n-th argument of the program: struct pt_regs of arch/*/include/asm/ptrace.h.
_REGISTERS: Mapping[str, Tuple[str, ...]] = {
    "x86_64": tuple(f"+{offset:#x}(%di)" for offset in (0x70, 0x68, 0x60, 0x38, 0x48, 0x40)),
    "aarch64": tuple(f"+{8 * number:#x}(%x0)" for number in range(6)),
}
_MAX_ACTIVE = 64


class Bounds:
    """Enables what bounds the calls of a request, and tells the builder of spans what is what."""

    def __init__(
        self,
        request: Request,
        machine: str,
        events: Session,
        probes: DynamicEvents,
        spans: SpanBuilder,
        traceable: Traceable,
        roots: Sequence[str],
    ) -> None:
        self.request = request
        self.machine = machine
        self.events = events
        self.probes = probes
        self.spans = spans
        self.traceable = traceable
        self.roots = roots
        self.numbers: Dict[int, str] = {
            number: entry_name(name, machine) for number, name in SYSCALLS.get(machine, {}).items()
        }
        self.refused = ""

    def enable(self) -> None:
        """Enable everything; the ends first, so that no call begins that will not be seen to end."""
        if self.request.function:
            self._function(self.request.function)
        elif self.request.everything:
            self._raw(self.numbers, "")
        else:
            unnamed = {}
            for syscall in self.request.syscalls:
                if self.events.instance.exists(f"events/syscalls/sys_enter_{syscall}/enable"):
                    self._syscall(syscall)
                else:
                    unnamed.update({number: name for number, name in self.numbers.items() if name == syscall})
            if unnamed:
                self._raw(unnamed, " || ".join(f"id == {number}" for number in sorted(unnamed)))

    def number_of(self, syscall: str) -> Optional[int]:
        """Return the number of a system call."""
        return next((number for number, name in self.numbers.items() if name == syscall), None)

    @property
    def probes_take_locks(self) -> bool:
        """Tell whether return probes take spin locks that are traced (before 5.11)."""
        return "kretprobe_hash_lock" in self.traceable

    def why_nothing(self, host: Host) -> str:
        """Say why no call was seen."""
        if self.request.function:
            told = f"; begin and end could not be probed: {self.refused}" if self.refused else ""
            return (
                f"nobody called {self.request.function}, or only where the compiler has inlined it into its "
                f"caller{told}"
            )
        if self.request.everything:
            return ""
        return why_nothing(self.events.tracefs, host, self.request.syscalls, self.numbers)

    def _syscall(self, syscall: str) -> None:
        for way in ("exit", "enter"):
            self.events.enable("syscalls", f"sys_{way}_{syscall}")
        if self.events.instance.planned:
            return
        by_name = {each.full_name: each for each in self.events.formats.values()}
        described = by_name.get(f"syscalls:sys_enter_{syscall}")
        say = describer(described, syscall, self.machine)
        self.spans.bounds[f"syscalls:sys_enter_{syscall}"] = Bound(True, syscall, args=say)
        self.spans.bounds[f"syscalls:sys_exit_{syscall}"] = Bound(False, syscall)
        if described is not None:
            self._strings(syscall, described)

    def _strings(self, syscall: str, described: EventFormat) -> None:
        strings = string_arguments(described, self.machine)
        wrapper = symbol_of_syscall(syscall, self.machine, self.traceable)
        if not strings or wrapper is None or wrapper.startswith("sys_"):
            return
        try:
            system, event = self.probes.kernel_function("kprobe", wrapper, tuple(strings.values()))
            self.events.enable(system, event)
        except TraceFsError:
            return  # their addresses are shown then
        self.spans.texts[f"{system}:{event}"] = tuple(strings)

    def _raw(self, numbers: Mapping[int, str], which: str) -> None:
        for way in ("exit", "enter"):
            self.events.enable("raw_syscalls", f"sys_{way}", filter=which or None)
            args = describer(None, "", self.machine) if way == "enter" else (lambda _: "")
            self.spans.bounds[f"raw_syscalls:sys_{way}"] = Bound(way == "enter", "", numbers, args)

    def _function(self, function: str) -> None:
        try:
            for kind in ("kretprobe", "kprobe"):
                system, event = self._probe(kind, function)
                self.events.enable(system, event)
                self.spans.bounds[f"{system}:{event}"] = Bound(kind == "kprobe", function)
        except TraceFsError as error:
            self.refused = str(error).split("\n")[0]

    def _probe(self, kind: str, function: str) -> Tuple[str, str]:
        if kind == "kprobe":
            return self.probes.kernel_function(kind, function)
        try:
            args: Tuple[str, ...] = ("ret=$retval:s64",)
            return self.probes.kernel_function(kind, function, args, max_active=_MAX_ACTIVE)
        except TraceFsError:
            # With type information the kernel knows that it returns nothing, and refuses (6.12).
            return self.probes.kernel_function(kind, function, ("comm=$comm",), max_active=_MAX_ACTIVE)


def string_arguments(described: EventFormat, machine: str) -> Dict[str, str]:
    """Return what to read for each string among a call's arguments, for a probe at its wrapper.

    None where the event has the strings itself, or where a register's place is not known.
    """
    registers = _REGISTERS.get(machine, ())
    fields = [each for each in described.fields if not each.name.startswith("__")]
    known = {each.name for each in described.fields}
    found: Dict[str, str] = {}
    for number, field in enumerate(fields[: len(registers)]):
        is_string = "char" in field.type and "*" in field.type and "const" in field.type
        if is_string and f"__{field.name}_val" not in known:
            found[field.name] = f"{field.name}=+0({registers[number]}):ustring"
    return found
