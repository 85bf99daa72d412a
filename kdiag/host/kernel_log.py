"""What the kernel writes to its log while something is tried: the reason behind many an EPERM.

Lockdown refuses with EPERM, as a lack of capabilities does, but says so in the log (``Lockdown: NAME: use of
kprobes is restricted``; ``security/lockdown/lockdown.c``), though not each time. Reading ``/dev/kmsg`` may
take CAP_SYSLOG, and containers have none: then there are no lines, and nothing is known of what was written.
"""

import os
from typing import List, Optional, Tuple

__all__ = ["KernelLog"]

_PATH = "/dev/kmsg"
#: A record has at most ``CONSOLE_EXT_LOG_MAX`` bytes; a read with a smaller buffer fails.
_RECORD_BYTES = 8 << 10
#: More than that is a log that is flooded.
_MAX_RECORDS = 10_000


class KernelLog:
    """The log from now on; a context manager.

    >>> with KernelLog("/nonexistent") as log:
    ...     log.new_lines("Lockdown:")
    ()
    """

    def __init__(self, path: str = _PATH) -> None:
        self._descriptor: Optional[int] = None
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._descriptor, 0, os.SEEK_END)
        except OSError:
            # It explains a failure and never causes one.
            self.close()

    def __enter__(self) -> "KernelLog":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def new_lines(self, start: str = "") -> Tuple[str, ...]:
        """Return the lines that were written since the last call and begin with ``start``, oldest first."""
        found: List[str] = []
        if self._descriptor is None:
            return ()
        for _ in range(_MAX_RECORDS):
            try:
                record = os.read(self._descriptor, _RECORD_BYTES)
            except BrokenPipeError:  # records were overwritten before they were read; go on with the oldest
                continue
            except OSError:  # EAGAIN: that is all
                break
            if not record:
                break
            text = _text_of(record)
            if text.startswith(start):
                found.append(text)
        return tuple(found)

    def close(self) -> None:
        """Close the log."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _text_of(record: bytes) -> str:
    r"""Return the text of a record (``Documentation/ABI/testing/dev-kmsg``).

    >>> _text_of(b"5,339,5140900,-;Lockdown: python3: use of kprobes is restricted\n SUBSYSTEM=x\n")
    'Lockdown: python3: use of kprobes is restricted'
    """
    return record.partition(b";")[2].partition(b"\n")[0].decode("utf-8", "replace")
