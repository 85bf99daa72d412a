"""What a block request does, in blktrace's letters (``blk_fill_rwbs`` in ``kernel/trace/blktrace.c``).

The number of each flag varies by kernel, its name does not: they are looked up in BTF. Letters: ``R`` read,
``W`` write, ``D`` discard, ``DE`` secure erase, ``WZ`` write zeroes, ``FF`` flush, ``Z`` a zone's, ``N`` any
other; before them ``F`` for a flush that comes first; after them ``F`` forced to the medium (FUA), ``A`` read
ahead, ``S`` synchronous (somebody waits), ``M`` metadata, ``U`` atomic.
"""

from typing import Dict, Mapping, Optional, Tuple

from kdiag.ebpf.btf import Btf
from kdiag.records import NamedTuple

__all__ = ["OperationBits", "letters", "operation_bits"]

#: REQ_OP_BITS of include/linux/blk_types.h.
_OPERATION_MASK = 0xFF
_OPERATIONS: Mapping[str, str] = {
    "REQ_OP_READ": "R",
    "REQ_OP_WRITE": "W",
    "REQ_OP_FLUSH": "F",
    "REQ_OP_DISCARD": "D",
    "REQ_OP_SECURE_ERASE": "DE",
    "REQ_OP_WRITE_ZEROES": "WZ",
    "REQ_OP_ZONE_APPEND": "ZA",
    "REQ_OP_ZONE_RESET": "ZR",
    "REQ_OP_ZONE_RESET_ALL": "ZRA",
    "REQ_OP_ZONE_FINISH": "ZF",
    "REQ_OP_ZONE_OPEN": "ZO",
    "REQ_OP_ZONE_CLOSE": "ZC",
}
#: In the order in which the kernel writes them.
_FLAGS: Tuple[Tuple[str, str], ...] = (
    ("__REQ_FUA", "F"),
    ("__REQ_RAHEAD", "A"),
    ("__REQ_SYNC", "S"),
    ("__REQ_META", "M"),
    ("__REQ_ATOMIC", "U"),
)
_PREFLUSH = "__REQ_PREFLUSH"


class OperationBits(NamedTuple):
    """Letters by number of operation, letters by bit, and the bit that asks for a flush first."""

    operations: Mapping[int, str]
    flags: Tuple[Tuple[int, str], ...]
    preflush: Optional[int]

    @property
    def mask(self) -> int:
        """The bits of ``cmd_flags`` that make a difference here."""
        bits = [bit for bit, _ in self.flags] + ([] if self.preflush is None else [self.preflush])
        return _OPERATION_MASK | sum(1 << bit for bit in bits)


def operation_bits(btf: Btf) -> OperationBits:
    """Look up the numbers of operations and flags."""
    operations: Dict[int, str] = {}
    for name, text in _OPERATIONS.items():
        number = btf.enum_value(name)
        if number is not None:
            operations[number] = text
    found = ((btf.enum_value(name), text) for name, text in _FLAGS)
    flags = tuple((bit, text) for bit, text in found if bit is not None)
    return OperationBits(operations, flags, btf.enum_value(_PREFLUSH))


def letters(bits: OperationBits, cmd_flags: int) -> str:
    """Return the letters of a request's ``cmd_flags``."""
    first = "F" if bits.preflush is not None and cmd_flags >> bits.preflush & 1 else ""
    operation = bits.operations.get(cmd_flags & _OPERATION_MASK, "N")
    return first + operation + "".join(text for bit, text in bits.flags if cmd_flags >> bit & 1)
