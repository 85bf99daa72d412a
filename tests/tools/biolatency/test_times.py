import struct
from typing import Dict, List

from kdiag.tools.biolatency.maps import HEAD, SLOTS, times_in
from kdiag.tools.biolatency.times import Key, Times, summary_of, with_request


def value(times_us: List[int], errors: int = 0) -> bytes:
    """Return what the programs keep on one CPU after requests of a page each, of these lengths."""
    slots = [0] * SLOTS
    for each in times_us:
        slots[each.bit_length()] += 1
    head = (
        len(times_us),
        errors,
        4096 * len(times_us),
        1000 * sum(times_us),
        1000 * max(times_us, default=0),
    )
    return struct.pack(f"={HEAD + SLOTS}Q", *head, *slots)


def test_all_cpus_are_put_together() -> None:
    found = times_in([value([5, 9], errors=1), value([]), value([700])])
    assert found.durations.number == 3
    assert found.durations.total_ns == 714_000
    assert found.durations.max_ns == 700_000
    assert found.durations.slots == {3: 1, 4: 1, 10: 1}
    assert (found.errors, found.total_bytes) == (1, 3 * 4096)


def test_requests_one_by_one_give_the_same() -> None:
    found = None
    for each, failed in ((5, False), (9, True), (700, False)):
        found = with_request(found, each * 1000, 4096, failed=failed)
    assert found == times_in([value([5, 9, 700], errors=1)])


def test_an_interval_has_what_came_after_the_last_one() -> None:
    found = times_in([value([5, 9, 700], 1)]).since(times_in([value([5, 9], 1)]))
    assert (found.durations.number, found.durations.total_ns, found.durations.max_ns) == (1, 700_000, None)
    assert {slot: count for slot, count in found.durations.slots.items() if count} == {10: 1}
    assert (found.errors, found.total_bytes) == (0, 4096)


def test_most_time_comes_first_and_nothing_is_no_row() -> None:
    found: Dict[Key, Times] = {
        ("sda", "R"): times_in([value([5, 9])]),
        ("sda", "W"): times_in([value([700])]),
        ("sdb", "R"): times_in([value([])]),
    }
    summary = summary_of(found, 1.0, 3.0)
    assert [(row.disk, row.operation, row.ios, row.avg_ns) for row in summary.rows] == [
        ("sda", "W", 1, 700_000),
        ("sda", "R", 2, 7000),
    ]
    assert [(each.label, each.total, each.sum) for each in summary.histograms] == [
        ("sda W", 1, 700),
        ("sda R", 2, 14),
    ]
    assert (summary.started_s, summary.duration_s) == (1.0, 2.0)
