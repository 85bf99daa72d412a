from typing import List

from kdiag.procfs.one_line import one_line
from kdiag.procfs.text import Problem


def test_a_whole_line_comes_without_its_newline() -> None:
    problems: List[Problem] = []
    assert one_line(b"1 2\n", "/proc/x", "numbers", problems) == b"1 2"
    assert one_line(b"\n", "/proc/x", "numbers", problems) == b""
    assert problems == []


def test_a_line_that_was_cut_off_is_not_used() -> None:
    problems: List[Problem] = []
    assert one_line(b"1 2", "/proc/x", "numbers", problems) is None
    assert problems == [Problem("/proc/x", 1, "1 2", "a newline at the end (file cut off)")]


def test_an_empty_file_lacks_what_was_wanted() -> None:
    problems: List[Problem] = []
    assert one_line(b"", "/proc/x", "numbers", problems) is None
    assert problems == [Problem("/proc/x", 1, "", "numbers")]


def test_further_lines_are_named_and_the_first_is_used() -> None:
    problems: List[Problem] = []
    assert one_line(b"1\n2\n3", "/proc/x", "numbers", problems) == b"1"
    assert problems == [
        Problem("/proc/x", 3, "3", "a newline at the end (file cut off)"),
        Problem("/proc/x", 2, "2", "nothing after the first line"),
    ]
