"""The quick reader and click go by one table of options: what the quick one takes, click reads the same."""

from typing import Any, Dict, List, Tuple

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdiag.cli import commands
from kdiag.cli.options import CHECK, SNAPSHOT, Option
from kdiag.cli.quick import read_quickly

VALUES = {
    "seconds": ["0.5", "3", "1e1", "nan", "-1", "x", "", "0"],
    "count": ["5", "0", "-3", "007", "x", ""],
    "choice": ["critical", "worst", ""],
    "text": ["/", "here", "", "--json", "a=b"],
    "texts": ["cpu", "memory", ""],
}


def words_of(option: Option) -> "st.SearchStrategy[List[str]]":
    if option.kind == "flag":
        return st.sampled_from([[option.flag], [f"{option.flag}=1"]])
    values = st.sampled_from(VALUES[option.kind])
    return st.one_of(
        values.map(lambda text: [option.flag, text]), values.map(lambda text: [f"{option.flag}={text}"])
    )


def lines_of(command: str, options: Tuple[Option, ...]) -> "st.SearchStrategy[Tuple[str, List[str]]]":
    words = st.lists(st.sampled_from(options).flatmap(words_of), max_size=4)
    return words.map(lambda parts: (command, [word for part in parts for word in part]))


def with_click(command: str, words: List[str]) -> Dict[str, Any]:
    parsed = commands.command_group().commands[command].make_context(command, list(words))
    return dict(parsed.params)


@given(st.one_of(lines_of("snapshot", SNAPSHOT), lines_of("check", CHECK)))
def test_what_is_read_quickly_is_what_click_reads(line: Tuple[str, List[str]]) -> None:
    command, words = line
    request = read_quickly([command, *words])
    if request is not None:
        assert (request.command, request.values) == (command, with_click(command, words))


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["explain"],
        ["snapshot", "stray"],
        ["--interval", "soon"],
        ["--top"],
        ["--no-such"],
        ["-h"],
    ],
)
def test_what_needs_words_is_left_to_click(words: List[str]) -> None:
    assert read_quickly(words) is None


def test_nothing_is_the_same_as_snapshot() -> None:
    assert read_quickly([]) == read_quickly(["snapshot"])


def test_click_refuses_what_the_quick_reader_refuses() -> None:
    for words in (["--interval", "soon"], ["--top", "0"], ["--fail-on", "worst"], ["--no-such"]):
        with pytest.raises(click.UsageError):
            with_click("snapshot", words)
