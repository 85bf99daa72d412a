"""The tree of one call as text: total and own time, what was folded and left out, what failed.

Marks before a name: ``!`` returned the error of the call, ``~`` was seen on stacks (its time is a lower
bound), ``?`` an end of it is not in the trace. Leaves of one name in a row are one line with ``xN``; what is
shorter than ``min_ns`` is one line a caller, so that the times shown still add up. The way to the error is
always shown.
"""

from typing import FrozenSet, Iterator, List, Optional, Tuple, Union

from kdiag.kernel.errno_names import name_of
from kdiag.path.call import Call, SyscallCall
from kdiag.path.error_origin import failing_calls
from kdiag.path.interrupts import is_interrupt
from kdiag.records import NamedTuple
from kdiag.report.layout import pad, shorten, wrap
from kdiag.report.terminal import Style
from kdiag.report.units import UNKNOWN, duration

__all__ = ["DEFAULT_LINES", "TreeView", "time_text", "tree_lines"]

#: Longer trees hide calls of less than the whole by :data:`_DEFAULT_SHARE`, unless the user says otherwise.
DEFAULT_LINES = 60
_DEFAULT_SHARE = 100
_NUMBER = 8
_MOST_NOTES = 3
_SEEN_ON_STACKS = "(~ seen on stacks: the time is a lower bound, none where it was seen but once)"


class TreeView(NamedTuple):
    """What to show: down to ``depth`` (``None``: all), none shorter than ``min_ns`` (``None``: see above).

    What interrupts called is shown with ``interrupts`` only.
    """

    depth: Optional[int] = None
    min_ns: Optional[int] = None
    interrupts: bool = False


class _Folded(NamedTuple):
    """Several calls of one caller in one line: what they are called, how many, their times."""

    label: str
    hits: int
    total_ns: Optional[int]
    self_ns: Optional[int]
    mark: str = " "
    notes: Tuple[str, ...] = ()


_Shown = Union[Call, _Folded]


def time_text(ns: Optional[int]) -> str:
    """Return a time as people say it.

    >>> time_text(1234), time_text(None), time_text(0)
    ('1.23 us', '-', '0')
    """
    return UNKNOWN if ns is None else duration(ns / 1e9)


def tree_lines(call: SyscallCall, view: TreeView, style: Style) -> Iterator[str]:
    """Yield the lines of the tree, with a line of headers."""
    root = call.root
    if root is None:
        return
    min_ns = view.min_ns
    if min_ns is None:
        long = (
            sum(1 for _ in _rows(root, _Hide(view.depth, 0, frozenset(), view.interrupts), DEFAULT_LINES))
            > DEFAULT_LINES
        )
        min_ns = (call.duration_ns or 0) // _DEFAULT_SHARE if long else 0
    way = failing_calls(root, call.errno) if call.errno is not None and not _inferred(root) else [root]
    on_the_way = frozenset(id(each) for each in way)
    hide = _Hide(view.depth, min_ns, on_the_way, view.interrupts, asked=view.min_ns is not None)
    if min_ns and view.min_ns is None:
        text = f"(calls under {time_text(min_ns)} are folded together; --min-us 0 shows all)"
        yield from wrap(style.safe(text), style.width, indent=1)
    if any(each.inferred for _, each in root.walk()):
        yield from wrap(style.safe(_SEEN_ON_STACKS), style.width, indent=1)
    yield style.paint("header", f"{'total':>{_NUMBER}}  {'self':>{_NUMBER}}    function")
    failing = hide.always if len(way) > 1 or call.errno is not None else frozenset()
    for depth, row in _rows(root, hide):
        yield _line(depth, row, call, failing, style)


class _Hide(NamedTuple):
    depth: Optional[int]
    min_ns: int
    always: FrozenSet[int]
    interrupts: bool = False
    asked: bool = False
    """The user named the bound, so it holds for lower bounds, and for what has notes, too."""


def _rows(root: Call, hide: _Hide, most: Optional[int] = None) -> Iterator[Tuple[int, _Shown]]:
    """Yield what is shown, with its depth, callers first; ``most`` bounds how many are made."""
    stack: List[Tuple[int, _Shown]] = [(0, root)]
    made = 0
    while stack and (most is None or made <= most):
        depth, row = stack.pop()
        yield depth, row
        made += 1
        if isinstance(row, _Folded) or not row.children:
            continue
        if depth and not hide.interrupts and is_interrupt(row.function):
            below = sum(1 for _ in row.walk()) - 1
            stack.append((depth + 1, _Folded(f"({_calls(below)} of an interrupt)", below, None, None)))
            continue
        if hide.depth is not None and depth + 1 >= hide.depth:
            below = sum(1 for _ in row.walk()) - 1
            on_the_way = any(id(each) in hide.always for each in row.children)
            if not on_the_way:
                stack.append((depth + 1, _Folded(f"({_calls(below)} deeper)", below, None, None)))
                continue
        stack.extend((depth + 1, shown) for shown in reversed(_folded(row.children, hide)))


def _folded(children: List[Call], hide: _Hide) -> List[_Shown]:
    """Return what is shown of what a function called: leaves in a row as one, short ones as one."""
    shown: List[_Shown] = []
    short: List[Call] = []
    at = 0
    while at < len(children):
        call = children[at]
        end = at + 1
        if not call.children and id(call) not in hide.always:
            while end < len(children) and _same_leaf(call, children[end], hide):
                end += 1
        row = children[at:end]
        at = end
        if hide.min_ns and all(_is_short(each, hide) for each in row):
            short += row
        else:
            shown.append(call if len(row) == 1 else _fold(call.function, row))
    if short:
        if len(short) == 1:
            shown.append(short[0])
        else:
            total = sum(each.duration_ns or 0 for each in short)
            label = f"({_calls(sum(each.hits for each in short))} under {time_text(hide.min_ns)})"
            shown.append(_Folded(label, 1, total, None))
    return shown


def _same_leaf(one: Call, other: Call, hide: _Hide) -> bool:
    return (
        not other.children
        and other.function == one.function
        and other.module == one.module
        and not other.notes
        and not one.notes
        and id(other) not in hide.always
        and other.inferred == one.inferred
    )


def _fold(label: str, row: List[Call]) -> _Folded:
    times = [each.duration_ns for each in row]
    known = [each for each in times if each is not None]
    total = sum(known) if len(known) == len(times) else None
    module = f" [{row[0].module}]" if row[0].module else ""
    return _Folded(label + module, sum(each.hits for each in row), total, total, _mark(row[0], False))


def _is_short(call: Call, hide: _Hide) -> bool:
    if id(call) in hide.always or call.duration_ns is None or call.duration_ns >= hide.min_ns:
        return False
    # Where times are lower bounds, how deep a call went is worth more than its time: to the driver, or not.
    return hide.asked or not (call.notes or (call.inferred and call.children))


def _line(depth: int, row: _Shown, call: SyscallCall, failing: FrozenSet[int], style: Style) -> str:
    if isinstance(row, _Folded):
        total, own, mark = row.total_ns, row.self_ns, row.mark
        text = row.label + (f" x{row.hits}" if row.hits > 1 and not row.label.startswith("(") else "")
        bad = False
    else:
        total, own = row.duration_ns, row.self_ns
        if row.inferred and not total:
            total = own = None  # it was seen at one moment only
        bad = id(row) in failing
        mark = _mark(row, bad)
        text = _told(row, call, bad)
        if row.inferred and row.children:
            own = None  # what lies between two stacks may be of anything below
    times = f"{_column(total)}  {_column(own)}  {mark} "
    room = max(24, style.width - len(times) - 2 * depth)
    shown = shorten(style.safe(text), room, style.ellipsis)
    line = times + "  " * depth + shown
    return style.paint("warning", line) if bad else line


def _told(row: Call, call: SyscallCall, bad: bool) -> str:
    module = f" [{row.module}]" if row.module else ""
    hits = f" x{row.hits}" if row.hits > 1 else ""
    value = ""
    if bad and row.retval is not None and call.errno is not None:
        value = f" = -{name_of(call.errno)}"
    notes = [note for note in row.notes if row is not call.root][:_MOST_NOTES]
    lost = [
        what
        for what, is_lost in (("its begin is not seen", row.begin_lost), ("no end", row.end_lost))
        if is_lost
    ]
    told = "; ".join([*lost, *notes])
    return f"{row.function}{module}{hits}{value}" + (f"  -- {told}" if told else "")


def _mark(row: Call, bad: bool) -> str:
    if bad:
        return "!"
    if row.begin_lost or row.end_lost:
        return "?"
    return "~" if row.inferred else " "


def _column(ns: Optional[int]) -> str:
    return pad(time_text(ns), _NUMBER, right=True)


def _calls(number: int) -> str:
    return f"{number} call" + ("" if number == 1 else "s")


def _inferred(root: Call) -> bool:
    return any(child.inferred for child in root.children)
