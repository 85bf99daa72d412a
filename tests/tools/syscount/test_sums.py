from typing import Any, Dict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdiag.ftrace.syscall_sums import bucket_of
from kdiag.tools.syscall_programs import COMPAT, NO_NUMBER
from kdiag.tools.syscount import TOOL
from kdiag.tools.syscount.sums import Key, Sum, added, rows_of, since
from kdiag.tools.tool import BadOption

PLAIN: Dict[str, Any] = {"by": "syscall", "sort": None, "counts_only": False}


def sum_of(*times_ns: int, **errors: int) -> Sum:
    buckets: Dict[int, int] = {}
    for each in times_ns:
        buckets[bucket_of(each)] = buckets.get(bucket_of(each), 0) + 1
    numbers = {"ENOENT": 2, "EINTR": 4}
    failed = {numbers[name]: count for name, count in errors.items()}
    return Sum(len(times_ns), failed, sum(times_ns), max(times_ns), buckets)


def rows(found: Dict[Key, Sum], **options: Any) -> Any:
    return rows_of(found, {**PLAIN, **options}, "x86_64", lambda pid: f"comm{pid}")


def test_rows_have_what_was_asked_for_and_the_most_time_first() -> None:
    read, write = rows({(None, 1): sum_of(100), (None, 0): sum_of(40, 200, ENOENT=1)})
    assert (read.syscall, read.calls, read.errors, read.total_ns, read.avg_ns) == ("read", 2, 1, 240, 120)
    assert (read.max_ns, read.by_errno, read.pid, read.comm) == (200, "ENOENT 1", None, None)
    assert (write.syscall, write.by_errno, write.p99_ns) == ("write", "", 100)


def test_errors_are_named_the_most_frequent_first() -> None:
    [row] = rows({(None, 0): sum_of(5, ENOENT=1, EINTR=3)})
    assert (row.errors, row.by_errno) == (4, "EINTR 3, ENOENT 1")


def test_processes_have_names() -> None:
    [row] = rows({(7, None): sum_of(1)}, by="process")
    assert (row.syscall, row.pid, row.comm) == (None, 7, "comm7")


@pytest.mark.parametrize(
    ("sort", "first"),
    [(None, 1), ("total", 1), ("calls", 0), ("errors", 2), ("avg", 1), ("max", 1), ("name", 3)],
)
def test_the_greatest_comes_first(sort: str, first: int) -> None:
    found: Dict[Key, Sum] = {
        (None, 0): sum_of(10, 10, 10),
        (None, 1): sum_of(900),
        (None, 2): sum_of(20, ENOENT=1),
        (None, 3): sum_of(15),
    }
    assert rows(found, sort=sort)[0].syscall == ("read", "write", "open", "close")[first]


def test_counts_alone_have_no_other_columns() -> None:
    [row] = rows({(None, 0): Sum(5, {}, 0, 0, {})}, counts_only=True)
    assert row.calls == 5
    assert {row.errors, row.total_ns, row.avg_ns, row.p50_ns, row.max_ns, row.by_errno} == {None}


def test_numbers_that_have_no_name_are_told_apart() -> None:
    found: Dict[Key, Sum] = {(None, number): sum_of(9) for number in (NO_NUMBER, COMPAT + 5, 399)}
    assert {row.syscall for row in rows(found)} == {"call 511 and above", "32-bit call 5", "call 399"}


@given(st.lists(st.integers(32, 10**10), min_size=1, max_size=60), st.floats(0.01, 1))
def test_percentiles_are_never_too_low_and_hardly_too_high(times_ns: Any, share: float) -> None:
    ordered = sorted(times_ns)
    exact = ordered[max(1, min(len(ordered), int(-(-share * len(ordered) // 1)))) - 1]
    found = sum_of(*times_ns).at_share(share)
    assert found is not None
    assert exact <= found <= exact * 1.0625


def test_there_is_no_percentile_where_times_had_no_room() -> None:
    [row] = rows({(None, 0): Sum(5, {}, 100, 50, {})})
    assert (row.p50_ns, row.p99_ns, row.max_ns) == (None, None, 50)


def test_an_interval_has_what_was_added() -> None:
    before, after = sum_of(10, ENOENT=1), sum_of(10, 500, 70, ENOENT=1, EINTR=2)
    found = since({(None, 0): after, (None, 1): before}, {(None, 0): before, (None, 1): before})
    assert list(found) == [(None, 0)]
    assert found[None, 0] == sum_of(500, 70, EINTR=2)._replace(max_ns=None)


@given(st.lists(st.integers(0, 10**9), min_size=1), st.lists(st.integers(0, 10**9), min_size=1))
def test_sums_of_threads_are_those_of_their_process(one: Any, other: Any) -> None:
    assert added(sum_of(*one, ENOENT=1), sum_of(*other, ENOENT=2)) == sum_of(*one, *other, ENOENT=3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"counts_only": True, "failed": True}, "does not go with -Z"),
        ({"counts_only": True, "successful": True}, "does not go with -z"),
        ({"counts_only": True, "sort": "total"}, "nothing to sort by total"),
        ({"failed": True, "successful": True}, "-z leaves out"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: Dict[str, Any], words: str) -> None:
    with pytest.raises(BadOption, match=words):
        TOOL.check({"counts_only": False, "failed": False, "successful": False, "sort": None, **options})
