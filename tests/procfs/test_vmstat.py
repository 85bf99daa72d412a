import re

import pytest

from kdiag.procfs.text import Problem
from kdiag.procfs.vmstat import VmStat, parse_vmstat
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

# Names as in vmstat_text of mm/vmstat.c, with the unit of each. allocstall alone and workingset_refault
# are of older kernels, allocstall_high of 32-bit ones; 6.18 has all the others.
PAGES = re.findall(
    r"\S+",
    """
nr_free_pages nr_dirty nr_writeback nr_dirtied nr_written nr_throttled_written nr_dirty_threshold
nr_dirty_background_threshold pswpin pswpout pgscan_kswapd pgscan_direct pgscan_khugepaged pgscan_proactive
pgscan_anon pgscan_file pgsteal_kswapd pgsteal_direct pgsteal_khugepaged pgsteal_proactive pgsteal_anon
pgsteal_file workingset_refault workingset_refault_anon workingset_refault_file compact_migrate_scanned
compact_free_scanned compact_isolated
""",
)
KIB = ["pgpgin", "pgpgout"]
EVENTS = re.findall(
    r"\S+",
    """
pgfault pgmajfault oom_kill allocstall allocstall_dma allocstall_dma32 allocstall_normal allocstall_high
allocstall_movable allocstall_device pgscan_direct_throttle pageoutrun kswapd_low_wmark_hit_quickly
kswapd_high_wmark_hit_quickly compact_stall compact_fail compact_success compact_daemon_wake drop_pagecache
drop_slab
""",
)
FIELDS = (
    [(key, key.replace("_pages", "") + "_pages") for key in PAGES]
    + [(key, key + "_kib") for key in KIB]
    + [(key, key) for key in EVENTS]
)

VMSTAT_6_18 = b"""\
nr_free_pages 937136
nr_mlock 3191
nr_dirty 8
nr_written 56432
nr_dirty_threshold 1222236
pgpgin 472189
allocstall_dma 1
allocstall_normal 20
allocstall_movable 300
pgscan_kswapd 1000
pgscan_direct 200
pgscan_khugepaged 30
pgscan_proactive 4
pgscan_anon 500
pgscan_file 800
oom_kill 0
nr_unstable 0
"""
# 3.10: one allocstall, scans by zone, no anon and file, no oom_kill.
VMSTAT_3_10 = b"""\
nr_free_pages 20000
pgscan_kswapd_dma 1
pgscan_kswapd_dma32 20
pgscan_kswapd_normal 300
pgscan_kswapd_movable 0
pgscan_direct_dma 0
pgscan_direct_dma32 5
pgscan_direct_normal 60
pgscan_direct_movable 0
pgscan_direct_throttle 9
allocstall 7
"""


@pytest.mark.parametrize(("key", "field"), FIELDS)
def test_every_counter_that_checks_need_has_a_field_with_its_unit(key: str, field: str) -> None:
    parsed = parse_vmstat(b"%s 77\n" % key.encode())
    assert getattr(parsed, field) == 77
    assert (parsed.extra, parsed.problems) == ({}, ())


def test_no_field_is_left_without_a_counter() -> None:
    assert set(VmStat._fields) - {"extra", "problems"} == {field for _, field in FIELDS}


def test_counters_without_a_field_are_kept_in_the_kernels_order() -> None:
    parsed = parse_vmstat(VMSTAT_6_18)
    assert parsed.nr_free_pages == 937136
    assert parsed.oom_kill == 0
    assert list(parsed.extra.items()) == [("nr_mlock", 3191), ("nr_unstable", 0)]
    assert parsed.problems == ()


def test_a_counter_that_the_kernel_lacks_is_none() -> None:
    parsed = parse_vmstat(VMSTAT_3_10)
    assert (parsed.oom_kill, parsed.pgscan_direct_pages, parsed.allocstall_normal) == (None, None, None)
    assert parsed.allocstall == 7


def test_allocation_stalls_add_up_over_the_zones_of_any_kernel() -> None:
    assert parse_vmstat(VMSTAT_6_18).allocstall_total == 321
    assert parse_vmstat(VMSTAT_3_10).allocstall_total == 7
    assert parse_vmstat(b"oom_kill 0\n").allocstall_total is None
    zones = b"".join(
        b"allocstall_%s 1\n" % zone for zone in (b"dma", b"dma32", b"normal", b"high", b"movable", b"device")
    )
    assert parse_vmstat(zones).allocstall_total == 6


def test_scanned_pages_are_counted_once_on_any_kernel() -> None:
    new, old = parse_vmstat(VMSTAT_6_18), parse_vmstat(VMSTAT_3_10)
    assert (new.pgscan_total_pages, new.pgscan_direct_total_pages) == (1300, 200)
    assert (old.pgscan_total_pages, old.pgscan_direct_total_pages) == (386, 65)
    # Between the two: totals by who scanned, not yet by what (4.18).
    assert parse_vmstat(b"pgscan_kswapd 30\npgscan_direct 4\n").pgscan_total_pages == 34
    assert parse_vmstat(b"oom_kill 0\n").pgscan_total_pages is None
    assert parse_vmstat(b"oom_kill 0\n").pgscan_direct_total_pages is None


def test_names_are_hostile_bytes() -> None:
    assert parse_vmstat(b"\xffnr\x1b[31m 5\n").extra == {"\udcffnr\x1b[31m": 5}


@pytest.mark.parametrize(
    "line", [b"oom_kill", b"oom_kill -1", b"oom_kill  1", b"oom_kill 1 2", b" 5", b"", b"oom_kill 1_0"]
)
def test_a_bad_line_is_named_and_the_others_survive(line: bytes) -> None:
    parsed = parse_vmstat(b"nr_dirty 1\n" + line + b"\npgfault 2\n", "/r/proc/vmstat")
    assert parsed.problems == (Problem("/r/proc/vmstat", 2, line.decode(), "key N"),)
    assert (parsed.nr_dirty_pages, parsed.pgfault, parsed.oom_kill, parsed.extra) == (1, 2, None, {})


@pytest.mark.parametrize("count", [2**32, 2**64 - 1, 2**64])
def test_counters_are_exact_at_the_edge_of_32_and_64_bits(count: int) -> None:
    parsed = parse_vmstat(b"pgfault %d\nnr_new %d\n" % (count, count))
    assert (parsed.pgfault, parsed.extra["nr_new"]) == (count, count)


def test_an_absurdly_long_number_is_a_bad_line_and_no_exception() -> None:
    parsed = parse_vmstat(b"nr_dirty %s\npgfault 5\n" % (b"9" * 5000))
    assert (parsed.nr_dirty_pages, parsed.pgfault, len(parsed.problems)) == (None, 5, 1)


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_vmstat, VMSTAT_6_18)
    holds_for_any_bytes(parse_vmstat, VMSTAT_6_18)
