"""What the reader's terminal can show: how wide it is, whether in colour, and in which characters.

Colour is for a terminal only, never with NO_COLOR (https://no-color.org) and never on TERM=dumb. Without a
terminal (a pipe, a file, a ticket) lines may be 120 wide; COLUMNS has the last word.
"""

import os
import re
from typing import Mapping, TextIO

from kdiag.records import NamedTuple
from kdiag.report import escape

__all__ = ["Style", "style_of"]

_WIDTH_OF_FILES = 120
_WIDTH_OF_SHY_TERMINALS = 80
#: Narrower than this, there is no room for a label and a word beside it.
_LEAST_WIDTH = 40
_MOST_WIDTH = 1000
_COLUMNS = r"0*[1-9][0-9]{0,5}\Z"

#: Select Graphic Rendition (ECMA-48) for each status and for the report's own parts.
_COLOURS = {
    "critical": "1;31",
    "warning": "1;33",
    "unknown": "35",
    "info": "36",
    "ok": "32",
    "n/a": "2",
    "title": "1",
    "header": "4",
}


class Style(NamedTuple):
    """How to write for one reader. ``encoding`` is one that Python knows."""

    width: int = 80
    colour: bool = False
    encoding: str = "utf-8"

    def paint(self, kind: str, text: str) -> str:
        r"""Return ``text`` in the colour of a status or part (a key of the table above), if there is colour.

        >>> Style(colour=True).paint("ok", "well"), Style().paint("ok", "well")
        ('\x1b[32mwell\x1b[0m', 'well')
        """
        return f"\x1b[{_COLOURS[kind]}m{text}\x1b[0m" if self.colour and text else text

    def safe(self, text: str) -> str:
        r"""Return ``text`` as one printable line in characters that the reader has.

        >>> print(Style(encoding="ascii").safe("größe\n"))
        gr\xf6\xdfe\x0a
        """
        return escape.encodable(escape.printable(text), self.encoding)

    @property
    def ellipsis(self) -> str:
        """The mark for text left out.

        >>> Style(encoding="ascii").ellipsis
        '...'
        """
        return "…" if escape.encodable("…", self.encoding) == "…" else "..."


def style_of(stream: TextIO, environment: Mapping[str, str]) -> Style:
    """Return the style for a stream."""
    terminal = stream.isatty()
    colour = terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
    return Style(_width(stream, terminal, environment.get("COLUMNS", "")), colour, _encoding(stream))


def _width(stream: TextIO, terminal: bool, columns: str) -> int:
    if re.match(_COLUMNS, columns):
        width = int(columns)
    elif terminal:
        width = _width_of_terminal(stream.fileno())
    else:
        width = _WIDTH_OF_FILES
    return max(_LEAST_WIDTH, min(width, _MOST_WIDTH))


def _width_of_terminal(descriptor: int) -> int:
    try:
        # A serial console that nobody told its size says 0.
        return os.get_terminal_size(descriptor).columns or _WIDTH_OF_SHY_TERMINALS
    except OSError:
        return _WIDTH_OF_SHY_TERMINALS


def _encoding(stream: TextIO) -> str:
    encoding = getattr(stream, "encoding", None) or "ascii"
    try:
        "".encode(encoding)
    except LookupError:
        return "ascii"
    return str(encoding)
