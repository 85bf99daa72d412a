"""Why a block request failed, as the name of an errno, whatever the kernel's event has."""

from typing import Mapping

from kdiag.kernel.errno_names import name_of

__all__ = ["error_name"]

#: ``blk_errors`` of ``block/blk-core.c``: the errno of a ``blk_status_t``. Those from 14 on differ by kernel.
_ERRNO_NAMES: Mapping[int, str] = {
    1: "EOPNOTSUPP",
    2: "ETIMEDOUT",
    3: "ENOSPC",
    4: "ENOLINK",
    5: "EREMOTEIO",
    6: "EBADE",
    7: "ENODATA",
    8: "EILSEQ",
    9: "ENOMEM",
    10: "EIO",
    11: "EREMCHG",
    12: "EAGAIN",
    13: "EBUSY",
}
_SIGN = 1 << 31


def error_name(error: int, *, is_errno: bool) -> str:
    """Return the name of the error of ``block_rq_complete``; nothing for 0.

    >>> error_name(10, is_errno=False), error_name(-5, is_errno=True), error_name(2**32 - 5, is_errno=True)
    ('EIO', 'EIO', 'EIO')
    >>> error_name(17, is_errno=False), error_name(0, is_errno=True)
    ('blk_status 17', '')
    """
    if not error:
        return ""
    if is_errno:
        return name_of(abs((error + _SIGN) % (2 * _SIGN) - _SIGN))
    return _ERRNO_NAMES.get(error & 0xFF, f"blk_status {error & 0xFF}")
