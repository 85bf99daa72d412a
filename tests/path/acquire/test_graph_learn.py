"""Learn, then narrow."""

import errno

from kdiag.path.acquire.graph_learn import Learner

SECOND_NS = 1_000_000_000


def test_a_few_calls_are_not_enough_to_narrow() -> None:
    learner = Learner()
    for number in range(15):
        learner.saw(["vfs_read"], None, number)
    assert not learner.may_narrow(16)


def test_sixteen_calls_of_which_the_last_eight_brought_nothing_new_are_enough() -> None:
    learner = Learner()
    for number in range(8):
        learner.saw([f"function_{number}"], None, number)
    for number in range(8):
        assert not learner.may_narrow(8 + number)
        learner.saw(["function_3"], None, 8 + number)
    assert learner.may_narrow(17)
    assert sorted(learner.functions) == [f"function_{number}" for number in range(8)]


def test_calls_that_always_bring_something_new_are_learnt_from_for_three_seconds_at_most() -> None:
    learner = Learner()
    for number in range(100):
        learner.saw([f"function_{number}"], None, number)
    assert not learner.may_narrow(3 * SECOND_NS - 1)
    assert learner.may_narrow(3 * SECOND_NS)


def test_time_without_any_call_teaches_nothing() -> None:
    assert not Learner().may_narrow(3600 * SECOND_NS)


def test_an_error_that_was_not_seen_while_learning_widens_the_trace_until_four_calls_showed_it() -> None:
    learner = Learner()
    for number in range(16):
        learner.saw(["vfs_read"], None, number)
    learner.narrow()
    learner.saw(["vfs_read"], None, 20)
    assert not learner.must_widen()
    learner.saw(["vfs_read"], errno.EIO, 21)
    assert learner.must_widen()
    learner.widen(22)
    for number in range(30):
        learner.saw(["vfs_read"], None, 30 + number)
    assert not learner.may_narrow(70)
    for number in range(4):
        learner.saw(["vfs_read", "end_buffer_read_sync"], errno.EIO, 70 + number)
    for number in range(8):
        learner.saw(["vfs_read"], None, 80 + number)
    assert learner.may_narrow(90)
    assert "end_buffer_read_sync" in learner.functions


def test_an_error_that_was_seen_while_learning_does_not_widen() -> None:
    learner = Learner()
    for number in range(16):
        learner.saw(["vfs_read"], errno.EAGAIN, number)
    learner.narrow()
    learner.saw(["vfs_read"], errno.EAGAIN, 20)
    assert not learner.must_widen()


def test_a_rare_error_does_not_keep_the_trace_wide_for_ever() -> None:
    learner = Learner()
    for number in range(16):
        learner.saw(["vfs_read"], None, number)
    learner.narrow()
    learner.saw(["vfs_read"], errno.EIO, 21)
    learner.widen(22)
    learner.saw(["vfs_read"], None, 23)
    assert learner.may_narrow(22 + 3 * SECOND_NS)
    learner.narrow()
    assert not learner.must_widen()
