import struct
from typing import Dict, List

from hypothesis import given
from hypothesis import strategies as st

from kdiag.tools.duration_programs import durations_in
from kdiag.tools.durations import Durations, durations_of
from kdiag.tools.funclatency.times import summary_of


def value(times_ns: List[int], unit_ns: int = 1000) -> bytes:
    """Return what a program keeps on one CPU after calls of these lengths."""
    slots = [0] * 64
    for each in times_ns:
        slots[(each // unit_ns).bit_length()] += 1
    return struct.pack("=67Q", len(times_ns), sum(times_ns), max(times_ns, default=0), *slots)


calls = st.lists(st.integers(0, 10**12), max_size=20)


@given(st.lists(calls, min_size=1, max_size=4))
def test_all_cpus_are_put_together(cpus: List[List[int]]) -> None:
    every = [each for cpu in cpus for each in cpu]
    found = durations_in([value(cpu) for cpu in cpus])
    assert (found.number, found.total_ns, found.max_ns) == (len(every), sum(every), max(every, default=0))
    assert sum(found.slots.values()) == len(every)


@given(calls, calls)
def test_an_interval_has_what_came_after_the_last_one(before: List[int], after: List[int]) -> None:
    past, now = durations_in([value(before)]), durations_in([value(before + after)])
    found = now.since(past)
    assert (found.number, found.total_ns, found.max_ns) == (len(after), sum(after), None)
    expected: Dict[int, int] = {}
    for each in after:
        slot = (each // 1000).bit_length()
        expected[slot] = expected.get(slot, 0) + 1
    assert {slot: count for slot, count in found.slots.items() if count} == expected


@given(calls, calls)
def test_several_together_are_as_one(left: List[int], right: List[int]) -> None:
    together = durations_of([durations_in([value(left)]), durations_in([value(right)])])
    assert together == durations_in([value(left + right)])


def test_most_time_comes_first_and_what_was_not_called_is_left_out() -> None:
    found = summary_of(
        {
            "short": Durations(10, 10_000, 2000, {1: 10}),
            "quiet": Durations(0, 0, 0, {}),
            "long": Durations(1, 90_000, 90_000, {7: 1}),
        },
        "us",
        1.0,
        3.5,
    )
    assert [(row.place, row.calls, row.avg_ns) for row in found.rows] == [
        ("long", 1, 90_000),
        ("short", 10, 1000),
    ]
    assert [each.buckets for each in found.histograms] == [((64, 128, 1),), ((1, 2, 10),)]
    assert (found.started_s, found.duration_s) == (1.0, 2.5)
