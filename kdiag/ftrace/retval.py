"""Telling an error from a value in the register that a kernel function returned, by the kernel's own rule.

function_graph prints 64 bits of the register. A function that returns ``int`` sets the low 32 of them only,
so that -2 may be there as 0xfffffffffffffffe or as 0xfffffffe; one that returns ``void`` leaves anything in
it, also what looks like an error. print_graph_retval() in kernel/trace/trace_functions_graph.c decides as is
done here.
"""

from typing import Optional

__all__ = ["retval_errno", "signed_64"]

#: The largest errno that a pointer or a number can be (include/linux/err.h).
MAX_ERRNO = 4095


def signed_64(value: int) -> int:
    """Return 64 bits as a signed number.

    >>> signed_64(0xFFFFFFFFFFFFFFFE), signed_64(0xFFFFFFFE), signed_64(-2)
    (-2, 4294967294, -2)
    """
    return ((value & 0xFFFF_FFFF_FFFF_FFFF) ^ 1 << 63) - (1 << 63)


def retval_errno(value: int) -> Optional[int]:
    """Return the errno (positive) that a returned register stands for; ``None`` where it is no error.

    Whether the function returns a value at all cannot be told from the register.

    >>> retval_errno(-2), retval_errno(0xFFFFFFFE), retval_errno(0xFFFFFFFFFFFFFFFE), retval_errno(-4095)
    (2, 2, 2, 4095)
    >>> retval_errno(0), retval_errno(2), retval_errno(-4096), retval_errno(0xFF11000000CCAA80)
    (None, None, None, None)
    """
    value = signed_64(value)
    if 1 << 31 <= value < 1 << 32:
        value -= 1 << 32
    return -value if -MAX_ERRNO <= value < 0 else None
