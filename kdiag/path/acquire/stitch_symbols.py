"""Names of the addresses on stacks, also where the kernel hides addresses from ``/proc/kallsyms``.

With kernel.kptr_restrict=2, or without CAP_SYSLOG, kallsyms has names and zeros. The text of ``trace`` has
names all the same, and with ``options/sym-addr`` both, as ``=> vfs_read+0x1c/0x60 [mod] <ffffffff816bdd0c>``
(seq_print_ip_sym() in kernel/trace/trace_output.c). Reading ``trace`` does not consume what is in the buffer,
so the names are learned before it is emptied.
"""

import re
from contextlib import suppress
from typing import Container, Dict, Optional, Tuple

from kdiag.ftrace.session import Session
from kdiag.host.base import Host, ReadError
from kdiag.kernel.kallsyms import Symbols, read_symbols

__all__ = ["StackSymbols", "learn_from_text"]

_LINE = re.compile(
    r"^ => ([^\s+<]+)\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[([^\]]+)\])? <([0-9a-f]{8,16})>", re.MULTILINE
)
#: Without kallsyms, roots of trees get the name that most kernels have.
_NONE: Container[str] = ()


class StackSymbols:
    """Names by address, of the machine that is being traced."""

    def __init__(self, host: Host, session: Session) -> None:
        self.unresolved = 0
        self._session = session
        self._symbols: Optional[Symbols] = None
        self._learned: Dict[int, Tuple[str, Optional[str]]] = {}
        self._unknown: Dict[int, str] = {}
        with suppress(ReadError):
            self._symbols = read_symbols(host)
        self.hidden = self._symbols is None or self._symbols.hidden
        if self.hidden:
            for option in ("sym-offset", "sym-addr"):
                session.option(option, True)
        self.known: Container[str] = _NONE if self._symbols is None else _Known(self._symbols)

    def symbol(self, address: int) -> Tuple[str, Optional[str]]:
        """Return the function that an address lies in, and its module; the address itself if it has no name.

        ``address`` is one less than a return address, which is what stacks and their text have.
        """
        if not self.hidden and self._symbols is not None:
            found = self._symbols.lookup(address)
            if found is not None:
                return found.name, found.module
        learned = self._learned.get(address + 1)
        if learned is not None:
            return learned
        self.unresolved += address not in self._unknown
        return self._unknown.setdefault(address, hex(address + 1)), None

    def address(self, function: str, offset_bytes: int) -> int:
        """Return the address of a place in a function, 0 where it is not known or there are several."""
        if self.hidden or self._symbols is None:
            return 0
        found = self._symbols.addresses(function)
        return found[0] + offset_bytes if len(found) == 1 else 0

    def learn(self) -> None:
        """Learn names from the text of what is in the buffer, where addresses are hidden."""
        if self.hidden:
            self._learned.update(learn_from_text(self._session.instance.read("trace")))


class _Known:
    def __init__(self, symbols: Symbols) -> None:
        self._symbols = symbols

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self._symbols.addresses(name))


def learn_from_text(text: str) -> Dict[int, Tuple[str, Optional[str]]]:
    r"""Return function and module by address, from lines of stacks with offset and address.

    >>> learn_from_text("  sh-1 [000] .....  1.000001: kfree: x\n => vfs_read+0x1c/0x60 <ffffffff816bdd0c>\n"
    ...     " => ext4_lookup+0x10/0x20 [ext4] <ffffffffc0000010>\n")
    {18446744071585914124: ('vfs_read', None), 18446744072635809808: ('ext4_lookup', 'ext4')}
    """
    return {int(match[3], 16): (match[1], match[2]) for match in _LINE.finditer(text)}
