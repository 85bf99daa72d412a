from typing import Any, Callable

import pytest

from kdiag.procfs.sysctl import (
    DentryState,
    FileNr,
    InodeState,
    Integers,
    TcpMem,
    parse_dentry_state,
    parse_file_nr,
    parse_inode_state,
    parse_integer,
    parse_integers,
    parse_tcp_mem,
)
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

PATH = "/proc/sys/vm/x"
CUT_OFF = "a newline at the end (file cut off)"
RECORDS = [parse_dentry_state, parse_file_nr, parse_inode_state, parse_tcp_mem]


@pytest.mark.parametrize("value", [0, -1, 2**32 - 1, 2**32, 2**63 - 1, 2**64 - 1, 2**64, -(2**63)])
def test_a_single_number_is_exact_at_the_limits_of_the_kernels_types(value: int) -> None:
    assert parse_integer(b"%d\n" % value, PATH) == (value, ())


@pytest.mark.parametrize(
    ("data", "problems"),
    [
        (b"", (Problem(PATH, 1, "", "one whole number"),)),
        (b"\n", (Problem(PATH, 1, "", "one whole number"),)),
        (b"max\n", (Problem(PATH, 1, "max", "one whole number"),)),
        (b"1_0\n", (Problem(PATH, 1, "1_0", "one whole number"),)),
        (b"4 4\n", (Problem(PATH, 1, "4 4", "one whole number"),)),
        (b"60", (Problem(PATH, 1, "60", CUT_OFF),)),
    ],
)
def test_anything_but_one_whole_line_with_one_number_is_none_and_named(
    data: bytes, problems: "tuple[Problem, ...]"
) -> None:
    assert parse_integer(data, PATH) == (None, problems)


def test_a_second_line_is_named_and_the_first_survives() -> None:
    assert parse_integer(b"5\n6\n", PATH) == (5, (Problem(PATH, 2, "6", "no second line"),))


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (b"32768\t60999\n", (32768, 60999)),  # net/ipv4/ip_local_port_range
        (b"4\t4\t1\t7\n", (4, 4, 1, 7)),  # kernel/printk
        (b"32000 1024000000 500 32000\n", (32000, 1024000000, 500, 32000)),
        (b"-1\t%d\n" % 2**64, (-1, 2**64)),
    ],
)
def test_several_columns_are_read_whatever_stands_between_them(
    data: bytes, values: "tuple[int, ...]"
) -> None:
    assert parse_integers(data, PATH) == Integers(values)


def test_one_bad_column_spoils_the_line_because_the_others_might_have_moved() -> None:
    assert parse_integers(b"1\tx\t3\n", PATH) == ((), (Problem(PATH, 1, "1\tx\t3", "whole numbers"),))


def test_file_nr_names_its_columns() -> None:
    assert parse_file_nr(b"413\t0\t9223372036854775807\n") == FileNr(413, 0, 2**63 - 1, ())


def test_inode_nr_is_the_first_two_columns_of_inode_state() -> None:
    assert parse_inode_state(b"14082\t7\t1\t0\t0\t0\t0\n") == InodeState(14082, 7, 1, (0, 0, 0, 0))
    assert parse_inode_state(b"14083\t8\n", "/proc/sys/fs/inode-nr") == InodeState(14083, 8, None, ())


def test_dentry_state_names_its_columns_and_the_fifth_by_both_of_its_meanings() -> None:
    assert parse_dentry_state(b"17069\t15708\t45\t0\t2827\t0\n") == DentryState(
        17069, 15708, 45, 0, 2827, 0, ()
    )
    assert parse_dentry_state(b"17069\t15708\t45\t0\t0\t0\n").nr_negative_or_dummy == 0  # 4.18: not counted


def test_tcp_mem_is_in_pages() -> None:
    assert parse_tcp_mem(b"287901\t383868\t575802\n") == TcpMem(287901, 383868, 575802, ())


@pytest.mark.parametrize("parse", RECORDS)
def test_columns_of_a_later_kernel_survive(parse: Callable[[bytes, str], Any]) -> None:
    parsed = parse(b"1 2 3 4 5 6 7 8\n", PATH)
    assert parsed.problems == ()
    assert (parsed[0], parsed[1], parsed.extra[-2:]) == (1, 2, (7, 8))


@pytest.mark.parametrize("parse", RECORDS)
@pytest.mark.parametrize("value", [2**32 - 1, 2**32, 2**64 - 1, 2**64])
def test_columns_are_exact_at_the_limits_of_the_kernels_types(
    parse: Callable[[bytes, str], Any], value: int
) -> None:
    assert parse(b"%d\t" % value * 6 + b"\n", PATH)[:2] == (value, value)


@pytest.mark.parametrize(
    ("parse", "least"),
    [(parse_dentry_state, 6), (parse_file_nr, 3), (parse_inode_state, 2), (parse_tcp_mem, 3)],
)
def test_a_line_that_is_too_short_is_all_none_and_named(
    parse: Callable[[bytes, str], Any], least: int
) -> None:
    parsed = parse(b"1\n", PATH)
    assert set(parsed[:-2]) == {None}
    assert parsed.extra == ()
    assert parsed.problems == (Problem(PATH, 1, "1", f"{least} or more whole numbers"),)


@pytest.mark.parametrize("parse", [*RECORDS, parse_integer, parse_integers])
def test_it_survives_any_input(parse: Callable[[bytes, str], Any]) -> None:
    sample = b"409600\n" if parse is parse_integer else b"17069\t15708\t45\t0\t2827\t0\n"
    assert parse(sample, PATH).problems == ()
    holds_when_cut_anywhere(parse, sample)
    holds_for_any_bytes(parse, sample, examples=60)
