"""Stacks in one line each with their own time, as flamegraph.pl and speedscope read them.

``root;caller;function 1234``: the number is nanoseconds of the function itself. flamegraph.pl
(github.com/brendangregg/FlameGraph) splits at ``;`` and takes the number after the last blank.
"""

from typing import Dict, Iterator, List, Tuple

from kdiag.path.call import Call, SyscallCall
from kdiag.report.escape import printable

__all__ = ["folded_lines", "own_times"]


def folded_lines(call: SyscallCall) -> Iterator[str]:
    """Yield a line for each stack that took time, callers first."""
    for stack, ns in own_times(call).items():
        yield f"{';'.join(_word(name) for name in stack)} {ns}"


def own_times(call: SyscallCall) -> Dict[Tuple[str, ...], int]:
    """Return ns of each stack itself; what does not fit into its caller's time is cut to it.

    Together they are the time of the call. Calls whose time is not known have none of their own.
    """
    times: Dict[Tuple[str, ...], int] = {}
    root = call.root
    if root is None or call.duration_ns is None:
        return times
    open_calls: List[Tuple[Call, Tuple[str, ...], int]] = [(root, (_name(root),), call.duration_ns)]
    while open_calls:
        current, stack, budget = open_calls.pop()
        left, inner = budget, []
        for child in current.children:
            share = min(left, _known_ns(child))
            left -= share
            inner.append((child, (*stack, _name(child)), share))
        if left:
            times[stack] = times.get(stack, 0) + left
        open_calls.extend(reversed(inner))
    return times


def _known_ns(call: Call) -> int:
    if call.duration_ns is not None:
        return call.duration_ns
    return sum(_known_ns(child) for child in call.children)


def _name(call: Call) -> str:
    return f"{call.function} [{call.module}]" if call.module else call.function


def _word(name: str) -> str:
    """Return a name that cannot be taken for two."""
    return printable(name).replace(";", "\\x3b")
