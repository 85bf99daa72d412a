"""What is left out of the sums of system calls, or summed up in another way; both ways of summing agree."""

from typing import Dict, List, Optional, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdiag.ftrace.syscall_sums import Choice, SyscallSums, key_of, number_in, thread_in
from kdiag.ftrace.syscall_sums_numpy import FastSyscallSums
from tests.ftrace.test_syscall_sums import BOTH, FORMATS, NATIVE, OTHER, Kind, Row, page, shown

SIGRETURN = 15


def chosen(kind: Kind, choice: Choice, *rows: Row) -> SyscallSums:
    sums = kind(*FORMATS, NATIVE, choice)
    sums.add(0, page(list(rows)))
    sums.end_round()
    sums.finish()
    return sums


def call(time: int, thread: int, number: int, result: int, took: int = 2) -> Tuple[Row, Row]:
    return Row(time, thread, number), Row(time + took, thread, number, result)


@BOTH
def test_threads_are_told_apart(kind: Kind) -> None:
    sums = chosen(kind, Choice(by_thread=True), *call(0, 7, 1, 0), *call(10, 4_000_000, 1, -2, 5))
    assert {(thread_in(key), number_in(key)): shown(each) for key, each in sums.sums.items()} == {
        (7, 1): (1, 1, 2, 2, 2, {}),
        (4_000_000, 1): (1, 1, 5, 5, 5, {2: 1}),
    }


@BOTH
def test_numbers_that_are_no_call_are_one_for_a_thread(kind: Kind) -> None:
    sums = chosen(kind, Choice(by_thread=True), *call(0, 7, 600, -38), *call(10, 7, 99_999, -38))
    assert {key: each.timed for key, each in sums.sums.items()} == {key_of(7, 511): 2}


@BOTH
def test_large_numbers_are_told_apart_where_threads_are_not(kind: Kind) -> None:
    sums = chosen(kind, Choice(), *call(0, 7, 600, -38), *call(10, 7, 99_999, -38))
    assert {key: each.timed for key, each in sums.sums.items()} == {600: 1, 99_999: 1}


@BOTH
@pytest.mark.parametrize(("failed", "timed"), [(None, 2), (True, 1), (False, 1)])
def test_only_failed_or_only_successful_calls_are_summed_up(kind: Kind, failed: bool, timed: int) -> None:
    sums = chosen(kind, Choice(failed=failed), *call(0, 7, 1, 9), *call(10, 7, 1, -2))
    assert sums.sums[1].timed == timed
    assert sums.sums[1].errors == ({} if failed is False else {2: 1})


@BOTH
def test_the_return_of_a_signal_handler_has_no_number_and_no_result(kind: Kind) -> None:
    rows = (Row(0, 7, SIGRETURN), Row(3, 7, -1, -4))
    sums = chosen(kind, Choice(forgotten=SIGRETURN), *rows)
    assert shown(sums.sums[SIGRETURN]) == (1, 1, 3, 3, 3, {})
    assert chosen(kind, Choice(), *rows).sums[0xFFFF_FFFF].timed == 0


@BOTH
def test_begins_alone_are_counted(kind: Kind) -> None:
    sums = chosen(kind, Choice(begins=True), Row(0, 7, 1), Row(1, 7, 1), Row(2, 8, 231))
    assert {number: each.calls for number, each in sums.sums.items()} == {1: 2, 231: 1}


@BOTH
def test_errors_of_calls_that_are_in_no_time_are_known(kind: Kind) -> None:
    rows = [Row(0, 7, 1, -4), *call(5, 7, 1, -2), Row(10, 8, 0), Row(11, 8, 3, -9), Row(20, 7, 1, -4)]
    sums = chosen(kind, Choice(), *rows)
    assert sums.sums[1].errors == {4: 2, 2: 1}
    assert sums.unpaired == {(1, 4): 2, (3, 9): 1}


EVENTS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.sampled_from((0, 1, SIGRETURN, 511, 700, -1)),
        st.sampled_from((None, None, 0, -2, -4)),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(
    EVENTS,
    st.booleans(),
    st.sampled_from((None, True, False)),
    st.sampled_from((None, SIGRETURN)),
    st.integers(1, 20),
    st.lists(st.integers(0, 59), max_size=2),
)
def test_both_ways_of_summing_agree(
    events: List[Tuple[int, int, Optional[int]]],
    by_thread: bool,
    failed: Optional[bool],
    forgotten: Optional[int],
    every: int,
    losses: List[int],
) -> None:
    found: List[SyscallSums] = []
    for kind in (SyscallSums, FastSyscallSums):
        sums = kind(*FORMATS, NATIVE, Choice(by_thread, failed, forgotten))
        for at, (thread, number, result) in enumerate(events):
            missed = 3 if at in losses else None
            sums.add(thread % 2, page([Row(10 * at + 5, thread, number, result)], missed=missed))
            if at % every == 0:
                sums.end_round()
        sums.finish()
        found.append(sums)
    pure, fast = found
    assert pure.sums.keys() == fast.sums.keys()
    assert all(each.same_as(fast.sums[number]) for number, each in pure.sums.items())
    assert pure.unpaired == fast.unpaired


@BOTH
def test_records_of_other_events_are_handed_on(kind: Kind) -> None:
    seen: Dict[int, int] = {}

    def other(data: bytes, offset: int, id: int) -> None:
        seen[id] = int.from_bytes(data[offset : offset + 2], "little")

    data = bytearray(page([Row(0, 7, 1), Row(2, 7, 1, 0)]))
    # The first record becomes one of another event.
    data[20:22] = OTHER.to_bytes(2, "little")
    sums = kind(*FORMATS, NATIVE, Choice(other=other))
    sums.add(0, bytes(data))
    sums.finish()
    assert seen == {OTHER: OTHER}
    assert sums.begin_unseen == 1
