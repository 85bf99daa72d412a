from typing import List

from kdiag.procfs.flat_keyed import flat_keyed
from kdiag.procfs.text import Problem


def test_numbers_keep_the_order_of_the_file() -> None:
    problems: List[Problem] = []
    assert list(flat_keyed(b"b 2\na 1\n", "x", problems).items()) == [("b", 2), ("a", 1)]
    assert problems == []


def test_a_bad_line_is_named_and_the_others_survive() -> None:
    problems: List[Problem] = []
    assert flat_keyed(b"a 1\n b\nc\nd 1 2\ne 5\n", "x", problems) == {"a": 1, "e": 5}
    assert problems == [
        Problem("x", 2, " b", "key N"),
        Problem("x", 3, "c", "key N"),
        Problem("x", 4, "d 1 2", "key N"),
    ]


def test_the_separator_can_be_another_one() -> None:
    problems: List[Problem] = []
    assert flat_keyed(b"a: 1\nb 2\n", "x", problems, separator=b": ") == {"a": 1}
    assert problems == [Problem("x", 2, "b 2", "key: N")]
