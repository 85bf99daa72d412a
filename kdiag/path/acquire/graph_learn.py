"""Learn, then narrow: which functions a few calls go through, so that the rest of the system pays nothing.

An unfiltered function_graph hooks every function of the kernel for everybody, whatever pids are traced (a
loop of system calls ran 4.4 times slower on an idle CPU in measurements). A filter on the functions of the
call leaves the others at full speed, but hides a function that first appears later. So learning goes on until
calls bring nothing new, and begins again when a call fails in a way that was not seen while learning: the
failing path is what the user is after.
"""

from typing import Dict, Iterable, Optional, Set

__all__ = ["Learner"]

#: Calls that must have brought nothing new, and the least number of calls, before a filter is set.
_QUIET_CALLS = 8
_LEAST_CALLS = 16
#: After so many calls, or so long after the first one, no more is learnt: others are being slowed down.
_MOST_CALLS = 256
_MOST_NS = 3_000_000_000
#: Calls with a new error that are seen in full before the filter is set again.
_FAILING_CALLS = 4


class Learner:
    """Says when the trace should be narrowed, to what, and when it must be widened again."""

    def __init__(self) -> None:
        self.functions: Dict[str, None] = {}
        self.calls = 0
        self.narrowed = False
        self.learnt_calls = 0
        self._quiet = 0
        self._first_ns: Optional[int] = None
        self._errors: Set[int] = set()
        self._awaits: Dict[int, int] = {}

    def saw(self, functions: Iterable[str], errno: Optional[int], now_ns: int) -> None:
        """Take a call that ended: the functions worth keeping, and the errno that it failed with, if any."""
        self.calls += 1
        known = errno is None or errno in self._errors
        if self.narrowed:
            if not known and errno is not None:
                self._awaits[errno] = _FAILING_CALLS
            return
        self.learnt_calls += 1
        if self._first_ns is None:
            self._first_ns = now_ns
        before = len(self.functions)
        self.functions.update(dict.fromkeys(functions))
        self._quiet = self._quiet + 1 if len(self.functions) == before else 0
        if errno is not None:
            self._errors.add(errno)
            if errno in self._awaits:
                self._awaits[errno] -= 1
                if self._awaits[errno] <= 0:
                    del self._awaits[errno]

    def may_narrow(self, now_ns: int) -> bool:
        """Tell whether enough is known: the set has been quiet, or learning has taken long enough."""
        if self.narrowed or self._first_ns is None:
            return False
        if now_ns - self._first_ns >= _MOST_NS or self.learnt_calls >= _MOST_CALLS:
            return True
        return not self._awaits and self.learnt_calls >= _LEAST_CALLS and self._quiet >= _QUIET_CALLS

    def must_widen(self) -> bool:
        """Tell whether a call failed in a way that was not seen while learning."""
        return self.narrowed and bool(self._awaits)

    def narrow(self) -> None:
        """The filter is set."""
        self.narrowed = True
        self._awaits.clear()

    def widen(self, now_ns: int) -> None:
        """The filter is gone; what is known stays known."""
        self.narrowed = False
        self._quiet = 0
        self._first_ns = now_ns
