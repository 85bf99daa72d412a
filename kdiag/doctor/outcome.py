"""How a trial ends if it does not work: refused, or not even tried."""

import errno
import os
import re
from typing import Optional

from kdiag.ftrace.tracefs import TraceFsError

__all__ = ["NOT_NEEDED", "NotTried", "Refused", "refused_by_errno", "refused_by_tracefs"]

#: The detail of what was not tried because nobody would miss it.
NOT_NEEDED = "not needed"
_NOT_PERMITTED = (errno.EPERM, errno.EACCES)
_TO_ROOT = "refused to root, too: by lockdown, a security module or a container"
_TO_ROOT_REMEDY = "whoever set that policy has to allow it; most of it takes another boot"
#: Instances of one run are named by its process, which says nothing to a reader.
_OWN_INSTANCE = re.compile(r"^.*/instances/kdiag-[\d-]+(?:/|$)")


class Refused(Exception):
    """It was tried, and does not work: what was seen, what that means, and how to get it if that is known."""

    def __init__(self, detail: str, why: str = "", remedy: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.why = why
        self.remedy = remedy


class NotTried(Refused):
    """Trying it would have disturbed somebody, or is not possible from here."""


def refused_by_errno(where: str, number: Optional[int], euid: Optional[int], why: str = "") -> Refused:
    """Return the refusal for an errno of the kernel; what a lack of privilege means depends on who asks.

    >>> refused_by_errno("bpf(MAP_CREATE)", errno.EPERM, 1000).why
    'this takes root'
    """
    number = number or errno.EIO
    detail = f"{errno.errorcode.get(number, number)} on {where}"
    if number in _NOT_PERMITTED:
        if euid != 0:
            return Refused(detail, "this takes root", "run as root")
        return Refused(detail, _TO_ROOT, _TO_ROOT_REMEDY)
    return Refused(detail, why or os.strerror(number).lower())


def refused_by_tracefs(error: TraceFsError, euid: Optional[int], why: str = "") -> Refused:
    """Return the refusal for an access to tracefs, with the kernel's own words if it has any."""
    own = _OWN_INSTANCE.match(error.path)
    where = "mkdir of an instance" if own and own.end() == len(error.path) else error.path
    if own and own.end() < len(error.path):
        where = f"{error.path[own.end() :]} of a private instance"
    if error.errno == errno.ENOENT and error.written is None:
        why = why or "built without it"
    refused = refused_by_errno(where, error.errno, euid, why)
    if error.kernel_log:
        said = error.kernel_log.split("\n")[0]
        refused.detail += f"; {said}"
        refused.why = why or said
    return refused
