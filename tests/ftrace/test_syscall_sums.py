import struct
from typing import Dict, List, NamedTuple, Optional, Tuple, Type

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdiag.ftrace.event_format import EventFormat, Field, PageLayout
from kdiag.ftrace.syscall_sums import SyscallSum, SyscallSums, sums_for
from kdiag.ftrace.syscall_sums_numpy import FastSyscallSums
from tests.ftrace.pages import head

ENTER, EXIT, OTHER = 361, 360, 99
NATIVE = PageLayout(8, 16, 4080, big_endian=False)
SWAPPED = NATIVE._replace(big_endian=True)
COMMON = (Field("common_pid", "int", 4, 4, True, "integer", None, 4),)
ID = Field("id", "long", 8, 8, True, "integer", None, 8)
FORMATS = (
    EventFormat(
        "raw_syscalls",
        "sys_enter",
        ENTER,
        COMMON,
        (ID, Field("args", "unsigned long[6]", 16, 48, False, "array", 6, 8)),
    ),
    EventFormat(
        "raw_syscalls", "sys_exit", EXIT, COMMON, (ID, Field("ret", "long", 16, 8, True, "integer", None, 8))
    ),
)
BOTH = pytest.mark.parametrize("kind", [SyscallSums, FastSyscallSums], ids=["pure", "numpy"])
Kind = Type[SyscallSums]


class Row(NamedTuple):
    """An event; ``result`` is ``None`` for a begin."""

    time: int
    thread: int
    number: int
    result: Optional[int] = None


def page(rows: List[Row], missed: Optional[int] = None, layout: PageLayout = NATIVE) -> bytes:
    """Return one page; ``missed`` events are said to be lost before it."""
    order = ">" if layout.big_endian else "<"
    start = rows[0].time if rows else 0
    data, before = b"", start
    for row in rows:
        body = struct.pack(
            order + "HBBiq", ENTER if row.result is None else EXIT, 0, 0, row.thread, row.number
        )
        body += struct.pack(order + "6Q", *[0xFFFFFFFFFFFFFFFE] * 6) if row.result is None else b""
        body += b"" if row.result is None else struct.pack(order + "q", row.result)
        data += struct.pack(order + "I", head(len(body) // 4, row.time - before, layout)) + body
        before = row.time
    commit = len(data)
    if missed is not None:
        commit |= 3 << 30
        data += struct.pack(order + "Q", missed)
    return (struct.pack(order + "QQ", start, commit) + data).ljust(4096, b"\0")


def summed(kind: Kind, *rounds: Dict[int, List[bytes]], layout: PageLayout = NATIVE) -> SyscallSums:
    sums = kind(*FORMATS, layout)
    for each in rounds:
        for cpu, pages in each.items():
            for data in pages:
                sums.add(cpu, data)
        sums.end_round()
    sums.finish()
    return sums


def shown(found: SyscallSum) -> Tuple[int, int, int, int, int, Dict[int, int]]:
    return found.calls, found.timed, found.total_ns, found.min_ns, found.max_ns, found.errors


@BOTH
@pytest.mark.parametrize("layout", [NATIVE, SWAPPED], ids=["native", "swapped"])
def test_calls_are_summed_up_by_number(kind: Kind, layout: PageLayout) -> None:
    rows = [
        Row(10, 7, 1),
        Row(15, 7, 1, 4096),
        Row(20, 7, 257),
        Row(50, 7, 257, -2),
        Row(60, 7, 1),
        Row(75, 7, 1, 0),
    ]
    sums = summed(kind, {0: [page(rows, layout=layout)]}, layout=layout)
    assert shown(sums.sums[1]) == (2, 2, 20, 5, 15, {})
    assert shown(sums.sums[257]) == (1, 1, 30, 30, 30, {2: 1})
    assert (sums.events, sums.begin_unseen, sums.end_unseen, sums.dropped) == (6, 0, 0, 0)


@BOTH
def test_only_results_from_minus_1_to_minus_4095_are_errors(kind: Kind) -> None:
    results = [-1, -4095, -4096, 0xFFFFFFFE, -(1 << 62) - 2, 5]
    rows = [
        each
        for time, result in enumerate(results)
        for each in (Row(10 * time, 1, 9), Row(10 * time + 1, 1, 9, result))
    ]
    assert summed(kind, {0: [page(rows)]}).sums[9].errors == {1: 1, 4095: 1}


@BOTH
def test_a_thread_that_changes_its_cpu_keeps_its_calls(kind: Kind) -> None:
    # Without the order of time, the begin at 10 would go with the end at 31.
    there = [Row(10, 7, 0), Row(31, 7, 0, 1)]
    meanwhile = [Row(12, 7, 0, 1), Row(30, 7, 0)]
    sums = summed(kind, {0: [page(there)], 1: [page(meanwhile)]})
    assert shown(sums.sums[0]) == (2, 2, 3, 1, 2, {})


@BOTH
def test_a_begin_that_is_read_a_round_late_is_found(kind: Kind) -> None:
    first = {0: [page([Row(5, 1, 2)])], 1: [page([Row(12, 7, 0, 1)])]}
    second = {0: [page([Row(10, 7, 0)])], 1: []}
    sums = summed(kind, first, second)
    assert shown(sums.sums[0]) == (1, 1, 2, 2, 2, {})
    assert (sums.begin_unseen, sums.end_unseen) == (0, 1)


@BOTH
def test_a_call_over_rounds_is_measured(kind: Kind) -> None:
    rounds: List[Dict[int, List[bytes]]] = [
        {0: [page([Row(10, 7, 0)])]},
        {},
        {0: [page([Row(1_000_000, 7, 0, 1)])]},
        {},
    ]
    assert shown(summed(kind, *rounds).sums[0]) == (1, 1, 999_990, 999_990, 999_990, {})


@BOTH
def test_a_begin_from_before_a_loss_is_not_paired(kind: Kind) -> None:
    before, after = [Row(10, 7, 0), Row(11, 8, 1)], [Row(50, 7, 0, 1), Row(60, 7, 0), Row(61, 7, 0, 1)]
    for rounds in (
        [{0: [page(before), page(after, missed=715)]}],
        [{0: [page(before)]}, {0: [page(after, missed=715)]}],
    ):
        sums = summed(kind, *rounds)
        assert shown(sums.sums[0]) == (2, 1, 1, 1, 1, {})
        assert (sums.lost, sums.lost_unknown) == (715, False)
        assert sums.dropped + sums.begin_unseen + sums.end_unseen >= 2


@BOTH
def test_a_broken_page_is_told_and_nothing_is_paired_over_it(kind: Kind) -> None:
    broken = page([Row(20, 7, 0, 1)])
    broken = broken[:8] + struct.pack("<Q", 8) + broken[16:]
    sums = summed(kind, {0: [page([Row(10, 7, 0)]), broken, page([Row(50, 7, 0, 1)])]})
    assert sums.sums[0].timed == 0
    assert (sums.lost, sums.lost_unknown) == (0, True)
    assert sums.unreadable == ["CPU 0, page 0: its records do not add up to the length in its header"]


@BOTH
def test_halves_of_calls_are_counted(kind: Kind) -> None:
    rows = [Row(1, 7, 0, 5), Row(2, 7, 1), Row(3, 7, 2), Row(4, 7, 3, 0), Row(5, 8, 1)]
    sums = summed(kind, {0: [page(rows)]})
    assert (sums.begin_unseen, sums.end_unseen) == (2, 3)
    assert {number: each.calls for number, each in sums.sums.items() if each.calls} == {0: 1, 3: 1}


def test_percentiles_are_those_of_the_times_rounded_up_by_a_sixteenth_at_most() -> None:
    rows = [
        row for n in range(100) for row in (Row(10_000 * n, 7, 0), Row(10_000 * n + 10 * (n + 1), 7, 0, 0))
    ]
    pages = [page(rows[at : at + 20]) for at in range(0, len(rows), 20)]
    found = summed(SyscallSums, {0: pages}).sums[0]
    for share, exact in ((0.5, 500), (0.99, 990), (1.0, 1000), (0.01, 10)):
        assert exact <= found.at_share(share) <= exact * 17 / 16
    assert found.at_share(1.0) == 1000


def test_the_fastest_is_that_with_numpy() -> None:
    assert isinstance(sums_for(*FORMATS, NATIVE), FastSyscallSums)


def reference(rows: List[Row]) -> Dict[int, List[int]]:
    """Return times by number, of all rows in the order of time."""
    found: Dict[int, List[int]] = {}
    begun: Dict[int, Tuple[int, int]] = {}
    for row in sorted(rows):
        if row.result is None:
            begun[row.thread] = (row.time, row.number)
            continue
        before = begun.pop(row.thread, None)
        if before is not None and before[1] == row.number:
            found.setdefault(row.number, []).append(row.time - before[0])
    return found


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 2), st.integers(1, 4), st.integers(0, 2), st.sampled_from([None, None, 0, -2, 7])
    ),
    max_size=80,
)


@settings(max_examples=150, deadline=None)
@given(EVENTS, st.lists(st.integers(0, 80), max_size=4))
def test_whatever_the_order_of_reading_both_find_what_the_order_of_time_gives(
    events: List[Tuple[int, int, int, Optional[int]]], ends: List[int]
) -> None:
    rows = [
        (cpu, Row(10 * at + 5, thread, number, result))
        for at, (cpu, thread, number, result) in enumerate(events)
    ]
    bounds = [0, *sorted(ends), len(rows)]
    rounds: List[Dict[int, List[bytes]]] = []
    for start, stop in zip(bounds, bounds[1:]):
        by_cpu: Dict[int, List[Row]] = {}
        for cpu, row in rows[start:stop]:
            by_cpu.setdefault(cpu, []).append(row)
        rounds.append(
            {cpu: [page(each[at : at + 9]) for at in range(0, len(each), 9)] for cpu, each in by_cpu.items()}
        )
    pure, fast = summed(SyscallSums, *rounds), summed(FastSyscallSums, *rounds)
    times = reference([row for _, row in rows])
    assert {number: each.timed for number, each in pure.sums.items() if each.timed} == {
        number: len(each) for number, each in times.items()
    }
    assert all(pure.sums[number].total_ns == sum(each) for number, each in times.items())
    assert pure.sums.keys() == fast.sums.keys()
    assert all(each.same_as(fast.sums[number]) for number, each in pure.sums.items())
    assert (pure.begin_unseen, pure.end_unseen, pure.dropped) == (
        fast.begin_unseen,
        fast.end_unseen,
        fast.dropped,
    )


@settings(max_examples=100, deadline=None)
@given(EVENTS, st.lists(st.integers(0, 79), max_size=3), st.integers(1, 40))
def test_both_agree_where_events_are_lost(
    events: List[Tuple[int, int, int, Optional[int]]], losses: List[int], every: int
) -> None:
    rows = [
        (cpu, Row(10 * at + 5, thread, number, result))
        for at, (cpu, thread, number, result) in enumerate(events)
    ]
    found = []
    for kind in (SyscallSums, FastSyscallSums):
        sums = kind(*FORMATS, NATIVE)
        for at, (cpu, row) in enumerate(rows):
            sums.add(cpu, page([row], missed=3 if at in losses else None))
            if at % every == 0:
                sums.end_round()
        sums.finish()
        found.append(sums)
    pure, fast = found
    assert pure.sums.keys() == fast.sums.keys()
    assert all(each.same_as(fast.sums[number]) for number, each in pure.sums.items())
    assert (pure.lost, pure.dropped, pure.begin_unseen, pure.end_unseen) == (
        fast.lost, fast.dropped, fast.begin_unseen, fast.end_unseen,
    )  # fmt: skip
