"""Return values from probes, in the tree of function_graph."""

from typing import List

from hypothesis import given
from hypothesis import strategies as st

from kdiag.path.acquire.graph_returns import Matched, Return, put_returns, returns_in_order
from kdiag.path.call import Call


def tree(function: str, *children: Call) -> Call:
    call = Call(function)
    call.children.extend(children)
    return call


def returned(*values: "tuple[str, int]") -> List[Return]:
    return [Return(number, function, value) for number, (function, value) in enumerate(values)]


def test_calls_end_before_their_callers_and_in_the_order_in_which_they_were_made() -> None:
    root = tree("openat", tree("path_openat", tree("path_init"), tree("step_into")), tree("putname"))
    assert [call.function for call in returns_in_order(root)] == [
        "path_init",
        "step_into",
        "path_openat",
        "putname",
        "openat",
    ]


def test_the_nth_return_of_a_function_belongs_to_its_nth_end() -> None:
    root = tree("openat", tree("lookup", tree("permission")), tree("permission"), tree("lookup"))
    found = put_returns(
        root,
        returned(("permission", 0), ("lookup", 5), ("permission", -13), ("lookup", -2)),
        ["permission", "lookup"],
    )
    assert found == Matched(4)
    first, second, third = root.children
    assert [first.children[0].retval, first.retval, second.retval, third.retval] == [0, 5, -13, -2]
    assert root.retval is None


def test_a_recursive_function_gets_its_values_from_the_inside_out() -> None:
    root = tree("walk", tree("walk", tree("walk")))
    put_returns(root, returned(("walk", 1), ("walk", 2), ("walk", 3)), ["walk"])
    assert [call.retval for _, call in root.walk()] == [3, 2, 1]


def test_a_function_whose_numbers_do_not_agree_stays_unknown() -> None:
    root = tree("openat", tree("lookup"), tree("lookup"), tree("permission"))
    found = put_returns(root, returned(("lookup", -2), ("permission", 0)), ["lookup", "permission"])
    assert found == Matched(1, ("lookup",))
    assert [call.retval for call in root.children] == [None, None, 0]


def test_a_probe_that_gave_nothing_for_a_function_that_was_called_was_missed() -> None:
    root = tree("openat", tree("lookup"))
    assert put_returns(root, [], ["lookup", "never_called"]) == Matched(0, ("lookup",))


def test_a_call_whose_end_was_not_seen_gets_no_value() -> None:
    root = tree("openat", tree("lookup"))
    root.children[0].end_lost = True
    put_returns(root, returned(("lookup", -2)), ["lookup"])
    assert root.children[0].retval is None


trees = st.recursive(
    st.sampled_from("abc").map(tree),
    lambda children: st.builds(
        lambda name, below: tree(name, *below), st.sampled_from("abc"), st.lists(children)
    ),
    max_leaves=30,
)


@given(trees)
def test_every_call_gets_its_own_value_whatever_the_shape_of_the_tree(root: Call) -> None:
    ends = returns_in_order(root)
    wanted = {id(call): number for number, call in enumerate(ends)}
    events = [Return(number, call.function, number) for number, call in enumerate(ends)]
    assert put_returns(root, events, ["a", "b", "c"]) == Matched(len(ends))
    assert all(call.retval == wanted[id(call)] for _, call in root.walk())
