"""What one run of ``kdiag path`` has to show: the capture, and the summary that was made of its calls."""

from typing import Callable, Optional

from kdiag.path.call import Capture, Lost, Outcome, SyscallCall
from kdiag.path.mechanisms import WHOLE
from kdiag.path.summary import Summary
from kdiag.records import NamedTuple

__all__ = ["PathResult", "summarize"]


class PathResult(NamedTuple):
    """``asked`` is what was asked for ("openat", "all system calls"); the capture's calls are used up.

    ``started_ns`` is wall-clock time since the epoch, ``duration_s`` how long it was watched.
    """

    asked: str
    capture: Capture
    summary: Summary
    started_ns: Optional[int] = None
    duration_s: Optional[float] = None

    @property
    def outcome(self) -> Outcome:
        """How it went."""
        return self.capture.outcome or Outcome()

    @property
    def lost(self) -> Lost:
        """What is missing."""
        return self.outcome.lost


def summarize(
    asked: str,
    capture: Capture,
    *,
    which: str = "slowest",
    nth: int = 1,
    each: Callable[[SyscallCall], None] = lambda _: None,
) -> PathResult:
    """Take all calls of a capture, which ends it; ``each`` is handed every call as well."""
    summary = Summary(which, nth, whole=capture.mechanism.name in WHOLE)
    summary.feed(capture.calls, each)
    if capture.outcome is not None and capture.outcome.sums:
        summary.add_sums(capture.outcome.sums)
    return PathResult(asked, capture, summary)
