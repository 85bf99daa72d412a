"""Where an error was born: the deepest function that first returned what the system call returned.

An error is handed up: each caller returns what it was given. So the search follows the functions that
returned the errno down from the root. Traps, each of which the recorded captures have:

- A function that returns ``void`` leaves anything in the register, also what looks like an error. It counts
  only where its caller returned the error as well, and not if by its name it only releases, locks or tells
  the time.
- A function may return an error that it was *given*: ``link_path_walk(ERR_PTR(-ENOENT), nd)`` comes
  straight back. With arguments that is seen. Without, it is doubted for the functions that are known to do
  so (:data:`HANDS_BACK`), where they called nothing.
- The function that made it may be inlined into its caller. Then the caller is named, and that this is so.
- An error may have been dealt with: one returned it, the caller went on with something else, and another
  returned the same later. The later one counts.
"""

import re
from typing import Dict, Iterator, List, Mapping, Optional, Tuple

from kdiag.ftrace.retval import retval_errno
from kdiag.path.acquire.graph_functions import is_silent
from kdiag.path.call import Call, SyscallCall
from kdiag.path.interrupts import gives_cpu_away, is_interrupt
from kdiag.records import NamedTuple

__all__ = ["HANDS_BACK", "PARTIAL", "ErrorOrigin", "error_origin"]

#: Functions that return an ERR_PTR that they are given, and since when (fs/namei.c).
HANDS_BACK: Mapping[str, str] = {
    "do_file_open": "its name may be the ERR_PTR of getname()",
    "do_filp_open": "its name may be the ERR_PTR of getname()",
    "filename_lookup": "its name may be the ERR_PTR of getname()",
    "link_path_walk": "its name may be the ERR_PTR of path_init() or of open_last_lookups()",
}

NOTHING_SEEN = "nothing inside of the call was seen"

#: A note of a root below which only some functions can be seen.
PARTIAL = "only functions that have a probe are shown"

#: How sure it is.
EXACT, FIRST_SEEN, INFERRED, UNKNOWN = "exact", "first seen", "inferred", "unknown"

#: A note of stitched calls: all that was seen from there on only released something (stitch_calls).
_RELEASING = re.compile(r"was to release things, from (\S+(?: < \S+)+) on$")
_ARGUMENT = re.compile(r"=\s*(0x[0-9a-f]+|-?\d+)(?=[,)\s]|$)")


class ErrorOrigin(NamedTuple):
    """``function`` is where the error was born, ``callers`` those that handed it up, innermost first.

    ``certainty``: *exact*: it returned the error, was not given it, and nothing below it returned it (what it
    inlined counts as it). *first seen*: it is the first that returned it, but may have been given it.
    *inferred*: concluded from what was seen, in ``words``. *unknown*: nothing tells (``function`` is empty).
    ``inlined``: what made the error is not a function of its own, but compiled into ``function``.
    ``handed_back`` are functions that only gave back what they were given.
    """

    errno: int
    certainty: str
    function: str = ""
    module: Optional[str] = None
    callers: Tuple[str, ...] = ()
    inlined: bool = False
    handed_back: Tuple[str, ...] = ()
    words: str = ""


def error_origin(call: SyscallCall) -> Optional[ErrorOrigin]:
    """Return where the error of a call was born, ``None`` if it did not fail."""
    errno, root = call.errno, call.root
    if errno is None:
        return None
    if root is None:
        return ErrorOrigin(errno, UNKNOWN, words=NOTHING_SEEN)
    if any(child.inferred for child in root.children):
        return _inferred(root, errno)
    if not _any_retval(root):
        if not root.children:
            return ErrorOrigin(errno, UNKNOWN, words=NOTHING_SEEN)
        return ErrorOrigin(
            errno, UNKNOWN, words="this kernel showed no return values (no funcgraph-retval, no probes)"
        )
    return _followed(root, errno)


def failing_calls(root: Call, errno: int) -> List[Call]:
    """Return the calls through which the error was handed up, from the root to where it was born."""
    way = [root]
    while True:
        following = _next(way[-1], errno)
        if following is None:
            return way
        way.append(following)


def _followed(root: Call, errno: int) -> ErrorOrigin:
    way = failing_calls(root, errno)
    handed_back: List[str] = []
    last = way[-1]
    # What only gave back what it was given has not made the error: whoever called it has.
    while len(way) > 1 and not last.children and _was_given(last, errno):
        handed_back.append(last.function)
        way.pop()
        last = way[-1]
    doubted = not handed_back and len(way) > 1 and last.function in HANDS_BACK and not last.children
    others = [name for name in _given_elsewhere(way, errno) if name not in handed_back]
    callers = tuple(each.function for each in reversed(way[:-1]))
    words = ""
    if doubted and not last.args:
        words = f"{last.function} may only hand back what it was given: {HANDS_BACK[last.function]}"
    certainty = FIRST_SEEN if words else EXACT
    inlined = bool(handed_back) or (last is root and bool(root.children))
    unknown = [
        child.function
        for child in last.children
        if child.retval is None and not _is_aside(child.function) and not is_silent(child.function, errno)
    ]
    if unknown:
        certainty = FIRST_SEEN
        words = f"what {', '.join(dict.fromkeys(unknown[:4]))} returned is not known"
    if certainty == EXACT and PARTIAL in root.notes:
        certainty, words = FIRST_SEEN, "a function without a probe may have made it"
    return ErrorOrigin(
        errno,
        certainty,
        last.function,
        last.module,
        callers,
        inlined,
        tuple(dict.fromkeys([*handed_back, *others])),
        words,
    )


def _next(caller: Call, errno: int) -> Optional[Call]:
    """Return the call below ``caller`` that gave it the error, or ``None``: it made the error itself."""
    found: Optional[Call] = None
    went_on = False
    for child in caller.children:
        if _is_aside(child.function):
            continue
        if child.retval is not None and retval_errno(child.retval) == errno:
            if is_silent(child.function, errno):
                continue
            if found is None or (went_on and not _may_hand_back(child, errno)):
                found, went_on = child, False
        elif not is_silent(child.function, errno):
            went_on = True
    return found


def _may_hand_back(call: Call, errno: int) -> bool:
    return not call.children and (call.function in HANDS_BACK or _was_given(call, errno))


def _was_given(call: Call, errno: int) -> bool:
    """Tell whether one of the arguments is the error.

    >>> _was_given(Call("link_path_walk", args="name=0xfffffffffffffffe, nd=0xffa0000000323da0"), 2)
    True
    >>> _was_given(Call("f", args="flags=4294967294, n=2"), 2), _was_given(Call("f", args="error=-2"), 2)
    (True, True)
    """
    return any(retval_errno(int(text, 0)) == errno for text in _ARGUMENT.findall(call.args))


def _given_elsewhere(way: List[Call], errno: int) -> Iterator[str]:
    """Yield what returned the error beside the way, having been given it."""
    for caller, inner in zip(way, [*way[1:], None]):
        for child in caller.children:
            if child is inner or child.retval is None or retval_errno(child.retval) != errno:
                continue
            if _may_hand_back(child, errno):
                yield child.function


def _any_retval(root: Call) -> bool:
    return any(call.retval is not None for depth, call in root.walk() if depth)


def _is_aside(function: str) -> bool:
    return is_interrupt(function) or gives_cpu_away(function)


def _inferred(root: Call, errno: int) -> ErrorOrigin:
    """Return what stacks of events tell: one may have said the error, else only the last one is known."""
    path: Dict[int, Tuple[Call, ...]] = {id(root): ()}
    for _, call in root.walk():
        above = path[id(call)]
        for child in call.children:
            path[id(child)] = (call, *above)
        if call is not root and call.retval is not None and retval_errno(call.retval) == errno:
            words = next((note for note in call.notes if note.startswith("here ")), "an event said so")
            callers = tuple(each.function for each in above)
            return ErrorOrigin(errno, INFERRED, call.function, call.module, callers, words=words)
    for note in root.notes:
        found = _RELEASING.search(note)
        if found:
            way = found[1].split(" < ")
            return ErrorOrigin(errno, INFERRED, way[1], None, (*way[2:], root.function), words=note)
    words = "; ".join(note for note in root.notes if "last seen" in note)
    return ErrorOrigin(errno, UNKNOWN, words=words or "no event on the way said so")
