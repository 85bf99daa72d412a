import tracemalloc
from typing import Iterator, Optional, Sequence, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdiag.path.call import Call, SyscallCall, Wait
from kdiag.path.histogram import ERROR_PCT, Histogram
from kdiag.path.layer_times import layer_times
from kdiag.path.summary import OTHERS, Summary, place_of_wait
from tests.path.graphs import calls_of


def call(
    duration_ns: Optional[int], errno: Optional[int] = None, name: str = "read", waits: Sequence[Wait] = ()
) -> SyscallCall:
    root = Call(f"__x64_sys_{name}", start_ns=5, duration_ns=duration_ns)
    retval = 0 if errno is None else -errno
    return SyscallCall(name, 7, "cat", 5, duration_ns, retval, errno, "", root, tuple(waits))


def summary(calls: Sequence[SyscallCall], which: str = "slowest", nth: int = 1) -> Summary:
    made = Summary(which, nth)
    made.feed(calls)
    return made


def test_numbers_are_those_of_the_calls() -> None:
    (totals,) = summary([call(10), call(30), call(20, 2), call(None)]).by_name()
    assert (totals.count, totals.failed, totals.incomplete, totals.errors) == (4, 1, 1, {2: 1})
    times = totals.times
    assert (times.count, times.total, times.minimum, times.maximum, times.average) == (3, 60, 10, 30, 20)
    assert [times.percentile(each) for each in (1, 50, 67, 99)] == [10, 20, 30, 30]


@pytest.mark.parametrize("which, nth, wanted", [("slowest", 1, 30), ("failing", 1, 20), ("nth", 3, 15)])
def test_the_call_that_was_asked_for_is_kept(which: str, nth: int, wanted: int) -> None:
    calls = [call(10), call(20, 2), call(15, 2), call(30), call(None)]
    chosen = summary(calls, which, nth).chosen
    assert chosen is not None
    assert chosen.duration_ns == wanted


def test_there_may_be_no_such_call() -> None:
    assert summary([call(1)], "nth", 2).chosen is None
    assert summary([call(1)], "failing").chosen is None


def test_each_kind_of_error_keeps_a_call_of_which_the_origin_is_known() -> None:
    known = call(5, 2)
    assert known.root is not None
    known.root.children.append(Call("inner", duration_ns=1, retval=-2))
    (totals,) = summary([call(3, 2), known, call(4, 13)]).by_name()
    assert totals.failures[2] is known
    origins = totals.origins()
    assert [(errno, origin.function) for errno, origin in origins.items()] == [(2, "inner"), (13, "")]


def test_functions_of_a_capture_are_added_up_once_each_call() -> None:
    made = summary(calls_of("7.2-full/openat-enoent.retval.txt"))
    rows = {row.function: row for row in made.functions()}
    assert rows["path_openat"].hits == 3
    total = sum(totals.times.total for totals in made.by_name())
    assert sum(row.self_ns or 0 for row in rows.values()) == total
    assert rows["__x64_sys_openat"].total_ns == total


def test_a_function_that_calls_itself_has_its_time_once() -> None:
    one = call(100)
    assert one.root is not None
    outer, inner = Call("f", duration_ns=80), Call("f", duration_ns=50)
    outer.children.append(inner)
    one.root.children.append(outer)
    row = next(row for row in summary([one]).functions() if row.function == "f")
    assert (row.hits, row.total_ns, row.self_ns) == (2, 80, 80)


def test_places_of_waiting_are_told_by_who_waits_and_not_by_how() -> None:
    stack = ("schedule", "schedule_timeout", "wait_woken", "tcp_recvmsg")
    waits = [Wait(1, 10, "S", stack, "a-1"), Wait(2, 30, "S", stack, "b-2"), Wait(3, None, "S", stack)]
    (row,) = summary([call(100, waits=waits)]).sleeps()
    assert row == ("wait_woken < tcp_recvmsg", "S", "several", 3, 40, 30, 1)


def test_waiting_is_told_apart_from_the_scheduler() -> None:
    one = call(100, waits=[Wait(1, 60, "S", ("schedule",)), Wait(61, 10, "R", ("schedule",))])
    assert one.root is not None
    one.root.children.append(Call("schedule", duration_ns=80))
    times = layer_times(one)
    assert times is not None
    assert times.by_layer == {
        "system call entry and exit": 20,
        "waiting": 60,
        "waiting for a CPU": 10,
        "scheduler": 10,
    }


def test_of_a_tree_that_is_not_whole_a_root_alone_tells_no_layer() -> None:
    times = layer_times(call(100, waits=[Wait(1, 60, "S")]), whole=False)
    assert times is not None
    assert times.by_layer == {"waiting": 60, "(not seen)": 40}


def test_interrupts_count_with_all_that_they_called() -> None:
    one = call(100)
    assert one.root is not None
    interrupt = Call("__sysvec_apic_timer_interrupt", duration_ns=70)
    interrupt.children.append(Call("vfs_read", duration_ns=60))
    one.root.children.append(interrupt)
    times = layer_times(one)
    assert times is not None
    assert times.by_layer == {"system call entry and exit": 30, "interrupts in between": 70}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=200), st.integers(0, 100))
def test_a_percentile_is_within_its_error(values: Sequence[int], percent: int) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    exact = sorted(values)[max(1, -(-len(values) * percent // 100)) - 1]
    found = histogram.percentile(percent)
    assert found is not None
    assert abs(found - exact) <= exact * ERROR_PCT / 100


def test_a_place_without_a_stack_says_so() -> None:
    assert place_of_wait(()) == "(not seen)"
    assert place_of_wait(("schedule",)) == "schedule"


def many(number: int) -> Iterator[SyscallCall]:
    """Calls whose functions, names, places and errors are all different."""
    for each in range(number):
        root = Call(f"f{each}", duration_ns=100)
        root.children.append(Call(f"g{each}", duration_ns=50))
        wait = Wait(1, 5, "S", (f"w{each}", "x"))
        yield SyscallCall(f"n{each}", each, "c", 1, 100, -each % 4000, each % 4000, "", root, (wait,))


def test_what_does_not_fit_in_a_table_is_counted_as_others() -> None:
    made = Summary()
    made.feed(many(12_000))
    assert made.count == 12_000
    assert sum(totals.count for totals in made.names.values()) == 12_000
    assert made.names[OTHERS].count == 11_000
    assert made.left_out == {"names": 11_000, "functions": 4_000, "places of waiting": 11_000}
    assert sum(row.hits for row in made.functions()) == 24_000
    assert sum(row.times for row in made.sleeps()) == 12_000


def test_memory_does_not_grow_with_the_number_of_calls() -> None:
    def peak(number: int) -> Tuple[int, int]:
        template = calls_of("7.2-full/openat-enoent.retval.txt")
        tracemalloc.start()
        made = Summary()
        made.feed(template[at % 3]._replace(duration_ns=at + 1) for at in range(number))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most, made.count

    few, many_ = peak(300), peak(3_000)
    assert many_[1] == 3_000
    assert many_[0] < 2 * few[0] + (1 << 20)
