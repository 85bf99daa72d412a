from typing import Tuple

import pytest

from kdiag.procfs.bracketed_choice import BracketedChoice, parse_bracketed_choice
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

DEFRAG_6_18 = b"always defer defer+madvise [madvise] never\n"
WANTED = "words with one of them in brackets"


@pytest.mark.parametrize(
    ("data", "chosen", "choices"),
    [
        (b"always [madvise] never\n", "madvise", ("always", "madvise", "never")),
        (DEFRAG_6_18, "madvise", ("always", "defer", "defer+madvise", "madvise", "never")),
        (b"none [mq-deadline] kyber bfq \n", "mq-deadline", ("none", "mq-deadline", "kyber", "bfq")),
        (b"noop deadline [cfq] \n", "cfq", ("noop", "deadline", "cfq")),  # 3.10
        (b"none [integrity] confidentiality\n", "integrity", ("none", "integrity", "confidentiality")),
        (b"[none] \n", "none", ("none",)),
    ],
)
def test_the_word_in_brackets_is_in_force(data: bytes, chosen: str, choices: Tuple[str, ...]) -> None:
    assert parse_bracketed_choice(data) == BracketedChoice(chosen, choices)


def test_a_word_that_stands_alone_is_in_force_without_brackets() -> None:
    # What elv_iosched_show of block/elevator.c prints for a disk whose scheduler cannot be set.
    assert parse_bracketed_choice(b"none\n") == BracketedChoice("none", ("none",))


@pytest.mark.parametrize("line", [b"", b"always never", b"[always] [never]", b"a [] b"])
def test_without_exactly_one_choice_nothing_is_guessed(line: bytes) -> None:
    parsed = parse_bracketed_choice(line + b"\n", "/r/enabled")
    assert parsed == BracketedChoice(None, (), (Problem("/r/enabled", 1, line.decode(), WANTED),))


def test_an_empty_file_is_a_problem() -> None:
    assert parse_bracketed_choice(b"", "/r/enabled").problems == (Problem("/r/enabled", 1, "", WANTED),)


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_bracketed_choice, DEFRAG_6_18)
    holds_for_any_bytes(parse_bracketed_choice, DEFRAG_6_18)
