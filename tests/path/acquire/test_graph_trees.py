"""Lines of function_graph, built into trees."""

from typing import Iterator, List, Optional, Tuple, Union

import pytest

from kdiag.ftrace.function_graph import GraphLine, parse_graph
from kdiag.path.acquire.graph_join import Tree
from kdiag.path.acquire.graph_trees import TreeBuilder
from kdiag.path.call import Call
from kdiag.procfs.text import Problem

ROOTS = frozenset(["__x64_sys_read"])


def lines(text: str) -> Iterator[Union[GraphLine, Problem]]:
    return parse_graph(f"{line}\n" for line in text.strip("\n").split("\n"))


def built(text: str, builder: Optional[TreeBuilder] = None) -> Tuple[List[Tree], TreeBuilder]:
    builder = builder or TreeBuilder(ROOTS)
    return list(builder.feed(lines(text))), builder


def shape(call: Call) -> object:
    return (call.function, call.duration_ns, [shape(child) for child in call.children])


WHOLE = """
    1.000001 |   0)   python-7      |               |  __x64_sys_read() {
    1.000002 |   0)   python-7      |               |    vfs_read() {
    1.000003 |   0)   python-7      |   1.500 us    |      ext4_file_read_iter [ext4]();
    1.000005 |   0)   python-7      |   3.000 us    |    } /* vfs_read */
    1.000006 |   0)   python-7      |   5.000 us    |  } /* __x64_sys_read */
"""
SHAPE: object = ("__x64_sys_read", 5000, [("vfs_read", 3000, [("ext4_file_read_iter", 1500, [])])])


def test_a_call_is_a_tree_with_times_of_the_clock_and_durations_of_the_tracer() -> None:
    (tree,), _ = built(WHOLE)
    assert shape(tree.root) == (
        "__x64_sys_read",
        5000,
        [("vfs_read", 3000, [("ext4_file_read_iter", 1500, [])])],
    )
    assert (tree.tid, tree.comm, tree.cpu) == (7, "python", 0)
    assert (tree.start_ns, tree.end_ns) == (1_000_001_000, 1_000_006_000)
    assert tree.root.children[0].children[0].module == "ext4"


def test_a_task_that_moves_to_another_cpu_stays_one_tree() -> None:
    (tree,), _ = built(
        WHOLE.replace("1.000005 |   0)", "1.000005 |   1)").replace("1.000006 |   0)", "1.000006 |   1)")
    )
    assert shape(tree.root) == (
        "__x64_sys_read",
        5000,
        [("vfs_read", 3000, [("ext4_file_read_iter", 1500, [])])],
    )


def test_tasks_that_share_a_cpu_do_not_mix() -> None:
    text = """
    1.000001 |   0)      a-7        |               |  __x64_sys_read() {
    1.000002 |   0)      b-8        |               |  __x64_sys_read() {
    1.000003 |   0)      a-7        |   1.000 us    |    vfs_read();
    1.000004 |   0)      b-8        |   4.000 us    |  } /* __x64_sys_read */
    1.000005 |   0)      a-7        |   9.000 us    |  } /* __x64_sys_read */
    """
    (b, a), _ = built(text)
    assert shape(b.root) == ("__x64_sys_read", 4000, [])
    assert shape(a.root) == ("__x64_sys_read", 9000, [("vfs_read", 1000, [])])


def test_what_comes_before_the_first_root_is_nobodys() -> None:
    stray = """
    1.000000 |   0)   python-7      |   1.000 us    |  mutex_unlock();
    1.000000 |   0)   python-7      |   1.000 us    |    } /* vfs_write */
"""
    trees, builder = built(stray + WHOLE.strip("\n"))
    assert [tree.root.function for tree in trees] == ["__x64_sys_read"]
    assert builder.dropped_calls == 0


def test_a_loss_drops_what_is_open_and_what_the_gap_may_have_touched() -> None:
    head, tail = WHOLE.strip("\n").split("\n")[:2], WHOLE.strip("\n").split("\n")[2:]
    trees, builder = built("\n".join([*head, "CPU:0 [LOST 12 EVENTS]", *tail]))
    assert trees == []
    assert (builder.lost_events, builder.dropped_calls, builder.lost_unknown) == (12, 1, False)
    (tree,), _ = built(WHOLE, builder)
    assert tree.root.function == "__x64_sys_read"


def test_a_loss_of_unknown_size_is_told_as_such() -> None:
    _, builder = built("CPU:1 [LOST EVENTS]")
    assert (builder.lost_events, builder.lost_unknown) == (0, True)


def test_a_call_that_was_open_on_another_cpu_during_the_gap_is_dropped_too() -> None:
    text = """
CPU:1 [LOST 3 EVENTS]
    1.000001 |   0)   python-7      |               |  __x64_sys_read() {
    1.000002 |   1)   other-9       |               |  __x64_sys_read() {
    1.000003 |   0)   python-7      |   5.000 us    |  } /* __x64_sys_read */
    1.000004 |   1)   other-9       |   5.000 us    |  } /* __x64_sys_read */
"""
    trees, builder = built(text)
    assert [tree.tid for tree in trees] == [9]
    assert builder.dropped_calls == 1


@pytest.mark.parametrize(
    "missing", ["} /* vfs_read */", "vfs_read() {"], ids=["an end is missing", "an entry is missing"]
)
def test_a_tree_whose_indents_do_not_fit_is_dropped(missing: str) -> None:
    text = "\n".join(line for line in WHOLE.strip("\n").split("\n") if not line.endswith(missing))
    trees, builder = built(text)
    assert (trees, builder.dropped_calls) == ([], 1)


def test_a_gap_in_the_indents_is_no_loss() -> None:
    text = """
    1.000001 |   0)   python-7      |               |  __x64_sys_read() {
    1.000003 |   0)   python-7      |   1.000 us    |      vfs_read();
    1.000006 |   0)   python-7      |   5.000 us    |  } /* __x64_sys_read */
"""
    (tree,), builder = built(text)
    assert shape(tree.root) == ("__x64_sys_read", 5000, [("vfs_read", 1000, [])])
    assert builder.dropped_calls == 0


def test_a_call_that_does_not_end_is_given_at_the_end_with_its_ends_missing() -> None:
    trees, builder = built("\n".join(WHOLE.strip("\n").split("\n")[:3]))
    assert trees == []
    (tree,) = builder.unfinished()
    assert tree.end_ns is None
    assert [call.end_lost for _, call in tree.root.walk()] == [True, True, False]


def test_a_tree_beyond_its_bound_is_cut_and_says_so() -> None:
    builder = TreeBuilder(ROOTS, most_calls=2)
    (tree,), _ = built(WHOLE, builder)
    assert shape(tree.root) == ("__x64_sys_read", 5000, [("vfs_read", 3000, [])])
    assert tree.root.notes == ["1 calls beyond the first 2 are not shown"]


def test_a_line_that_cannot_be_read_is_counted() -> None:
    builder = TreeBuilder(ROOTS)
    assert list(builder.feed(parse_graph(["rubbish\n"]))) == []
    assert builder.bad_lines == 1


def test_a_root_that_calls_nothing_is_a_leaf() -> None:
    (tree,), _ = built("    1.000001 |   0)   python-7      |   2.500 us    |  __x64_sys_read();")
    assert shape(tree.root) == ("__x64_sys_read", 2500, [])
    assert tree.end_ns == 1_000_003_500


def test_the_idle_tasks_of_two_cpus_are_two() -> None:
    made = [
        GraphLine("entry", 1, 0, "<idle>", 0, 1000, None, 0, "__x64_sys_read"),
        GraphLine("entry", 2, 1, "<idle>", 0, 1000, None, 0, "__x64_sys_read"),
        GraphLine("return", 3, 0, "<idle>", 0, 2000, 1000, 0, "__x64_sys_read"),
    ]
    builder = TreeBuilder(ROOTS)
    assert [tree.cpu for tree in builder.feed(made)] == [0]
    assert [tree.cpu for tree in builder.unfinished()] == [1]


def test_what_runs_because_of_the_tracing_itself_is_left_out() -> None:
    text = """
    1.000001 |   0)   python-7      |               |  __x64_sys_read() {
    1.000002 |   0)   python-7      |               |    __traceiter_sched_switch() {
    1.000003 |   0)   python-7      |   1.000 us    |      _raw_spin_lock();
    1.000004 |   0)   python-7      |   2.000 us    |    } /* __traceiter_sched_switch */
    1.000005 |   0)   python-7      |   1.000 us    |    vfs_read();
    1.000006 |   0)   python-7      |   5.000 us    |  } /* __x64_sys_read */
"""
    (tree,), _ = built(text)
    assert shape(tree.root) == ("__x64_sys_read", 5000, [("vfs_read", 1000, [])])
