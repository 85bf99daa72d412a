from typing import Any, Dict, List, Optional, Tuple

import pytest

from kdiag.ftrace.event import Event
from kdiag.tools.block_pairs import BlockPairs, BlockRequest

NO_SECTOR = (1 << 64) - 1
DISK = 254 << 20
#: Short names of the events in the tests.
EVENTS = {
    "made": "block_io_start",
    "insert": "block_rq_insert",
    "issue": "block_rq_issue",
    "back": "block_rq_requeue",
    "merge": "block_rq_merge",
    "grow": "block_bio_frontmerge",
    "done": "block_rq_complete",
}


def feed(pairs: BlockPairs, *lines: str) -> List[BlockRequest]:
    """Feed lines ``TIME_US TID WHAT OPERATION SECTOR+SECTORS [ERROR or BYTES of a command]``."""
    found: List[Optional[BlockRequest]] = []
    for line in lines:
        time_us, tid, what, operation, place, *more = line.split()
        sector, sectors = map(int, place.split("+"))
        fields: Dict[str, Any] = {
            "dev": DISK,
            "sector": sector,
            "nr_sector": sectors,
            "rwbs": operation,
            "comm": f"c{tid}",
            "bytes": sectors * 512,
        }
        if what == "done":
            fields["error"] = int(more[0]) if more else 0
        elif more:
            fields["bytes"] = int(more[0])
        found.append(pairs.feed(Event(int(time_us) * 1000, 0, int(tid), f"block:{EVENTS[what]}", fields)))
    return [each for each in found if each is not None]


def everybody(*, merges_told: bool = True) -> BlockPairs:
    return BlockPairs(lambda tid: True, merges_told=merges_told)


def times(requests: List[BlockRequest]) -> List[Tuple[Optional[int], int, int, int]]:
    """Return (sector, bytes, queue time in us, latency in us)."""
    return [
        (
            each.sector,
            each.total_bytes,
            (each.issued_ns - each.queued_ns) // 1000,
            (each.done_ns - each.issued_ns) // 1000,
        )
        for each in requests
    ]


def test_a_request_is_timed_from_its_issue_and_belongs_to_who_made_it() -> None:
    [request] = feed(everybody(), "10 7 made WS 64+8", "13 9 issue WS 64+8", "50 0 done WS 64+8")
    assert request == BlockRequest(DISK, 64, "WS", 4096, 0, 10_000, 13_000, 50_000, 7, "c7", True)


def test_one_issued_before_the_start_is_no_request() -> None:
    assert feed(everybody(), "50 0 done WS 64+8") == []


def test_parts_are_one_request_that_ends_with_the_last() -> None:
    lines = ("0 1 issue R 100+24", "5 0 done R 100+8", "7 0 done R 108+8", "9 0 done R 116+8 -5")
    [request] = feed(everybody(), *lines)
    assert times([request]) == [(100, 12288, 0, 9)]
    assert request.error == 5


def test_one_that_the_driver_hands_back_counts_from_its_last_issue() -> None:
    lines = ("0 1 insert W 8+8", "2 1 issue W 8+8", "3 1 back W 8+8", "4 2 insert W 8+8")
    found = feed(everybody(), *lines, "10 3 issue W 8+8", "15 0 done W 8+8")
    assert times(found) == [(8, 4096, 10, 5)]
    assert found[0].tid == 1


def test_a_flush_is_found_though_it_has_no_sector_and_its_asker_is_no_request() -> None:
    pairs = everybody()
    found = feed(
        pairs,
        "0 1 made FWS 0+0",
        "2 9 issue FF 0+0",
        f"8 0 done FF {NO_SECTOR}+0",
        "9 0 done WS 0+0",
    )
    assert times(found) == [(None, 0, 0, 6)]
    assert pairs.pending_ns() == []


def test_a_write_that_took_a_flush_completes_twice_and_is_one() -> None:
    """The second completion is at the sector behind it, where another request is under way."""
    lines = ("0 1 issue WS 0+8", "1 1 issue WS 8+8", "5 0 done WS 0+8", "6 0 done WS 8+0", "9 0 done WS 8+8")
    assert times(feed(everybody(), *lines)) == [(0, 4096, 0, 5), (8, 4096, 0, 8)]


def test_a_command_has_the_bytes_of_its_issue() -> None:
    lines = ("0 1 issue N 0+0 36", f"4 0 done N {NO_SECTOR}+0")
    assert times(feed(everybody(), *lines)) == [(None, 36, 0, 4)]


def test_what_grew_at_its_begin_before_its_issue_keeps_its_queue_time() -> None:
    lines = ("0 1 made W 64+8", "3 2 grow W 56+8", "9 1 issue W 56+16", "12 0 done W 56+16")
    found = feed(everybody(), *lines)
    assert (times(found), found[0].tid) == ([(56, 8192, 9, 3)], 1)


@pytest.mark.parametrize("merges_told", [True, False])
def test_what_became_part_of_another_is_forgotten(merges_told: bool) -> None:
    """The next request at its sector is another one, of somebody else."""
    lines = ["0 1 made W 64+8", "1 1 made W 72+8", "3 1 issue W 64+16", "9 0 done W 64+16"]
    if merges_told:
        lines.insert(2, "2 1 merge W 72+8")
    lines += ["20 5 issue W 72+8", "22 0 done W 72+8"]
    found = feed(everybody(merges_told=merges_told), *lines)
    assert times(found) == [(64, 8192, 3, 6), (72, 4096, 0, 2)]
    assert found[1].tid == 5


def test_one_whose_end_was_lost_makes_no_later_one_wrong() -> None:
    lines = ("0 1 issue R 8+8", "900 1 issue R 8+8", "905 0 done R 8+8")
    assert times(feed(everybody(), *lines)) == [(8, 4096, 0, 5)]


def test_two_at_one_sector_have_the_right_sum() -> None:
    lines = ("0 1 issue R 8+8", "2 2 issue R 8+8", "10 0 done R 8+8", "14 0 done R 8+8")
    assert sum(latency for *_, latency in times(feed(everybody(), *lines))) == 10 + 12


def test_who_is_watched_is_decided_where_the_request_is_made() -> None:
    pairs = BlockPairs({7}.__contains__, merges_told=True)
    lines = ("0 7 made W 8+8", "1 8 made W 16+8", "2 8 issue W 8+8", "3 7 issue W 16+8")
    found = feed(pairs, *lines, "4 0 done W 8+8", "5 0 done W 16+8")
    assert [(each.sector, each.watched) for each in found] == [(8, True), (16, False)]


def test_what_is_under_way_is_told() -> None:
    pairs = everybody()
    feed(pairs, "3 1 issue W 8+8", "4 1 issue W 16+8", "5 0 done W 16+8", "6 1 made W 64+8")
    assert pairs.pending_ns() == [3000]
