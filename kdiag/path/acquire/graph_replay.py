"""A failing call made once more by kdiag itself, to see what its functions return.

A command runs once: when its failing call has shown its functions, it is too late for probes. Calls that
only look something up by a path can be repeated without harm, in a child of kdiag's, with the same arguments.
Their error is told only if the repetition fails alike. What the first call brought into the caches makes the
second take a shorter way now and then; what holds for both is then the chain of functions that handed it up,
and what the same callers called in the same order.
"""

import os
import signal
import time
from difflib import SequenceMatcher
from typing import Dict, Iterator, List, Mapping, Optional, Tuple

from kdiag.ftrace.retval import retval_errno
from kdiag.path.acquire.graph_births import copy_returns
from kdiag.path.call import Call
from kdiag.records import NamedTuple

__all__ = ["Repeated", "Replay", "explain_by", "is_repeatable", "replay_of"]

#: Calls that only look, and how to fill in their arguments: a field of the event, or a buffer for the result.
_BUFFER = "\0"
_LOOKS: Mapping[str, Tuple[str, ...]] = {
    "access": ("filename", "mode"),
    "chdir": ("filename",),
    "faccessat": ("dfd", "filename", "mode"),
    "faccessat2": ("dfd", "filename", "mode", "flags"),
    "newfstatat": ("dfd", "filename", _BUFFER, "flag"),
    "newlstat": ("filename", _BUFFER),
    "newstat": ("filename", _BUFFER),
    "open": ("filename", "flags", "mode"),
    "openat": ("dfd", "filename", "flags", "mode"),
    "readlink": ("path", _BUFFER, "bufsiz"),
    "readlinkat": ("dfd", "pathname", _BUFFER, "bufsiz"),
    "statfs": ("pathname", _BUFFER),
    "statx": ("dfd", "filename", "flags", "mask", _BUFFER),
}
_MAKES = os.O_CREAT | os.O_TRUNC | getattr(os, "O_TMPFILE", 0o20200000) & ~os.O_DIRECTORY
_AT_FDCWD = -100
_BUFFER_BYTES = 1 << 16
_LONGEST_S = 3.0
_POLL_S = 0.01


def is_repeatable(syscall: str) -> bool:
    """Tell whether a call of this name may be repeated, its arguments allowing."""
    return syscall in _LOOKS


class Replay:
    """A child that waits to make a call; :meth:`go` lets it, and waits for its end."""

    def __init__(self, number: int, arguments: Tuple[object, ...]) -> None:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        words = [each if isinstance(each, bytes) else ctypes.c_long(int(str(each))) for each in arguments]
        go_read, self._go = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self._go)
                if os.read(go_read, 1):
                    libc.syscall(ctypes.c_long(number), *words)
            finally:
                os._exit(0)
        os.close(go_read)

    def go(self) -> None:
        """Have the call made."""
        os.write(self._go, b"\n")
        self.close()

    def close(self) -> None:
        """Wait for the child, ending it if it does not end; without :meth:`go` it makes no call."""
        if self._go < 0:
            return
        os.close(self._go)
        self._go = -1
        end = time.monotonic() + _LONGEST_S
        while not os.waitpid(self.pid, os.WNOHANG)[0]:
            if time.monotonic() >= end:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                return
            time.sleep(_POLL_S)


class Repeated(NamedTuple):
    """Arguments in the order in which the kernel takes them."""

    arguments: Tuple[object, ...]


def replay_of(syscall: str, values: Mapping[str, object], texts: Mapping[str, str]) -> Optional[Repeated]:
    """Return how to make a call once more, ``None`` where that may do something, or is not known.

    >>> values = {"dfd": -100, "filename": 4096, "flags": 0, "mode": 0}
    >>> replay_of("openat", values, {"filename": "/nosuch"})
    Repeated(arguments=(-100, b'/nosuch\\x00', 0, 0))
    >>> replay_of("openat", {**values, "flags": os.O_CREAT}, {"filename": "/nosuch"}) is None
    True
    """
    if syscall not in _LOOKS:
        return None
    arguments: List[object] = []
    for name in _LOOKS[syscall]:
        if name == _BUFFER:
            arguments.append(bytes(_BUFFER_BYTES))
            continue
        text, value = texts.get(name), values.get(name)
        if text is not None:
            arguments.append(os.fsencode(text) + b"\0")
            continue
        if not isinstance(value, int) or name in ("filename", "pathname", "path"):
            return None
        value = _int32(value)
        if (name == "dfd" and value != _AT_FDCWD) or (name == "bufsiz" and not 0 <= value <= _BUFFER_BYTES):
            return None
        if name == "flags" and syscall in ("open", "openat") and value & _MAKES:
            return None
        arguments.append(value)
    return Repeated(tuple(arguments))


def explain_by(repeated: Call, first: Call, errno: int) -> str:
    """Give the first call what its repetition returned; say in words how far both went the same way.

    Empty where nothing could be carried over.
    """
    if copy_returns(repeated, first):
        return "went the same way"
    chain = _chain(repeated, errno)
    pairs = _in_both(chain, first)
    if len(pairs) < 2:
        return ""
    for known, other in [*pairs, *_aligned(repeated, first)]:
        if other.retval is None:
            other.retval = known.retval
    return f"took another way in places, but through the same {len(pairs)} functions that handed the error up"


def _aligned(one: Call, other: Call) -> Iterator[Tuple[Call, Call]]:
    """Yield the calls of two trees that their callers, being the same, made in the same order."""
    stack = [(one, other)]
    while stack:
        first, second = stack.pop()
        yield first, second
        names = [child.function for child in first.children]
        twins = [child.function for child in second.children]
        for begin, twin, size in SequenceMatcher(None, names, twins, autojunk=False).get_matching_blocks():
            stack.extend(zip(first.children[begin : begin + size], second.children[twin : twin + size]))


def _chain(root: Call, errno: int) -> List[Call]:
    """Return the calls that returned the error, one below the other, the root first."""
    chain = [root]
    while True:
        failing = [
            child
            for child in chain[-1].children
            if child.retval is not None and retval_errno(child.retval) == errno
        ]
        if not failing:
            return chain
        chain.append(failing[-1])


def _in_both(chain: List[Call], other: Call) -> List[Tuple[Call, Call]]:
    """Return the calls of a chain that another tree has as well, in pairs; the last of several counts."""
    if chain[0].function != other.function:
        return []
    pairs = [(chain[0], other)]
    for call in chain[1:]:
        twins: Dict[str, Call] = {child.function: child for child in pairs[-1][1].children}
        twin = twins.get(call.function)
        if twin is None:
            return []
        pairs.append((call, twin))
    return pairs


def _int32(value: int) -> int:
    """Return what a C int makes of a register.

    >>> _int32(4294967196), _int32(0xFFFFFFFFFFFFFF9C), _int32(0o100)
    (-100, -100, 64)
    """
    return ((value & 0xFFFF_FFFF) ^ 0x8000_0000) - 0x8000_0000
