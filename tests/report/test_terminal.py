import io
import os
import pty
from typing import Dict, Optional

import pytest

from kdiag.report.terminal import Style, style_of


class Screen(io.StringIO):
    """A terminal without a window: its descriptor is not that of a terminal."""

    encoding = "utf-8"

    def __init__(self, encoding: Optional[str] = "utf-8", descriptor: int = -1) -> None:
        super().__init__()
        self.encoding = encoding  # type: ignore[assignment]
        self._descriptor = descriptor

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor


@pytest.mark.parametrize(
    ("columns", "width"),
    [("200", 200), ("0", 80), ("wide", 80), ("-5", 80), ("7", 40), ("9" * 5000, 80), ("", 80), ("²", 80)],
)
def test_columns_has_the_last_word_if_it_makes_sense(columns: str, width: int) -> None:
    assert style_of(Screen(), {"COLUMNS": columns}).width == width


def test_a_pipe_is_120_wide_and_without_colour() -> None:
    style = style_of(io.StringIO(), {"TERM": "xterm"})
    assert (style.width, style.colour) == (120, False)
    assert style_of(io.StringIO(), {"COLUMNS": "90"}).width == 90


def test_a_terminal_is_as_wide_as_it_says_and_80_if_it_says_0() -> None:
    import fcntl
    import struct
    import termios

    leader, follower = pty.openpty()
    try:
        assert style_of(Screen(descriptor=follower), {}).width == 80
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 132, 0, 0))
        assert style_of(Screen(descriptor=follower), {}).width == 132
    finally:
        os.close(leader)
        os.close(follower)


@pytest.mark.parametrize(
    ("environment", "colour"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),  # no-color.org: "when present and not an empty string"
    ],
)
def test_colour_is_for_terminals_that_want_it(environment: Dict[str, str], colour: bool) -> None:
    assert style_of(Screen(), environment).colour is colour


@pytest.mark.parametrize("encoding", [None, "no-such-encoding", "ascii"])
def test_where_the_encoding_is_poor_everything_is_ascii(encoding: Optional[str]) -> None:
    style = style_of(Screen(encoding), {})
    assert style.ellipsis == "..."
    assert style.safe("größe\x1b 木") == r"gr\xf6\xdfe\x1b \u6728"


def test_nothing_is_painted_where_there_is_nothing_to_see() -> None:
    assert Style(colour=True).paint("critical", "") == ""
