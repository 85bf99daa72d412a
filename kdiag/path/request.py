"""What is asked of a mechanism: which calls, of whom, until when. One record, the same for every mechanism.

A mechanism is a module of :mod:`kdiag.path.acquire` with one function::

    def acquire(request: Request, host: Host, tracefs: Optional[TraceFs], target: Optional[Target],
                choice: Choice, stop: Callable[[], bool]) -> Capture

``calls`` of the capture is lazy: it sets everything up when the first call is asked for, releases the
target, and undoes everything when it ends or is closed. It ends when the target has ended, ``stop()`` is
true, ``request.for_s`` is over, or ``request.most_calls`` calls were seen; ``capture.outcome`` is then
complete. On a :class:`~kdiag.ftrace.tracefs.PlannedTraceFs` it sets up, undoes, and yields nothing. Target
``None`` is every process but kdiag itself.
"""

from typing import Callable, Optional, Tuple

from kdiag.records import NamedTuple

__all__ = ["CannotAcquire", "RawSink", "Request"]

#: Keeps a part of the raw capture: name of the file in the saved folder, bytes that are appended to it.
RawSink = Callable[[str, bytes], None]


class CannotAcquire(Exception):
    """A mechanism cannot see what was asked for: why, and what to do. Mechanisms raise classes of this."""


class Request(NamedTuple):
    """Which calls are wanted.

    ``syscalls`` are names as ``events/syscalls`` has them (``openat``, ``newstat``); ``function`` is a kernel
    function in place of them; with ``everything`` all system calls are wanted, and both are empty.
    ``wanted_errors`` says that it matters where an error was born: return values are then worth their cost.
    ``raw`` takes the raw capture, where it is to be saved.
    """

    syscalls: Tuple[str, ...] = ()
    function: str = ""
    everything: bool = False
    for_s: Optional[float] = None
    most_calls: Optional[int] = None
    most_depth: Optional[int] = None
    narrow: bool = True
    wanted_errors: bool = True
    buffer_kib_per_cpu: Optional[int] = None
    machine: str = ""
    """``uname -m`` of the host: system calls have other names and numbers elsewhere."""
    raw: Optional[RawSink] = None

    @property
    def shown(self) -> str:
        """What users call it.

        >>> Request(("openat", "open")).shown, Request(everything=True).shown
        ('openat, open', 'all system calls')
        """
        return self.function or ", ".join(self.syscalls) or "all system calls"
