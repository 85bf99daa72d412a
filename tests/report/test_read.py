import io
import json

import pytest

from kdiag.report.json_envelope import dump
from kdiag.report.layout import display_width
from kdiag.report.read import read_document, read_lines
from kdiag.report.terminal import Style
from kdiag.tools.read import read_trace
from kdiag.tools.trace_summary import TraceSummary
from tests.ftrace.captures import read
from tests.report.test_json_envelope import validate

NAMES = (
    "raw-missed.trace.txt",
    "openat-enoent.retval.txt",
    "read-ext4.retval-thresh100.txt",
    "probes.trace.txt",
)


def summary(name: str) -> TraceSummary:
    return read_trace(io.BytesIO(read("6.12-retval", name)), name)


@pytest.mark.parametrize("name", NAMES)
def test_the_document_is_what_its_schema_says(name: str) -> None:
    document = read_document(summary(name), name)
    validate(document, "read")
    assert json.loads(dump(document))["file"] == name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [60, 100])
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    for line in read_lines(summary(name), name, 10, 9, Style(width)):
        assert display_width(line) <= width


def test_the_tree_shows_where_the_error_went_through() -> None:
    text = "\n".join(read_lines(summary("openat-enoent.retval.txt"), "t", 5, 2, Style(100)))
    assert "By function, its own time first (the first 5 of 74)" in text
    assert "__x64_sys_openat  = -ENOENT\n" in text
    assert "      do_filp_open  = -ENOENT\n" in text
    assert "are not shown: --depth)" in text


def test_what_is_missing_comes_before_the_tables() -> None:
    lines = list(read_lines(summary("raw-missed.trace.txt"), "t", 5, 2, Style(200)))
    assert lines[1] == "lost: 0 events; 715 older ones were overwritten before the file was written"


def test_calls_of_one_function_in_a_row_are_folded_into_one_line() -> None:
    graph = b"# tracer: function_graph\n 0)               |  f() {\n" + b" 0)   1.500 us    |    g();\n" * 3
    found = read_trace(io.BytesIO(graph + b" 0)   9.000 us    |  }\n"), "t")
    tree = list(read_lines(found, "t", 5, 5, Style(100)))[-2:]
    assert tree == ["     9 us   4.50 us  f", "  4.50 us              g x3"]


def test_names_cannot_write_to_the_terminal() -> None:
    line = b"      evil\x1b[31m x-7       [000] ..... 1.000000: ev: a\n"
    found = read_trace(io.BytesIO(line), "t\x1b[0m")
    text = "\n".join(read_lines(found, "t\x1b[0m", 5, 5, Style(100)))
    assert "\x1b" not in text
    assert "evil\\x1b[31m x" in text
