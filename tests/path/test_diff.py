from typing import List

from kdiag.doctor.mechanism import Choice
from kdiag.path.call import Call, Capture, SyscallCall
from kdiag.path.diff import compare
from kdiag.path.result import PathResult, summarize
from tests.path.graphs import result_of


def result(calls: List[SyscallCall], mechanism: str = "function_graph") -> PathResult:
    return summarize("read", Capture(Choice(mechanism), "mono", iter(calls), "cat"))


def calls(inner: str, inner_ns: int, number: int = 30, errno: int = 0) -> List[SyscallCall]:
    made = []
    for _ in range(number):
        root = Call("__x64_sys_read", duration_ns=1000 + inner_ns)
        root.children.append(Call(inner, duration_ns=inner_ns))
        root.children.append(Call("vfs_read", duration_ns=500))
        made.append(SyscallCall("read", 1, "c", 1, 1000 + inner_ns, -errno, errno or None, "", root))
    return made


def test_a_capture_compared_with_itself_has_not_changed() -> None:
    one, other = (result_of("7.2-full/openat-enoent.retval.txt") for _ in range(2))
    diff = compare(one, other)
    assert (diff.functions, diff.results) == ((), ())
    assert all(each.ratio == 1 for each in diff.times)
    assert all(each.before == each.after for each in diff.layers)


def test_what_appeared_vanished_and_got_slower_is_told_per_call() -> None:
    diff = compare(result(calls("old", 100, 30)), result(calls("new", 900, 60)))
    found = {(each.kind, each.function): each for each in diff.functions}
    assert sorted(found) == [("appeared", "new"), ("vanished", "old")]
    assert found["appeared", "new"].hits_after == 1
    slower = compare(result(calls("same", 100)), result(calls("same", 900)))
    (change,) = slower.functions
    assert (change.kind, change.function) == ("slower", "same")
    assert (change.self_before_ns, change.self_after_ns) == (100, 900)
    faster = compare(result(calls("same", 900)), result(calls("same", 100)))
    assert [each.kind for each in faster.functions] == ["faster"]


def test_a_change_of_less_than_a_fifth_is_none() -> None:
    assert compare(result(calls("same", 1000)), result(calls("same", 1190))).functions == ()


def test_other_results_are_told_in_shares() -> None:
    mixed = calls("same", 100, 10) + calls("same", 100, 30, errno=5)
    diff = compare(result(calls("same", 100)), result(mixed))
    assert diff.results == (("read", 5, 0.0, 0.75),)


def test_what_does_not_compare_is_said() -> None:
    diff = compare(result(calls("same", 100, 2)), result(calls("same", 100), "stitch"))
    assert any("different mechanisms" in note for note in diff.notes)
    assert any("the first has 2 calls only" in note for note in diff.notes)
