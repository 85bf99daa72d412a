"""Text laid out in a given width: aligned tables, wrapped paragraphs, cut-off names.

tabulate is not used for the terminal: importing it costs several times what laying out a whole snapshot
costs here, and it cannot be told a width. A table that is too wide gives way in this order: the last
column, if it is prose, is wrapped; the widest text columns are cut short; prose is wrapped as narrow as a
name; columns at the right end are left out, and named. A number is never cut: it would be another number.

East Asian wide characters take two columns (UAX #11), combining marks none.
"""

from typing import Iterator, List, Sequence, Tuple

from kdiag.records import NamedTuple
from kdiag.report.terminal import Style

__all__ = ["Column", "display_width", "led_lines", "pad", "shorten", "table_lines", "wrap"]

_GAP = 2
#: How short a name may be cut, one in the first column, and how narrow prose is wrapped if there is room.
_LEAST_TEXT, _LEAST_FIRST, _LEAST_PROSE = 12, 24, 24
_MOST_LINES_OF_A_CELL = 3


class Column(NamedTuple):
    """A column of a table: its cells as safe text.

    ``right`` is for numbers, which are never cut. No text is cut shorter than ``least``.
    """

    header: str
    cells: Sequence[str]
    right: bool = False
    least: int = _LEAST_TEXT


def display_width(text: str) -> int:
    r"""Return how many columns of a terminal a text takes.

    >>> display_width("sda"), display_width("木"), display_width("e\u0301")
    (3, 2, 1)
    """
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def pad(text: str, width: int, right: bool = False) -> str:
    """Return ``text`` with blanks up to ``width``, before it if it is to stand to the right.

    >>> pad("7", 3, right=True), pad("木", 3)
    ('  7', '木 ')
    """
    blanks = " " * (width - display_width(text))
    return blanks + text if right else text + blanks


def shorten(text: str, width: int, ellipsis: str) -> str:
    """Return ``text`` in at most ``width`` columns. A path keeps its end, which tells it from its neighbours.

    >>> shorten("a long name", 8, "…"), shorten("/var/lib/docker/overlay2", 12, "…")
    ('a long …', '/var/l…rlay2')
    """
    if display_width(text) <= width:
        return text
    room = max(0, width - display_width(ellipsis))
    tail = room // 2 if text.startswith("/") else 0
    return _head(text, room - tail) + ellipsis[:width] + _head(text[::-1], tail)[::-1]


def wrap(text: str, width: int, indent: int = 0, most: int = 0, ellipsis: str = "") -> List[str]:
    """Break ``text`` at blanks into lines of at most ``width``; the ``indent`` is for all but the first.

    A word longer than a line is broken. Beyond ``most`` lines the text is cut off, with the ellipsis.

    >>> wrap("next  look at the slowest disk", 16, indent=6)
    ['next  look at', '      the', '      slowest', '      disk']
    """
    lines: List[str] = []
    rest = text
    while display_width(rest) > width:
        cut = _break(rest, width)
        lines.append(rest[:cut].rstrip(" "))
        rest = " " * indent + rest[cut:].lstrip(" ")
    lines.append(rest)
    if most and len(lines) > most:
        lines[most - 1 :] = [_head(lines[most - 1], width - display_width(ellipsis)) + ellipsis]
    return lines


def led_lines(kind: str, lead: str, rest: str, style: Style, indent: int = 2, most: int = 0) -> Iterator[str]:
    """Yield ``lead``, in the colour of ``kind``, and ``rest`` after it, wrapped as :func:`wrap` does."""
    first, *others = wrap(lead + rest, style.width, indent, most, style.ellipsis)
    yield style.paint(kind, first[: len(lead)]) + first[len(lead) :]
    yield from others


def table_lines(columns: Sequence[Column], style: Style) -> Iterator[str]:
    """Yield the lines of a table that is no wider than the style's width: its header, and its rows.

    What had to be left out is named below.
    """
    kept, widths = _fit(columns, style.width)
    shown, left_out = columns[:kept], columns[kept:]
    prose = _is_prose(shown[-1])
    headers = [
        pad(shorten(column.header, width, style.ellipsis), width, column.right)
        for column, width in zip(shown, widths)
    ]
    yield style.paint("header", (" " * _GAP).join(headers).rstrip())
    for row in zip(*(column.cells for column in shown)):
        last = (
            wrap(row[-1], widths[-1], 0, _MOST_LINES_OF_A_CELL, style.ellipsis)
            if prose
            else [shorten(row[-1], widths[-1], style.ellipsis)]
        )
        cells = [shorten(cell, width, style.ellipsis) for cell, width in zip(row[:-1], widths)]
        padded = [
            pad(cell, width, column.right) for cell, width, column in zip([*cells, last[0]], widths, shown)
        ]
        yield (" " * _GAP).join(padded).rstrip()
        indent = " " * (sum(widths[:-1]) + _GAP * (kept - 1))
        yield from (indent + line for line in last[1:])
    if left_out:
        names = ", ".join(column.header for column in left_out)
        yield from wrap(f"(left out at {style.width} columns: {names})", style.width, indent=1)


def _fit(columns: Sequence[Column], width: int) -> Tuple[int, List[int]]:
    """Return how many columns can be shown, and how wide each is then."""
    natural = [max(display_width(text) for text in (column.header, *column.cells)) for column in columns]
    for kept in range(len(columns), 0, -1):
        room = width - _GAP * (kept - 1)
        # One name with a blank in it makes prose of a column of names: narrow prose beats none.
        for prose in (_LEAST_PROSE, _LEAST_TEXT):
            least = [
                _least(column, wide, first=index == 0, prose=prose if index == kept - 1 else 0)
                for index, (column, wide) in enumerate(zip(columns[:kept], natural))
            ]
            if sum(least) <= room:
                return kept, _shrink(natural[:kept], least, room)
    return 1, [width]


def _least(column: Column, natural: int, first: bool, prose: int) -> int:
    """Return how far a column may give way; the first one tells the rows apart and gives way less.

    ``prose`` is how far it may if it holds prose, 0 if that is not asked.
    """
    if column.right:
        return natural
    least = prose if prose and _is_prose(column) else _LEAST_FIRST if first else column.least
    return min(natural, max(least, column.least, display_width(column.header)))


def _shrink(natural: List[int], least: List[int], room: int) -> List[int]:
    """Take from the widest column that can still give, until the rest fits."""
    widths = list(natural)
    while sum(widths) > room:
        giving = [index for index, width in enumerate(widths) if width > least[index]]
        widest = max(giving, key=widths.__getitem__)
        others = [widths[index] for index in giving if index != widest]
        # Down to the next one at once; those that are as wide then give way by turns.
        step = widths[widest] - max([least[widest], *others])
        widths[widest] -= min(max(step, 1), sum(widths) - room)
    return widths


def _is_prose(column: Column) -> bool:
    return not column.right and any(" " in cell for cell in column.cells)


def _break(text: str, width: int) -> int:
    """Return where to cut a text that is wider than ``width``."""
    start = len(text) - len(text.lstrip(" "))
    end = len(_head(text, width))
    blank = end if text[end : end + 1] == " " else text.rfind(" ", start, end)
    # At least one character goes on each line, or it would never end.
    return max(blank if blank > start else end, start + 1)


def _head(text: str, width: int) -> str:
    """Return as much of the beginning of ``text`` as ``width`` columns hold."""
    if text.isascii():
        return text[: max(0, width)]
    used = 0
    for index, char in enumerate(text):
        used += display_width(char)
        if used > width:
            return text[:index]
    return text
