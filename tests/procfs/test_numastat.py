import pytest

from kdiag.procfs.numastat import NumaStat, parse_numastat
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

NUMASTAT_6_18 = b"""\
numa_hit 801817
numa_miss 3
numa_foreign 7
interleave_hit 1124
local_node 801810
other_node 10
"""


def test_all_counters_are_read() -> None:
    assert parse_numastat(NUMASTAT_6_18) == NumaStat(801817, 3, 7, 1124, 801810, 10, {})


def test_a_counter_that_is_missing_is_none_and_a_new_one_is_kept() -> None:
    assert parse_numastat(b"numa_hit 5\nnuma_new 6\n") == NumaStat(
        5, None, None, None, None, None, {"numa_new": 6}
    )


@pytest.mark.parametrize("line", [b"numa_miss", b"numa_miss -3", b"numa_miss x", b""])
def test_a_bad_line_is_named_and_the_others_survive(line: bytes) -> None:
    parsed = parse_numastat(b"numa_hit 5\n" + line + b"\nother_node 6\n", "/r/numastat")
    assert parsed.problems == (Problem("/r/numastat", 2, line.decode(), "key N"),)
    assert (parsed.numa_hit_pages, parsed.numa_miss_pages, parsed.other_node_pages) == (5, None, 6)


@pytest.mark.parametrize("count", [2**32, 2**64])
def test_counters_are_exact_beyond_32_and_64_bits(count: int) -> None:
    assert parse_numastat(b"numa_hit %d\n" % count).numa_hit_pages == count


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_numastat, NUMASTAT_6_18)
    holds_for_any_bytes(parse_numastat, NUMASTAT_6_18)
