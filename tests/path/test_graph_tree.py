from typing import Iterator, List, Optional, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdiag.ftrace.function_graph import GraphLine, parse_graph
from kdiag.path.call import Call, SyscallCall
from kdiag.path.graph_tree import GraphTree
from kdiag.path.layer_times import layer_times
from tests.ftrace.captures import graphs
from tests.path.graphs import calls_of, graphs_of

#: What the workload of each scenario called, with the result, as the captures' READMEs say.
RESULTS = {
    "openat-ok": [("openat", 4), ("openat", 5)],
    "openat-enoent": [("openat", -2)] * 3,
    "openat-errors": [("openat", -20), ("openat", -13), ("openat", -14), ("openat", -9)],
    "read-ext4": [("read", 4096), ("read", 4096), ("read", 0), ("read", -21), ("read", -9), ("read", -14)],
}
_PARTS = ("begin-lost", "end-lost", "thresh100")


def names_of(root: Call) -> List[str]:
    return [call.function for _, call in root.walk()]


def whole(scenario: str) -> List[str]:
    return [name for name in graphs_of(scenario) if not any(part in name for part in _PARTS)]


def tree(text: str, roots: Optional[Tuple[str, ...]] = None) -> Tuple[List[SyscallCall], GraphTree]:
    builder = GraphTree(roots)
    lines = [line + "\n" for line in text.strip("\n").split("\n")]
    calls = list(builder.feed(parse_graph(lines)))
    return calls + list(builder.finish()), builder


@pytest.mark.parametrize(
    "scenario, name", [(scenario, name) for scenario in RESULTS for name in whole(scenario)]
)
def test_the_calls_of_a_capture_are_those_of_its_workload(scenario: str, name: str) -> None:
    calls = calls_of(name)
    assert [call.name for call in calls] == [call for call, _ in RESULTS[scenario]]
    if ".retval" in name or ".all" in name:
        found = [(call.name, call.retval if call.errno is None else -call.errno) for call in calls]
        assert found == RESULTS[scenario]
    for call in calls:
        assert call.root is not None
        assert not any(each.begin_lost or each.end_lost for _, each in call.root.walk())


@pytest.mark.parametrize("name", graphs_of("twotasks"))
def test_lines_of_two_cpus_are_the_calls_of_two_tasks(name: str) -> None:
    calls = calls_of(name)
    found = sorted(call.retval for call in calls if call.retval is not None)
    assert len(calls) == 4
    if "default" not in name:
        assert found == [-2, -2, 4, 5]
    if ".all" in name:
        by_task = {
            tid: [call.retval for call in calls if call.tid == tid] for tid in {call.tid for call in calls}
        }
        assert sorted(by_task.values()) == [[-2, -2], [4, 5]]


@pytest.mark.parametrize("kernel", ["6.12-retval", "7.2-full"])
def test_of_a_call_whose_begin_was_overwritten_the_end_is_known(kernel: str) -> None:
    (call,) = calls_of(f"{kernel}/openat-enoent.retval-begin-lost.txt")
    assert call.root is not None
    assert (call.root.function, call.root.begin_lost, call.errno) == ("__x64_sys_openat", True, 2)
    assert call.duration_ns is not None
    path = ["__x64_sys_openat", "do_sys_openat2"]
    assert names_of(call.root)[:2] == path


@pytest.mark.parametrize("kernel, complete", [("6.12-retval", 0), ("7.2-full", 1)])
def test_a_call_whose_end_did_not_fit_in_the_buffer_has_none(kernel: str, complete: int) -> None:
    calls = calls_of(f"{kernel}/openat-enoent.retval-end-lost.txt")
    assert len(calls) == complete + 1
    last = calls[-1]
    assert last.root is not None
    assert (last.retval, last.duration_ns, last.root.end_lost) == (None, None, True)


def test_an_event_before_a_call_gives_its_arguments() -> None:
    calls = calls_of("7.2-full/openat-enoent.retval-events.txt")
    assert '"/mnt/dir/missing", flags: O_RDONLY' in calls[0].args
    assert '"/mnt/nodir/x"' in calls[2].args


def test_a_stray_leaf_before_the_first_call_is_nobodys() -> None:
    calls, builder = tree(
        """
 0)   1.000 us    |  mutex_unlock();
 0)               |  __x64_sys_read() {
 0)   0.500 us    |    vfs_read();
 0)   2.000 us    |  }
"""
    )
    assert [(call.name, call.duration_ns) for call in calls] == [("read", 2000)]
    assert builder.strays == 1


def test_after_a_loss_what_was_open_is_dropped_and_counted_and_its_end_is_no_call() -> None:
    calls, builder = tree(
        """
 0)               |  __x64_sys_read() {
 0)               |    vfs_read() {
CPU:0 [LOST 77 EVENTS]
 0)   5.000 us    |    } /* vfs_read */
 0)   6.000 us    |  } /* __x64_sys_read */
 0)               |  __x64_sys_read() {
 0)   2.000 us    |  }
"""
    )
    assert [call.duration_ns for call in calls] == [2000]
    assert builder.lost == (77, 1, False)


def test_a_task_that_moves_to_another_cpu_takes_its_call_along() -> None:
    calls, _ = tree(
        """
 0)               |  __x64_sys_read() {
 0)               |    schedule() {
 0)   cat-7    =>    idle-0
 1)   idle-0    =>    cat-7
 1) $ 1000000 us  |    }
 1) $ 1000001 us  |  }
"""
    )
    assert [(call.tid, call.comm, call.duration_ns) for call in calls] == [(7, "cat", 1_000_001_000)]
    (wait,) = calls[0].waits
    assert (wait.duration_ns, wait.stack) == (1_000_000_000, ("schedule", "__x64_sys_read"))


def test_only_the_roots_that_were_asked_for_are_calls() -> None:
    text = """
 0)               |  __x64_sys_read() {
 0)               |    vfs_read() {
 0)   1.000 us    |      rw_verify_area();
 0)   2.000 us    |    }
 0)   3.000 us    |  }
 0)               |  vfs_read() {
 0)   4.000 us    |  }
"""
    calls, builder = tree(text, ("vfs_read",))
    assert [(call.name, call.duration_ns) for call in calls] == [("vfs_read", 4000)]
    assert builder.strays == 1


KINDS = st.sampled_from(["entry", "leaf", "return", "comment", "switch", "lost", "cut", "started"])
LINES = st.builds(
    lambda kind, cpu, pid, depth, function, duration: GraphLine(
        kind,
        1,
        cpu=cpu,
        comm="a",
        pid=pid,
        duration_ns=duration if kind in ("leaf", "return") else None,
        depth=depth,
        function=function if kind in ("entry", "leaf", "return") else None,
        args="",
        text="b-1",
        lost_events=3,
    ),
    KINDS,
    st.integers(0, 2),
    st.sampled_from([None, 0, 1, 2]),
    st.integers(0, 5),
    st.sampled_from(["__x64_sys_read", "vfs_read", "schedule", "irq_exit_rcu", None]),
    st.sampled_from([None, 0, 1, 1000, 10**9]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=60), st.sampled_from([None, ("vfs_read",)]))
def test_no_order_of_lines_breaks_it_and_layers_never_exceed_the_call(
    lines: List[GraphLine], roots: Optional[Tuple[str, ...]]
) -> None:
    builder = GraphTree(roots)
    for call in [*builder.feed(lines), *builder.finish()]:
        assert call.root is not None
        times = layer_times(call)
        assert (times is None) == (call.duration_ns is None)
        if times is not None:
            assert sum(times.by_layer.values()) == call.duration_ns
            assert all(ns > 0 for ns in times.by_layer.values())
    assert not any(pile.open or pile.stray for pile in builder._piles.values())


def all_calls() -> Iterator[SyscallCall]:
    for name in graphs():
        yield from calls_of(name)


def test_in_every_capture_the_layers_add_up_and_nearly_everything_is_placed() -> None:
    total = unplaced = 0
    for call in all_calls():
        times = layer_times(call)
        if times is None:
            continue
        assert sum(times.by_layer.values()) == times.total_ns == call.duration_ns
        total += times.total_ns
        unplaced += times.by_layer.get("(unplaced)", 0)
    assert unplaced < total / 50
