r"""The kernel's symbols by address and by name, from ``/proc/kallsyms``.

A line is ``ffffffff812a4c10 T vfs_read``, with ``\t[module]`` for a module's. Traps:

- ``kernel.kptr_restrict`` and a missing CAP_SYSLOG turn every address into zeros, without an error
  (``kernel/kallsyms.c``, ``kallsyms_show_value``). Names are still right then.
- Static functions of one name are many (``show`` has dozens of addresses): a name is not an address.
- Several symbols may share an address. The kernel itself prints the first, and so do we.
- 120,000 lines are usual, and 300,000 with many modules, so lines stay bytes until one is asked for.
"""

from bisect import bisect_right
from typing import Dict, List, Optional, Tuple

from kdiag.host.base import Host
from kdiag.records import NamedTuple

__all__ = ["KALLSYMS", "Symbol", "Symbols", "read_symbols"]

KALLSYMS = "/proc/kallsyms"

_TEXT = b"tTwWiI"


class Symbol(NamedTuple):
    """A place ``offset`` bytes into the function ``name``; ``module`` is ``None`` for the kernel's own."""

    name: str
    offset: int
    module: Optional[str]

    def __str__(self) -> str:
        """Return it as the kernel prints it.

        >>> str(Symbol("ext4_lookup", 16, "ext4"))
        'ext4_lookup+0x10 [ext4]'
        """
        return f"{self.name}+{self.offset:#x}" + (f" [{self.module}]" if self.module else "")


class Symbols:
    r"""All symbols of a kernel at one moment; modules that are loaded later are not in it.

    >>> symbols = Symbols(b"ffff0000 T start\nffff0010 t scan\nffff0020 d data\nffff1000 t scan\t[ext4]\n")
    >>> symbols.lookup(0xffff0018), symbols.lookup(0xffff0020), symbols.lookup(0xffff)
    (Symbol(name='scan', offset=8, module=None), None, None)
    >>> [hex(address) for address in symbols.addresses("scan")]
    ['0xffff0010', '0xffff1000']
    """

    def __init__(self, data: bytes) -> None:
        lines = data.split(b"\n")
        lines.pop()  # empty, or cut off: then its name may be short
        try:
            addressed = [(int(line[: line.index(b" ")], 16), line) for line in lines]
        except ValueError:
            addressed = [(int(line.split(b" ")[0], 16), line) for line in lines if _is_row(line)]
        #: Lines that are no symbols; anything but 0 means that this is no kallsyms.
        self.skipped = len(lines) - len(addressed)
        #: Whether addresses are hidden from whoever read the file; then only names can be asked for.
        self.hidden = bool(addressed) and not any(address for address, _ in addressed)
        addressed.sort(key=lambda pair: pair[0])  # stable: of several at one address the first stays first
        self._starts = [address for address, _ in addressed]
        self._lines = [line for _, line in addressed]
        self._by_name: Dict[bytes, List[int]] = {}

    def __len__(self) -> int:
        return len(self._lines)

    def lookup(self, address: int) -> Optional[Symbol]:
        """Return the function that an address lies in, ``None`` if in none or if addresses are hidden."""
        if self.hidden:
            return None
        position = bisect_right(self._starts, address) - 1
        if position < 0:
            return None
        start = self._starts[position]
        while position and self._starts[position - 1] == start:
            position -= 1
        while position < len(self._starts) and self._starts[position] == start:
            kind, name, module = _fields(self._lines[position])
            if kind in _TEXT:
                return Symbol(name, address - start, module)
            position += 1
        return None

    def addresses(self, name: str) -> Tuple[int, ...]:
        """Return the addresses of all functions of a name, in order; zeros where addresses are hidden."""
        if not self._by_name:
            for address, line in zip(self._starts, self._lines):
                word = line.split(None, 3)
                if len(word) > 2 and word[1] in _TEXT:
                    self._by_name.setdefault(word[2], []).append(address)
        return tuple(self._by_name.get(name.encode("utf-8", "surrogateescape"), ()))


def read_symbols(host: Host) -> Symbols:
    """Read the symbols of a host; raises :class:`~kdiag.host.base.ReadError` where they cannot be read."""
    return Symbols(host.read(KALLSYMS))


def _is_row(line: bytes) -> bool:
    word = line.split(b" ", 2)
    try:
        return len(word) == 3 and len(word[1]) == 1 and bool(word[2]) and int(word[0], 16) >= 0
    except ValueError:
        return False


def _fields(line: bytes) -> Tuple[bytes, str, Optional[str]]:
    word = line.split(None, 3)
    if len(word) < 3:
        return b"?", "", None
    module = word[3].strip(b"[]").decode("utf-8", "surrogateescape") if len(word) > 3 else None
    return word[1], word[2].decode("utf-8", "surrogateescape"), module
