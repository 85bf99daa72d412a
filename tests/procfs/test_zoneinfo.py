import time

import pytest

from kdiag.procfs.text import Problem
from kdiag.procfs.zoneinfo import Zone, parse_zoneinfo
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

# 6.18, shortened: the first zone of a node carries the node's counters, an empty zone ends early.
ZONEINFO_6_18 = b"""\
Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 1203
      nr_mapped    2663
  pages free     3840
        boost    0
        min      66
        low      82
        high     98
        promo    114
        spanned  4095
        present  3998
        managed  3840
        cma      0
        protection: (0, 3019, 3787, 3787, 3787)
      nr_free_pages 3840
      nr_mlock     0
  pagesets
    cpu: 0
              count:    0
              high:     252
              batch:    1
  vm stats threshold: 4
  node_unreclaimable:  0
  start_pfn:           1
Node 0, zone  Movable
  pages free     0
        boost    0
        min      32
        low      32
        high     32
        promo    32
        spanned  0
        present  0
        managed  0
        cma      0
        protection: (0, 0, 0, 0, 0)
"""
# 3.10: no counters of the node, those of the zone before its protection.
ZONEINFO_3_10 = b"""\
Node 1, zone   Normal
  pages free     5120
        min      59
        low      73
        high     88
        scanned  0
        spanned  4095
        present  3998
        managed  3977
    nr_free_pages 5120
    nr_dirty     3
        protection: (0, 2862, 3872)
  pagesets
    cpu: 0
              count: 7
              high:  186
              batch: 31
  vm stats threshold: 6
  all_unreclaimable: 1
  start_pfn:         1
  inactive_ratio:    1
"""


def test_free_pages_and_watermarks_are_read_for_each_zone() -> None:
    parsed = parse_zoneinfo(ZONEINFO_6_18)
    beyond = {"boost": 0, "promo": 114, "spanned": 4095, "cma": 0, "nr_free_pages": 3840, "nr_mlock": 0}
    empty = {"boost": 0, "promo": 32, "spanned": 0, "cma": 0}
    assert parsed.zones == (
        Zone(0, "DMA", 3840, 66, 82, 98, 3998, 3840, (0, 3019, 3787, 3787, 3787), beyond),
        Zone(0, "Movable", 0, 32, 32, 32, 0, 0, (0, 0, 0, 0, 0), empty),
    )
    assert parsed.problems == ()


def test_the_order_of_lines_in_3_10_makes_no_difference() -> None:
    parsed = parse_zoneinfo(ZONEINFO_3_10)
    beyond = {"scanned": 0, "spanned": 4095, "nr_free_pages": 5120, "nr_dirty": 3}
    assert parsed.zones == (Zone(1, "Normal", 5120, 59, 73, 88, 3998, 3977, (0, 2862, 3872), beyond),)
    assert parsed.problems == ()


def test_high_of_a_page_set_is_not_the_high_watermark() -> None:
    zone = parse_zoneinfo(ZONEINFO_3_10 + ZONEINFO_6_18).zones[0]
    assert zone.high_pages == 88


def test_a_number_that_the_kernel_lacks_is_none() -> None:
    zone = parse_zoneinfo(b"Node 0, zone DMA\n  pages free     5\n        min      3\n").zones[0]
    assert (zone.free_pages, zone.min_pages, zone.managed_pages, zone.protection_pages) == (5, 3, None, None)


@pytest.mark.parametrize("line", [b"        low      -1", b"        low", b"        protection: (0, x)", b""])
def test_a_bad_line_is_named_by_its_line_in_the_file_and_the_others_survive(line: bytes) -> None:
    data = ZONEINFO_3_10 + b"Node 1, zone  Movable\n  pages free     6\n" + line + b"\n        high     8\n"
    parsed = parse_zoneinfo(data, "/r/proc/zoneinfo")
    line_number = ZONEINFO_3_10.count(b"\n") + 3
    assert parsed.problems == (Problem("/r/proc/zoneinfo", line_number, line.decode(), "NAME PAGES"),)
    assert parsed.zones[1] == Zone(1, "Movable", 6, None, None, 8, None, None, None, {})


def test_a_zone_without_a_name_is_left_out_and_the_next_survives() -> None:
    parsed = parse_zoneinfo(b"Node 0, zone\n  pages free     6\n" + ZONEINFO_3_10, "/r/proc/zoneinfo")
    assert parsed.problems == (Problem("/r/proc/zoneinfo", 1, "Node 0, zone", "Node N, zone NAME"),)
    assert [zone.name for zone in parsed.zones] == ["Normal"]


@pytest.mark.parametrize("pages", [2**32, 2**64])
def test_pages_are_exact_beyond_32_and_64_bits(pages: int) -> None:
    zone = parse_zoneinfo(
        b"Node 0, zone DMA\n  pages free     %d\n        protection: (%d)\n" % (pages, pages)
    ).zones[0]
    assert (zone.free_pages, zone.protection_pages) == (pages, (pages,))


def test_the_page_sets_of_1024_cpus_cost_little() -> None:
    page_set = (
        b"    cpu: 7\n              count:    9\n              high:     252\n              batch:    63\n"
    )
    head, tail = ZONEINFO_3_10.split(b"  pagesets\n")
    zone = head + b"  pagesets\n" + page_set * 1024 + tail
    started = time.process_time()
    parsed = parse_zoneinfo(zone * 16)
    took_s = time.process_time() - started
    assert [found.high_pages for found in parsed.zones] == [88] * 16
    assert parsed.problems == ()
    assert took_s < 0.1  # 0.002 s where it was written


def test_it_survives_any_input() -> None:
    for sample in (ZONEINFO_6_18, ZONEINFO_3_10):
        holds_when_cut_anywhere(parse_zoneinfo, sample)
        holds_for_any_bytes(parse_zoneinfo, sample)
