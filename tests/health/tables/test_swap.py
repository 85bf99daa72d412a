from kdiag.health.table import fill
from kdiag.health.tables.swap import TABLES, ReclaimRow, SwapRow
from tests.health.windows import window_of

SWAP, RECLAIM = TABLES
SWAPS, VMSTAT = "/proc/swaps", "/proc/vmstat"

FIRST = b"""\
pswpin 100
pswpout 200
pgfault 5000
pgmajfault 50
workingset_refault_anon 3
workingset_refault_file 7
pgscan_kswapd 1000
pgscan_direct 200
pgscan_khugepaged 0
pgscan_anon 500
pgscan_file 800
pgsteal_kswapd 900
pgsteal_direct 100
pgsteal_anon 400
pgsteal_file 700
allocstall_normal 4
allocstall_movable 6
oom_kill 1
"""
LAST = b"""\
pswpin 104
pswpout 208
pgfault 6000
pgmajfault 60
workingset_refault_anon 5
workingset_refault_file 13
pgscan_kswapd 1300
pgscan_direct 300
pgscan_khugepaged 0
pgscan_anon 600
pgscan_file 1200
pgsteal_kswapd 1100
pgsteal_direct 160
pgsteal_anon 440
pgsteal_file 1000
allocstall_normal 4
allocstall_movable 16
oom_kill 2
"""


def test_each_swap_area_is_a_row_and_zram_is_called_by_its_name() -> None:
    text = (
        b"Filename Type Size Used Priority\n"
        b"/dev/zram0 partition 4194300 1048575 100\n/swap\\040file file 1048576 0 -2\n"
    )
    table = fill(SWAP, window_of(last={SWAPS: text}))
    assert table.rows == [
        SwapRow("/dev/zram0", "zram", 4194300, 1048575, 25.0, 100),
        SwapRow("/swap file", "file", 1048576, 0, 0.0, -2),
    ]
    assert table.notes == ("zram is memory: what is swapped to it is compressed, not gone",)


def test_a_host_without_swap_says_so() -> None:
    table = fill(SWAP, window_of(last={SWAPS: b"Filename Type Size Used Priority\n"}))
    assert (table.rows, table.notes, table.missing) == ([], ("there is no swap area",), "")


def test_swap_areas_that_cannot_be_read_are_not_none() -> None:
    table = fill(SWAP, window_of(last={SWAPS: 13}))
    assert (table.rows, table.missing) == ((), "/proc/swaps: not permitted (EACCES)")


def test_rates_are_per_second_and_each_page_is_counted_once() -> None:
    table = fill(RECLAIM, window_of({VMSTAT: FIRST}, {VMSTAT: LAST}, interval_s=2.0))
    assert table.rows == [
        ReclaimRow("pswpin", 2.0, 104, "pages read from swap"),
        ReclaimRow("pswpout", 4.0, 208, "pages written to swap"),
        ReclaimRow("pgfault", 500.0, 6000, "page faults"),
        ReclaimRow("pgmajfault", 5.0, 60, "of these, with a read from a disk"),
        ReclaimRow("workingset_refault", 4.0, 18, "pages read back soon after they were reclaimed"),
        ReclaimRow("pgscan", 250.0, 1800, "pages looked at for reclaim"),
        ReclaimRow("pgscan_kswapd", 150.0, 1300, "of these, by kswapd, ahead of need"),
        ReclaimRow("pgscan_direct", 50.0, 300, "of these, by tasks that wait for memory"),
        ReclaimRow("pgsteal_anon", 20.0, 440, "pages reclaimed from programs (to swap)"),
        ReclaimRow("pgsteal_file", 150.0, 1000, "pages reclaimed from page cache"),
        ReclaimRow("pgsteal_kswapd", 100.0, 1100, "of both, by kswapd"),
        ReclaimRow("pgsteal_direct", 30.0, 160, "of both, by tasks that wait for memory"),
        ReclaimRow("allocstall", 5.0, 20, "allocations that had to reclaim first"),
        ReclaimRow("oom_kill", 0.5, 2, "tasks killed for want of memory"),
    ]
    assert table.basis == "rate over 2.0 s"


def test_what_an_older_kernel_counts_by_zone_is_added_up() -> None:
    # 3.10 has neither anon and file nor oom_kill; between it and today there was one workingset_refault.
    old = (
        b"pgscan_kswapd_dma32 30\npgscan_kswapd_normal 4\npgscan_direct_normal 5\nallocstall 7\n"
        b"pgsteal_kswapd_normal 8\nworkingset_refault 9\n"
    )
    table = fill(RECLAIM, window_of({VMSTAT: old}, {VMSTAT: old}))
    rows = {row["counter"]: (row["count_per_s"], row["since_boot"]) for row in table.as_dicts()}
    assert rows["pgscan"] == (0.0, 39)
    assert rows["pgscan_kswapd"] == (0.0, 34)
    assert rows["pgscan_direct"] == (0.0, 5)
    assert rows["pgsteal_kswapd"] == (0.0, 8)
    assert rows["workingset_refault"] == (0.0, 9)
    assert rows["allocstall"] == (0.0, 7)
    assert rows["oom_kill"] == (None, None)


def test_a_counter_that_went_back_has_no_rate() -> None:
    table = fill(RECLAIM, window_of({VMSTAT: LAST}, {VMSTAT: FIRST}))
    assert table.rows[0] == ReclaimRow("pswpin", None, 100, "pages read from swap")


def test_one_reading_gives_the_average_since_boot_and_says_so() -> None:
    table = fill(RECLAIM, window_of(last={VMSTAT: LAST, "/proc/uptime": b"20.00 5.00\n"}, once=True))
    assert (table.rows[0][1], table.basis) == (5.2, "since boot")


def test_a_short_window_is_said_to_be_rough() -> None:
    table = fill(RECLAIM, window_of({VMSTAT: FIRST}, {VMSTAT: LAST}, interval_s=0.25))
    assert table.notes[0] == "rates are rough over 0.2 s, as the kernel adds up these counts once a second"


def test_without_vmstat_the_table_is_empty_with_the_reason() -> None:
    table = fill(RECLAIM, window_of({VMSTAT: 13}, {VMSTAT: 13}))
    assert (table.rows, table.missing) == ((), "/proc/vmstat: not permitted (EACCES)")
