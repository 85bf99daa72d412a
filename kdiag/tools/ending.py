"""When a trace ends: the target is gone, its time is over, or the user has seen enough."""

import time
from typing import Callable, Optional

from kdiag.host.target import Target

__all__ = ["Ending"]

_POLL_S = 0.02


class Ending:
    """Asked again and again by whoever traces; ``why`` then says what ended it. Times count from its making.

    A command that was started ends with its first process. ``stop`` is asked for the user's wish.
    """

    def __init__(self, target: Optional[Target], for_s: Optional[float], stop: Callable[[], bool]) -> None:
        self.why = ""
        self._target = target
        self._stop = stop
        self._begin = time.monotonic()
        self._end = None if for_s is None else self._begin + for_s

    def __call__(self) -> bool:
        """Tell whether it is over."""
        if self._target is not None and self._target.ended():
            self.why = "the command ended" if self._target.started else "it ended"
        elif self._end is not None and time.monotonic() >= self._end:
            self.why = "its time was over"
        elif self._stop():
            self.why = "it was interrupted"
        return bool(self.why)

    @property
    def duration_s(self) -> float:
        """How long it lasted so far."""
        return time.monotonic() - self._begin

    def wait(self, gone: Callable[[], bool] = lambda: False) -> None:
        """Wait until it is over, or until something else is ``gone``."""
        while not self() and not gone():
            time.sleep(_POLL_S)
