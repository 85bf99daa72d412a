"""Rows of ends, whoever tells of them."""

from typing import Any, Iterator, Mapping, Optional

from kdiag.kernel.flags import decode
from kdiag.tools.exitsnoop import ExitRow

__all__ = ["Rows"]

#: Of a wait status (``include/uapi/linux/wait.h``, ``do_exit`` in ``kernel/exit.c``).
_SIGNAL, _CORE = 0x7F, 0x80


class Rows:
    """Makes rows, with times after the first end."""

    def __init__(self, options: Mapping[str, Any], machine: str) -> None:
        self._only_failed: bool = options["failed"]
        self._machine = machine
        self._first_ns: Optional[int] = None

    def row(
        self,
        end_ns: int,
        pid: int,
        tid: Optional[int],
        parent_pid: Optional[int],
        comm: str,
        lived_ns: Optional[int],
        status: Optional[int],
        *,
        knows_core: bool = True,
    ) -> Iterator[ExitRow]:
        """Yield the row of an end, unless it is not asked for; ``status`` is as wait(2) tells it."""
        if self._first_ns is None:
            self._first_ns = end_ns
        if self._only_failed and status == 0:
            return
        code = signal = core = None
        if status is not None:
            killed = status & _SIGNAL
            signal = decode("signal", killed, self._machine) if killed else None
            core = bool(status & _CORE) if killed and knows_core else None
            code = None if killed else status >> 8 & 0xFF
        yield ExitRow(end_ns - self._first_ns, pid, tid, parent_pid, comm, lived_ns, code, signal, core)
