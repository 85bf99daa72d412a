"""Files that the user of kdiag wrote for it, on the machine where it runs (not the host looked at)."""

import os
import stat
from typing import Optional

__all__ = ["SITE_THRESHOLDS", "read_settings"]

#: Thresholds of this site, taken for live hosts if the file is there.
SITE_THRESHOLDS = "/etc/kdiag/thresholds.ini"

_MAX_BYTES = 1 << 20


def read_settings(path: str, optional: bool = False) -> Optional[str]:
    """Return the text of a settings file; ``None`` if it is ``optional`` and not there.

    Raises ``OSError`` if it cannot be read, and ``ValueError`` if it is no regular file, too long, or no
    UTF-8 text. A FIFO is not waited for.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        if optional:
            return None
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError(f"{path}: not a regular file")
        data = os.read(descriptor, _MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > _MAX_BYTES:
        raise ValueError(f"{path}: longer than {_MAX_BYTES} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text ({error})") from None
