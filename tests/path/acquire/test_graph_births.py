"""What functions of failing calls returned, where the kernel does not show it."""

import errno
from typing import List, Optional

from kdiag.path.acquire.graph_births import Births, same_way
from kdiag.path.acquire.graph_replay import explain_by
from kdiag.path.acquire.graph_returns import Return
from kdiag.path.call import Call


def tree(function: str, *children: Call, retval: Optional[int] = None) -> Call:
    call = Call(function, retval=retval)
    call.children.extend(children)
    return call


def missing() -> Call:
    return tree("sys_openat", tree("path_openat", tree("lookup_fast"), tree("step_into")))


def retvals(call: Call) -> List[Optional[int]]:
    return [each.retval for _, each in call.walk()]


RETURNS = [Return(11, "lookup_fast", 5), Return(12, "step_into", -2), Return(13, "path_openat", -2)]


def test_the_first_failing_call_asks_for_probes_and_a_later_one_explains_it() -> None:
    births, first, second = Births(), missing(), missing()
    wanted = births.failed(first, errno.ENOENT)
    assert wanted == ["sys_openat", "path_openat", "lookup_fast", "step_into"]
    for function in wanted[1:]:
        births.placed(function, 5)
    births.refused("sys_openat")
    assert list(births.unexplained) == [errno.ENOENT]
    assert births.returned(second, errno.ENOENT, 10, RETURNS)
    assert retvals(second) == [None, -2, 5, -2]
    assert retvals(first) == [None, -2, 5, -2]
    assert births.unexplained == {}
    assert births.failed(missing(), errno.ENOENT) == []


def test_a_call_that_began_before_the_probes_were_in_place_explains_nothing() -> None:
    births, first = Births(), missing()
    for function in births.failed(first, errno.ENOENT):
        births.placed(function, 50)
    assert not births.returned(missing(), errno.ENOENT, 10, RETURNS)


def test_a_call_that_went_another_way_explains_only_itself() -> None:
    births, first = Births(), missing()
    births.failed(first, errno.ENOENT)
    for function in ("path_openat", "lookup_fast", "step_into"):
        births.placed(function, 0)
    other = tree("sys_openat", tree("path_openat", tree("step_into")))
    assert births.returned(other, errno.ENOENT, 10, RETURNS[1:])
    assert retvals(other) == [None, -2, -2]
    assert retvals(first) == [None, None, None, None]


def test_there_are_no_more_probes_than_allowed_and_the_rest_is_counted() -> None:
    births = Births(most_probes=2)
    assert births.failed(missing(), errno.ENOENT) == ["sys_openat", "path_openat"]
    assert births.left_out == 2


def test_a_refused_function_is_not_asked_for_again() -> None:
    births = Births()
    births.refused("step_into")
    assert "step_into" not in births.failed(missing(), errno.ENOENT)


def test_interrupts_and_the_scheduler_do_not_make_another_way() -> None:
    interrupted = tree(
        "sys_openat", tree("path_openat", tree("irq_exit_rcu"), tree("lookup_fast"), tree("step_into"))
    )
    pairs = same_way(missing(), interrupted)
    assert pairs is not None
    assert [one.function for one, _ in pairs] == ["sys_openat", "path_openat", "lookup_fast", "step_into"]
    assert same_way(missing(), tree("sys_openat")) is None


def test_a_repetition_that_went_the_same_way_gives_all_it_returned() -> None:
    first = missing()
    repeated = tree(
        "sys_openat",
        tree("path_openat", tree("lookup_fast", retval=0), tree("step_into", retval=-2), retval=-2),
        retval=-2,
    )
    assert explain_by(repeated, first, errno.ENOENT) == "went the same way"
    assert retvals(first) == [-2, -2, 0, -2]


def test_a_repetition_that_took_a_shorter_way_gives_what_handed_the_error_up_in_both() -> None:
    first = tree(
        "sys_openat", tree("path_openat", tree("lookup_open", tree("ext4_lookup")), tree("step_into"))
    )
    first.children[0].children.insert(0, tree("alloc_empty_file"))
    inner = tree("path_openat", tree("alloc_empty_file", retval=7), tree("step_into", retval=-2), retval=-2)
    repeated = tree("sys_openat", inner, retval=-2)
    assert explain_by(repeated, first, errno.ENOENT) == (
        "took another way in places, but through the same 3 functions that handed the error up"
    )
    assert retvals(first) == [-2, -2, 7, None, None, -2]


def test_a_repetition_that_failed_elsewhere_gives_nothing() -> None:
    first = missing()
    repeated = tree("sys_openat", tree("getname_flags", retval=-2), retval=-2)
    assert explain_by(repeated, first, errno.ENOENT) == ""
    assert retvals(first) == [None, None, None, None]
