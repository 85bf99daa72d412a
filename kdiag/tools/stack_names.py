"""Names of the kernel functions on a stack, without those of the tracing itself."""

from fnmatch import fnmatchcase
from typing import Dict, Optional, Sequence, Tuple

from kdiag.host.base import Host, ReadError
from kdiag.kernel.kallsyms import Symbols, read_symbols

__all__ = ["StackNames"]

#: What the kernel calls between an event and the recording of its stack.
_TRACING = (
    "trace_event_*",
    "__traceiter_*",
    "ftrace_*",
    "*_syscall_enter",
    "*_syscall_exit",
    "trace_sys_*",
    "bpf_prog_*",
    "bpf_trace_run*",
    "__bpf_trace_*",
)


class StackNames:
    """Functions by address; ``why_not`` says why addresses have to stand for them."""

    def __init__(self, host: Host) -> None:
        self._known: Dict[int, str] = {}
        self._symbols: Optional[Symbols] = None
        self.why_not = ""
        try:
            self._symbols = read_symbols(host)
        except ReadError as error:
            self.why_not = f"stacks are addresses: {error.failure}"
        if self._symbols is not None and self._symbols.hidden:
            self.why_not = "stacks are addresses: /proc/kallsyms hides its own (kptr_restrict)"

    def names(self, stack: Sequence[int], interrupted: bool = False) -> Tuple[str, ...]:
        """Return the functions of a stack, innermost first.

        Those of the tracing are left out, which a stack ``interrupted`` by a clock has not got.
        """
        named = [self.name(address) for address in stack]
        if interrupted:
            return tuple(named)
        own = 0
        while own < len(named) and any(fnmatchcase(named[own], pattern) for pattern in _TRACING):
            own += 1
        return tuple(named[own:])

    def name(self, address: int) -> str:
        """Return the function that an address lies in; a return address may be one past its end."""
        found = self._known.get(address)
        if found is None:
            symbol = None if self._symbols is None else self._symbols.lookup(address - 1)
            found = self._known[address] = hex(address) if symbol is None else symbol.name
        return found
