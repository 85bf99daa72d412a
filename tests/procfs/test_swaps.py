import pytest

from kdiag.procfs.swaps import SwapArea, parse_swaps
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

# As swap_show of mm/swapfile.c prints it: names padded to 40, wide columns since sizes became long.
SWAPS = (
    b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
    b"/dev/dm-1                               partition\t8388604\t\t524\t\t-2\n"
    b"/dev/zram0                              partition\t12342044\t51200\t\t100\n"
    b"/swap\\040files/a\\011b                    file\t\t1048572\t\t0\t\t-3\n"
    b"/swap/old\\040(deleted)                  file\t\t1048572\t\t96\t\t-4\n"
)
# 3.10: one tab between the columns.
SWAPS_3_10 = b"Filename\t\t\t\tType\t\tSize\tUsed\tPriority\n/dev/sda2  partition\t2097148\t0\t-1\n"


def test_areas_are_read_in_the_kernels_order_with_their_names_unescaped() -> None:
    parsed = parse_swaps(SWAPS)
    assert parsed.areas == (
        SwapArea("/dev/dm-1", "partition", 8388604, 524, -2),
        SwapArea("/dev/zram0", "partition", 12342044, 51200, 100),
        SwapArea("/swap files/a\tb", "file", 1048572, 0, -3),
        SwapArea("/swap/old (deleted)", "file", 1048572, 96, -4),
    )
    assert parsed.problems == ()


def test_the_narrow_columns_of_older_kernels_are_read() -> None:
    assert parse_swaps(SWAPS_3_10).areas == (SwapArea("/dev/sda2", "partition", 2097148, 0, -1),)


def test_swap_that_lives_in_memory_is_told_apart() -> None:
    assert [area.is_zram for area in parse_swaps(SWAPS).areas] == [False, True, False, False]


def test_no_swap_is_an_empty_tuple_and_no_problem() -> None:
    parsed = parse_swaps(SWAPS[: SWAPS.index(b"\n") + 1])
    assert (parsed.areas, parsed.problems) == ((), ())


def test_a_sixth_column_survives() -> None:
    parsed = parse_swaps(b"/dev/a partition 4 2 -1 new\n")
    assert parsed.areas == (SwapArea("/dev/a", "partition", 4, 2, -1, ("new",)),)


@pytest.mark.parametrize(
    "line", [b"/dev/b partition 4 2", b"/dev/b partition 4 -2 1", b"/dev/b partition x 2 1", b""]
)
def test_a_bad_line_is_named_and_the_others_survive(line: bytes) -> None:
    parsed = parse_swaps(SWAPS_3_10 + line + b"\n/dev/c file 8 0 5\n", "/r/proc/swaps")
    assert parsed.problems == (
        Problem("/r/proc/swaps", 3, line.decode(), "FILENAME TYPE SIZE USED PRIORITY"),
    )
    assert [area.name for area in parsed.areas] == ["/dev/sda2", "/dev/c"]


@pytest.mark.parametrize("size", [2**32, 2**64])
def test_sizes_are_exact_at_the_edge_of_32_and_64_bits(size: int) -> None:
    assert parse_swaps(b"/a file %d %d 0\n" % (size, size)).areas == (SwapArea("/a", "file", size, size, 0),)


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_swaps, SWAPS)
    holds_for_any_bytes(parse_swaps, SWAPS)
