"""Limits as the kernel prints them: a number, or one of its ways to say that there is none.

``None`` in place of a :class:`Limit` means that it could not be read, which is not the same as no limit.
"""

from typing import Optional

from kdiag.procfs.text import unsigned
from kdiag.records import NamedTuple

__all__ = ["Limit", "limit_of_number", "limit_of_token"]

#: cgroup v2 and pids.max; /proc/<pid>/limits; cpu.cfs_quota_us.
_UNLIMITED_TOKENS = (b"max", b"unlimited", b"-1")
#: memory.*limit_in_bytes of cgroup v1 prints the greatest signed number of 64 bits cut to whole pages; older
#: kernels print that number itself, or the greatest unsigned one. No page is larger than 1 MiB. (A 32-bit
#: kernel prints 2^31 - 1 pages, which stays a number: it may be somebody's limit.)
_UNLIMITED_NUMBER = 2**63 - 2**20


class Limit(NamedTuple):
    """A limit; ``value`` is ``None`` where ``unlimited`` is true."""

    value: Optional[int]
    unlimited: bool = False


def limit_of_number(number: int) -> Limit:
    """Return the limit that a number is; one about 2^63 stands for none.

    >>> limit_of_number(4096), limit_of_number(9223372036854771712)
    (Limit(value=4096, unlimited=False), Limit(value=None, unlimited=True))
    """
    return Limit(None, unlimited=True) if number >= _UNLIMITED_NUMBER else Limit(number)


def limit_of_token(token: bytes) -> Optional[Limit]:
    """Return the limit that ``token`` is, or ``None``.

    >>> limit_of_token(b"max"), limit_of_token(b"512"), limit_of_token(b"many")
    (Limit(value=None, unlimited=True), Limit(value=512, unlimited=False), None)
    """
    if token in _UNLIMITED_TOKENS:
        return Limit(None, unlimited=True)
    number = unsigned(token)
    return None if number is None else limit_of_number(number)
