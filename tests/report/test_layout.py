from typing import List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdiag.report.layout import Column, display_width, pad, shorten, table_lines, wrap
from kdiag.report.terminal import Style

TEXT = st.text(st.sampled_from("ab /-木é\u0301"), max_size=60)


def lines(width: int, *columns: Column) -> List[str]:
    return list(table_lines(columns, Style(width)))


def test_numbers_stand_to_the_right_and_names_to_the_left() -> None:
    columns = (Column("disk", ["sda", "nvme0n1"]), Column("reads/s", ["7", "12345"], right=True))
    assert lines(80, *columns) == [
        "disk     reads/s",
        "sda            7",
        "nvme0n1    12345",
    ]


def test_wide_characters_take_two_columns_and_combining_marks_none() -> None:
    columns = (Column("name", ["木木", "e\u0301", "abcd"]), Column("n", ["1", "2", "3"]))
    assert lines(80, *columns) == ["name  n", "木木  1", "e\u0301     2", "abcd  3"]


def test_the_last_column_is_wrapped_if_it_is_prose() -> None:
    columns = (
        Column("id", ["mem.psi"]),
        Column("what", ["time in which tasks wait for memory to come back"]),
    )
    assert lines(40, *columns) == [
        "id       what",
        "mem.psi  time in which tasks wait for",
        "         memory to come back",
    ]


def test_prose_in_a_table_ends_after_three_lines() -> None:
    columns = (Column("pid", ["1"], right=True), Column("command", ["word " * 100]))
    shown = lines(40, *columns)
    assert len(shown) == 4
    assert shown[-1].endswith("…")


def test_the_widest_name_is_cut_first_and_a_path_keeps_its_end() -> None:
    columns = (
        Column("comm", ["a-rather-long-name"]),
        Column("mount", ["/var/lib/containers/storage/overlay/0123456789/merged"]),
        Column("%free", ["12.0"], right=True),
    )
    assert lines(60, *columns) == [
        "comm                mount                              %free",
        "a-rather-long-name  /var/lib/contain…123456789/merged   12.0",
    ]


def test_columns_at_the_right_end_are_left_out_and_named() -> None:
    columns = [Column(f"column{number}", ["1234567890"], right=True) for number in range(6)]
    assert lines(40, *columns) == [
        "   column0     column1     column2",
        "1234567890  1234567890  1234567890",
        "(left out at 40 columns: column3,",
        " column4, column5)",
    ]


def test_a_number_is_never_cut() -> None:
    columns = (Column("name", ["x" * 50]), Column("n", ["123456789012345678901234567890"], right=True))
    assert lines(56, *columns) == [
        "name" + " " * 51 + "n",
        "xxxxxxxxxxxxxxxxxxxxxxx…  123456789012345678901234567890",
    ]


def test_the_first_column_is_kept_readable_rather_than_the_last_one_kept() -> None:
    columns = (
        Column("path", ["/sys/devices/system/node/node0/meminfo"]),
        Column("parser", ["meminfo:parse_node_meminfo"]),
        Column("when", ["last"]),
    )
    assert lines(40, *columns) == [
        "path                      parser",
        "/sys/devices…de0/meminfo  meminfo:parse…",
        "(left out at 40 columns: when)",
    ]


def test_a_column_may_ask_to_be_cut_less_than_others() -> None:
    path = "/proc/sys/net/netfilter/nf_conntrack_count"
    columns = (Column("path", [path], least=35), Column("parser", ["sysctl:parse_integer"]))
    assert lines(49, *columns) == [
        "path                                 parser",
        "/proc/sys/net/net…f_conntrack_count  sysctl:pars…",
    ]


def test_columns_of_one_width_are_cut_alike() -> None:
    columns = (
        Column("id", ["cpu.psi"]),
        Column("what", ["x" * 40]),
        Column("thresholds", ["y" * 40]),
    )
    assert lines(59, *columns) == [
        "id       what                      thresholds",
        "cpu.psi  xxxxxxxxxxxxxxxxxxxxxxx…  yyyyyyyyyyyyyyyyyyyyyyy…",
    ]


def test_prose_is_wrapped_as_narrow_as_a_name_before_it_is_left_out() -> None:
    columns = (
        Column("PID", ["1", "2"], right=True),
        Column("RSS", ["123456789012345 MiB", "1 MiB"], right=True),
        Column("command", ["tmux: server of somebody", "[kworker/u8:1-ext4-rsv-conversion]"]),
    )
    assert lines(40, *columns) == [
        "PID                  RSS  command",
        "  1  123456789012345 MiB  tmux: server",
        "                          of somebody",
        "  2                1 MiB  [kworker/u8:1-",
        "                          ext4-rsv-conve",
        "                          rsion]",
    ]


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("木木木", 4, "木…"),
        ("/dev/mapper/vg-root", 9, "/dev…root"),
        ("anything", 1, "…"),
    ],
)
def test_a_text_is_cut_to_its_width(text: str, width: int, shown: str) -> None:
    assert shorten(text, width, "…") == shown


def test_double_blanks_stay_within_a_line() -> None:
    assert wrap("WARNING  io.psi  full avg60 is high", 25, 9) == [
        "WARNING  io.psi  full",
        "         avg60 is high",
    ]


def test_a_word_longer_than_a_line_is_broken() -> None:
    assert wrap("see /a/very/long/path", 10, 2) == ["see", "  /a/very/", "  long/pat", "  h"]


@given(TEXT, st.integers(12, 60), st.integers(0, 9))
def test_no_wrapped_line_is_too_wide_and_no_letter_is_lost(text: str, width: int, indent: int) -> None:
    wrapped = wrap(text, width, indent)
    assert max(display_width(line) for line in wrapped) <= width
    assert "".join(wrapped).replace(" ", "") == text.replace(" ", "")


@given(TEXT, st.integers(3, 40), st.sampled_from(["…", "..."]))
def test_a_cut_text_fits(text: str, width: int, ellipsis: str) -> None:
    assert display_width(shorten(text, width, ellipsis)) <= width


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=4), st.integers(40, 100))
def test_no_table_is_wider_than_the_terminal(rows: List[List[str]], width: int) -> None:
    columns = [Column(f"c{index}", [row[index] for row in rows]) for index in range(3)]
    for line in table_lines(columns, Style(width)):
        assert display_width(line) <= width


def test_padding_counts_columns_not_characters() -> None:
    assert (pad("木", 4), pad("木", 4, right=True)) == ("木  ", "  木")
