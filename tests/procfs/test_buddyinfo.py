import pytest

from kdiag.procfs.buddyinfo import BuddyZone, parse_buddyinfo
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

BUDDYINFO_6_18 = b"""\
Node 0, zone      DMA      0      0      0      0      0      0      0      0      1      1      3 
Node 0, zone    DMA32      1      2      4      2      5      4      3      3      4      2    752 
Node 0, zone   Normal    757    357    105    243    476    278    180    106     71     49     70 
"""  # noqa: W291 (the kernel ends each line with a blank)
WANTED = "Node N, zone NAME followed by numbers"


def test_free_blocks_are_read_by_node_zone_and_order() -> None:
    parsed = parse_buddyinfo(BUDDYINFO_6_18)
    assert [(zone.node, zone.zone) for zone in parsed.zones] == [(0, "DMA"), (0, "DMA32"), (0, "Normal")]
    assert parsed.zones[1].free_blocks == (1, 2, 4, 2, 5, 4, 3, 3, 4, 2, 752)
    assert parsed.problems == ()


def test_free_pages_agree_with_what_zoneinfo_said_at_the_same_time() -> None:
    assert [zone.free_pages for zone in parse_buddyinfo(BUDDYINFO_6_18).zones[:2]] == [3840, 772917]


def test_blocks_from_an_order_on_are_counted() -> None:
    zone = BuddyZone(0, "Normal", (757, 357, 105, 243, 0, 0, 0))
    assert (zone.free_blocks_from(0), zone.free_blocks_from(3), zone.free_blocks_from(4)) == (1462, 243, 0)
    assert zone.free_blocks_from(11) == 0


@pytest.mark.parametrize("orders", [1, 9, 11, 14, 16])
def test_the_number_of_orders_is_the_kernels_choice(orders: int) -> None:
    line = b"Node 3, zone  HighMem" + b"      1" * orders + b" \n"
    assert parse_buddyinfo(line).zones == (BuddyZone(3, "HighMem", (1,) * orders),)


@pytest.mark.parametrize(
    "line",
    [b"Node x, zone DMA 1 2", b"Node 0, zone DMA", b"Node 0, zone DMA 1 x", b"Node 0, zone DMA 1 -2", b""],
)
def test_a_bad_line_is_named_and_the_others_survive(line: bytes) -> None:
    data = b"Node 0, zone DMA 1 2 \n" + line + b"\nNode 1, zone DMA 3 4 \n"
    parsed = parse_buddyinfo(data, "/r/proc/buddyinfo")
    assert parsed.problems == (Problem("/r/proc/buddyinfo", 2, line.decode(), WANTED),)
    assert parsed.zones == (BuddyZone(0, "DMA", (1, 2)), BuddyZone(1, "DMA", (3, 4)))


def test_block_counts_are_exact_beyond_32_and_64_bits() -> None:
    parsed = parse_buddyinfo(b"Node 0, zone Normal %d %d \n" % (2**32, 2**64))
    assert parsed.zones[0].free_blocks == (2**32, 2**64)


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_buddyinfo, BUDDYINFO_6_18)
    holds_for_any_bytes(parse_buddyinfo, BUDDYINFO_6_18)
