from typing import Any, Dict, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdiag.health.figures.disks import DiskView, disk_rates, is_layered, view_disks, whole_disks
from kdiag.health.window import CannotJudge
from kdiag.procfs.diskstats import Disk, parse_diskstats
from tests.health.windows import BARE_FACTS, window_of

# Linux 6.18: 20 columns.
VDA = b" 254       0 vda 20534 812 1260722 10244 9911 7112 422816 8011 0 9120 18255 512 0 9120344 40 7 3\n"
VDB = b" 254      16 vdb 1042 3 81200 611 204 66 19112 240 0 700 851 0 0 0 0 0 0\n"

#: Milliseconds are u32 in the kernel; the others are as wide as its long.
MS_FIELDS = ("read_ms", "write_ms", "io_ms", "weighted_ms", "discard_ms", "flush_ms")
WIDE_FIELDS = (
    "reads",
    "read_sectors",
    "writes",
    "written_sectors",
    "discards",
    "discarded_sectors",
    "flushes",
)
U32 = 2**32


def disk(line: bytes = VDA) -> Disk:
    (parsed,) = parse_diskstats(line).disks
    return parsed


def with_counters(before: Disk, counters: Dict[str, Any]) -> Disk:
    return before._replace(**counters)


def names(*listed: str) -> "list[str]":
    lines = "".join(f"8 {minor} {name} 5 0 8 1 0 0 0 0 0 1 1\n" for minor, name in enumerate(listed))
    return [each.name for each in whole_disks(parse_diskstats(lines.encode()).disks)]


def views(first: bytes, last: bytes, interval_s: float = 1.0) -> Dict[str, DiskView]:
    window = window_of({"/proc/diskstats": first}, {"/proc/diskstats": last}, interval_s=interval_s)
    return {view.disk.name: view for view in view_disks(window)}


def test_rates_are_those_that_iostat_gives() -> None:
    after = disk()._replace(
        reads=20554,
        read_sectors=1262322,
        read_ms=13244,
        writes=9921,
        written_sectors=422976,
        write_ms=8021,
        io_ms=10020,
        weighted_ms=21265,
        discards=516,
        discarded_sectors=9128344,
        discard_ms=60,
        flushes=8,
        flush_ms=7,
    )
    rates = disk_rates(disk(), after, 2.0)
    assert rates is not None
    assert (rates.reads_per_s, rates.read_kib_per_s, rates.read_await_ms) == (10.0, 400.0, 150.0)
    assert (rates.writes_per_s, rates.written_kib_per_s, rates.write_await_ms) == (5.0, 40.0, 1.0)
    assert (rates.discards_per_s, rates.discarded_kib_per_s, rates.discard_await_ms) == (2.0, 2000.0, 5.0)
    assert (rates.flushes_per_s, rates.flush_await_ms) == (0.5, 4.0)
    assert (rates.reading, rates.writing, rates.queue, rates.util_pct) == (1.5, 0.005, 1.505, 45.0)
    assert rates.ended_per_s == 17.5


def test_no_request_that_ended_has_no_waiting_time_rather_than_none_at_all() -> None:
    rates = disk_rates(disk(), disk()._replace(weighted_ms=18755, in_flight=3), 1.0)
    assert rates is not None
    assert (rates.read_await_ms, rates.write_await_ms, rates.discard_await_ms) == (None, None, None)
    assert (rates.queue, rates.ended_per_s) == (0.5, 0.0)


def test_since_boot_there_are_rates_but_nothing_from_counters_that_may_have_wrapped() -> None:
    rates = disk_rates(None, disk(), 100.0)
    assert rates is not None
    assert (rates.reads_per_s, rates.written_kib_per_s) == (205.34, 2114.08)
    assert (rates.read_await_ms, rates.write_await_ms, rates.queue, rates.util_pct) == (None,) * 4


def test_what_an_older_kernel_does_not_count_is_unknown() -> None:
    old = disk(b"8 0 sda 20534 812 1260722 10244 9911 7112 422816 8011 0 9120 18255\n")  # 2.6.32 to 4.17
    rates = disk_rates(old, old._replace(reads=20535, read_ms=10250), 1.0)
    assert rates is not None
    assert (rates.discards_per_s, rates.discarded_kib_per_s, rates.flushes_per_s) == (None, None, None)
    assert (rates.read_await_ms, rates.ended_per_s) == (6.0, 1.0)


def test_a_long_request_that_ends_does_not_make_a_disk_more_than_busy() -> None:
    rates = disk_rates(disk(), disk()._replace(io_ms=9120 + 60_000), 1.0)
    assert rates is not None and rates.util_pct == 100.0


@given(
    st.fixed_dictionaries({field: st.integers(0, U32 - 1) for field in MS_FIELDS}),
    st.fixed_dictionaries({field: st.integers(0, 10**6) for field in (*MS_FIELDS, *WIDE_FIELDS)}),
    st.floats(0.1, 3600),
)
def test_a_step_is_found_again_wherever_the_32_bit_counters_stand(
    at: Dict[str, int], step: Dict[str, int], seconds: float
) -> None:
    before = with_counters(disk(), at)
    grown = {field: (at[field] + step[field]) % U32 for field in MS_FIELDS}
    grown.update({field: getattr(before, field) + step[field] for field in WIDE_FIELDS})
    rates = disk_rates(before, with_counters(before, grown), seconds)
    assert rates is not None
    assert rates.reads_per_s == step["reads"] / seconds
    assert rates.written_kib_per_s == step["written_sectors"] / 2 / seconds
    assert rates.queue == step["weighted_ms"] / 1000 / seconds
    for await_ms, spent, ended in (
        (rates.read_await_ms, "read_ms", "reads"),
        (rates.write_await_ms, "write_ms", "writes"),
        (rates.discard_await_ms, "discard_ms", "discards"),
        (rates.flush_await_ms, "flush_ms", "flushes"),
    ):
        assert await_ms == (step[spent] / step[ended] if step[ended] else None)
    assert rates.util_pct is not None and 0 <= rates.util_pct <= 100


@given(st.sampled_from(("reads", "writes", "read_sectors", "written_sectors")), st.integers(1, 1000))
def test_a_wide_counter_that_went_back_leaves_nothing_known(field: str, step: int) -> None:
    back = with_counters(disk(), {field: getattr(disk(), field) - step})
    assert disk_rates(disk(), back, 1.0) is None


@pytest.mark.parametrize(
    ("listed", "whole"),
    [
        (("sda", "sda1", "sda12", "sdaa", "sdaa1", "sdb"), ["sda", "sdaa", "sdb"]),
        (("nvme0n1", "nvme0n1p1", "nvme0n1p12", "nvme1n1"), ["nvme0n1", "nvme1n1"]),
        (("mmcblk0", "mmcblk0p1", "mmcblk0boot0"), ["mmcblk0", "mmcblk0boot0"]),
        (("cciss/c0d0", "cciss/c0d0p1"), ["cciss/c0d0"]),
        (("xvda1", "xvda2", "xvdb", "xvdb1"), ["xvda1", "xvda2", "xvdb"]),
        (("dm-1", "dm-12", "md1", "md127", "md127p1"), ["dm-1", "dm-12", "md1", "md127"]),
        (("loop0", "loop0p1", "ram0", "zram0", "sr0", "nbd1", "nbd12"), ["sr0", "nbd1", "nbd12"]),
        (("sdp", "sdp1"), ["sdp"]),
    ],
)
def test_partitions_and_memory_are_no_disks(listed: "tuple[str, ...]", whole: "list[str]") -> None:
    assert names(*listed) == whole


def test_a_device_that_was_never_used_is_left_out_but_not_one_that_waits_for_its_first_answer() -> None:
    idle = parse_diskstats(b"11 0 sr0 0 0 0 0 0 0 0 0 0 0 0\n8 0 sda 0 0 0 0 0 0 0 0 1 0 0\n")
    assert [each.name for each in whole_disks(idle.disks)] == ["sda"]


def test_an_array_is_known_by_its_number_whatever_its_name() -> None:
    layered = [b"9 127 md_home", b"253 0 dm-3", b"252 0 bcache0", b"147 1 drbd1"]
    single = [b"254 0 vda", b"8 0 mdx", b"259 0 nvme0n1"]
    numbers = b" 5 0 8 1 0 0 0 0 0 1 1\n"
    assert [is_layered(disk(each + numbers)) for each in (*layered, *single)] == [True] * 4 + [False] * 3


def test_a_disk_that_came_and_one_that_was_replaced_have_no_rates_and_the_others_do() -> None:
    replaced = b" 254      16 vdb 40 0 320 90000 0 0 0 0 0 600 90000 0 0 0 0 0 0\n"
    found = views(VDA + VDB, VDA + replaced + b" 254 32 vdc 9 0 72 5 0 0 0 0 0 5 5 0 0 0 0 0 0\n")
    assert found["vda"].unknown == "" and found["vda"].rates is not None
    assert (found["vdb"].rates, found["vdb"].unknown) == (None, "its counters were reset")
    assert (found["vdc"].rates, found["vdc"].unknown) == (None, "it came between the readings")


def test_a_disk_of_the_same_name_but_another_number_is_another_disk() -> None:
    assert views(VDA, VDA.replace(b" 254  ", b" 253  "))["vda"].unknown == "it came between the readings"


def test_a_disk_that_went_is_not_spoken_of() -> None:
    assert list(views(VDA + VDB, VDA)) == ["vda"]


def test_waiting_times_that_went_back_too_far_for_a_wrap_are_unknown_but_the_rates_stand() -> None:
    odd = VDA.replace(b" 9911 7112 422816 8011 ", b" 9912 7112 422824 4 ")
    view = views(VDA, odd)["vda"]
    assert view.unknown == "its waiting times are not counted, or were reset"
    assert view.rates is not None and view.rates.writes_per_s == 1.0


@pytest.mark.parametrize(
    ("first", "last", "why"),
    [
        (None, {"/proc/diskstats": 13}, r"not permitted \(EACCES\)"),
        ({"/proc/diskstats": 13}, None, r"not permitted \(EACCES\) \(in the first reading\)"),
        (None, {"/proc/diskstats": b"garbage\n"}, "no line of it could be read"),
    ],
)
def test_where_nothing_is_known_it_says_why(
    first: "Optional[Dict[str, bytes]]", last: "Optional[Dict[str, bytes]]", why: str
) -> None:
    with pytest.raises(CannotJudge, match=why):
        view_disks(window_of(first, last))


def test_without_any_clock_there_are_no_rates() -> None:
    window = window_of({"/proc/uptime": 2}, {"/proc/uptime": 2}, facts=BARE_FACTS)
    assert window.before is not None
    window.before.stamps_ns.clear()
    with pytest.raises(CannotJudge, match="time between the readings is not known"):
        view_disks(window)
