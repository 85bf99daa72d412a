"""Entries and returns of probed functions, paired into trees."""

from typing import Optional

from kdiag.path.acquire.boundary_pair import Pairing, Point
from kdiag.path.call import Call


def enter(ts_ns: int, function: str, tid: int = 7) -> Point:
    return Point(ts_ns, tid, function, True)


def leave(ts_ns: int, function: str, retval: Optional[int] = 0, tid: int = 7) -> Point:
    return Point(ts_ns, tid, function, False, retval)


def shape(call: Call) -> object:
    return (call.function, call.duration_ns, call.retval, [shape(child) for child in call.children])


def test_pairs_nest_with_exact_times_and_return_values() -> None:
    pairing = Pairing()
    pairing.begin(7, "openat", 100)
    for point in (
        enter(110, "path_openat"),
        enter(120, "lookup_fast"),
        leave(125, "lookup_fast"),
        enter(130, "step_into"),
        leave(150, "step_into", -2),
        leave(160, "path_openat", -2),
    ):
        pairing.point(point)
    root = pairing.end(7, 200, -2)
    assert root is not None
    assert shape(root) == (
        "openat", 100, -2,
        [("path_openat", 50, -2, [("lookup_fast", 5, 0, []), ("step_into", 20, -2, [])])],
    )  # fmt: skip


def test_threads_do_not_mix() -> None:
    pairing = Pairing()
    pairing.begin(7, "read", 100)
    pairing.begin(8, "read", 101)
    for point in (enter(110, "vfs_read", 7), enter(111, "vfs_read", 8), leave(112, "vfs_read", 4, 7),
                  leave(120, "vfs_read", 9, 8)):  # fmt: skip
        pairing.point(point)
    seven, eight = pairing.end(7, 130, 4), pairing.end(8, 140, 9)
    assert seven is not None and eight is not None
    assert shape(seven) == ("read", 30, 4, [("vfs_read", 2, 4, [])])
    assert shape(eight) == ("read", 39, 9, [("vfs_read", 9, 9, [])])


def test_a_return_that_was_missed_has_no_duration_and_does_not_spoil_its_caller() -> None:
    pairing = Pairing()
    pairing.begin(7, "read", 100)
    for point in (enter(110, "vfs_read"), enter(120, "ext4_file_read_iter"), leave(150, "vfs_read", 4)):
        pairing.point(point)
    root = pairing.end(7, 160, 4)
    assert root is not None
    (vfs_read,) = root.children
    (ext4,) = vfs_read.children
    assert (vfs_read.duration_ns, ext4.duration_ns, ext4.end_lost) == (40, None, True)
    assert pairing.missing_returns == 1


def test_a_return_without_its_entry_is_counted_and_dropped() -> None:
    pairing = Pairing()
    pairing.begin(7, "read", 100)
    pairing.point(leave(110, "vfs_write"))
    root = pairing.end(7, 120, 0)
    assert root is not None
    assert (root.children, pairing.stray_returns) == ([], 1)


def test_what_happens_outside_of_the_root_is_not_part_of_it() -> None:
    pairing = Pairing()
    pairing.point(enter(90, "vfs_read"))
    assert pairing.end(7, 95, 0) is None
    pairing.begin(7, "read", 100)
    root = pairing.end(7, 110, 0)
    assert root is not None and root.children == []


def test_recursion_closes_the_innermost_call_first() -> None:
    pairing = Pairing()
    pairing.begin(7, "read", 100)
    for point in (
        enter(110, "vfs_read"),
        enter(120, "vfs_read"),
        leave(130, "vfs_read", 1),
        leave(150, "vfs_read", 2),
    ):
        pairing.point(point)
    root = pairing.end(7, 160, 2)
    assert root is not None
    assert shape(root) == ("read", 60, 2, [("vfs_read", 40, 2, [("vfs_read", 10, 1, [])])])


def test_a_loss_drops_everything_that_is_open() -> None:
    pairing = Pairing()
    pairing.begin(7, "read", 100)
    pairing.point(enter(110, "vfs_read"))
    pairing.begin(8, "read", 111)
    assert pairing.lost() == 2
    assert pairing.end(7, 120, 0) is None
    assert pairing.dropped_calls == 2


def test_a_call_that_never_ends_is_handed_out_at_the_end_of_the_trace() -> None:
    pairing = Pairing()
    pairing.begin(7, "read", 100)
    pairing.point(enter(110, "pipe_read"))
    left = pairing.unfinished()
    assert list(left) == [7]
    assert [call.end_lost for _, call in left[7].walk()] == [True, True]
    assert pairing.unfinished() == {}
