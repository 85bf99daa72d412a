"""function_graph set up: which roots, and every write in order, as --dry-run shows them."""

from pathlib import Path
from typing import List

import pytest

from kdiag.doctor.mechanism import Choice
from kdiag.ftrace.tracefs import PlannedTraceFs
from kdiag.path.acquire.graph import NoSuchFunction, acquire, roots_of
from kdiag.path.acquire.graph_names import Traceable
from kdiag.path.acquire.graph_setup import CannotGraph
from kdiag.path.request import Request
from tests.ftrace.tracefs_folder import LiveMemoryHost, fill, tracefs_in

KNOWN = Traceable("__x64_sys_openat\n__ia32_sys_openat\n__x64_sys_read\nvfs_read\nlink_path_walk.part.0\n")

GRAPH = {
    "available_filter_functions": "__x64_sys_openat\n__ia32_sys_openat\nvfs_read\n",
    "set_graph_notrace": "#### no functions disabled ####\n",
    "set_ftrace_notrace": "#### no functions disabled ####\n",
    "set_ftrace_pid": "no pid\n",
    "max_graph_depth": "0\n",
    "options/function-fork": "0\n",
    "options/funcgraph-abstime": "0\n",
    "options/funcgraph-proc": "0\n",
    "options/funcgraph-cpu": "1\n",
    "options/funcgraph-tail": "0\n",
    "options/sleep-time": "1\n",
    "events/sched/sched_waking/enable": "0\n",
    "events/sched/sched_waking/filter": "none\n",
    "events/syscalls/sys_enter_openat/enable": "0\n",
    "events/syscalls/sys_exit_openat/enable": "0\n",
}


def planned(folder: Path, instances: bool, request: Request) -> List[str]:
    """Return the changes that one run would make, without those of making and undoing sessions."""
    top = tracefs_in(folder)
    fill(folder, GRAPH)
    if instances:
        fill(folder, {"available_tracers": "function_graph function nop\n"})
    plan = PlannedTraceFs(top)
    host = LiveMemoryHost({"/proc/sys/kernel/ftrace_enabled": b"1\n"})
    assert list(acquire(request, host, plan, None, Choice("function_graph"), lambda: False).calls) == []
    return [str(each) for each in plan.plan]


def test_a_system_call_has_its_wrappers_of_all_kinds_of_programs_as_roots() -> None:
    assert roots_of(Request(("openat",)), "x86_64", KNOWN)[0] == ["__x64_sys_openat", "__ia32_sys_openat"]


def test_all_system_calls_are_one_pattern() -> None:
    globs, roots = roots_of(Request(everything=True), "x86_64", KNOWN)
    assert globs == ["__x64_sys_*"]
    assert roots == ["__x64_sys_openat", "__x64_sys_read"]


def test_a_function_is_its_own_root() -> None:
    assert roots_of(Request(function="vfs_read"), "x86_64", KNOWN) == (["vfs_read"], ["vfs_read"])


def test_an_unknown_function_is_told_with_near_names() -> None:
    with pytest.raises(NoSuchFunction, match=r"near: link_path_walk\.part\.0"):
        roots_of(Request(function="link_path_walk"), "x86_64", KNOWN)


def test_a_system_call_without_a_wrapper_cannot_be_traced() -> None:
    with pytest.raises(NoSuchFunction, match="__x64_sys_fsync"):
        roots_of(Request(("fsync",)), "x86_64", KNOWN)


def test_the_tracer_is_set_after_its_filters_and_recording_begins_last(tmp_path: Path) -> None:
    writes = planned(tmp_path, True, Request(("openat",), machine="x86_64"))
    order = [
        next(at for at, each in enumerate(writes) if each.endswith(end))
        for end in (
            "/set_graph_function <- __x64_sys_openat\n__ia32_sys_openat",
            "/current_tracer <- function_graph",
            "/events/syscalls/sys_exit_openat/enable <- 1",
            "/events/syscalls/sys_enter_openat/enable <- 1",
        )
    ]
    assert order == sorted(order)
    starts = [at for at, each in enumerate(writes) if each.endswith("tracing_on <- 1")]
    assert starts and starts[0] > order[-1]


def test_every_global_file_that_is_written_is_put_back(tmp_path: Path) -> None:
    writes = planned(tmp_path, True, Request(("openat",), machine="x86_64", most_depth=5))
    of_top = [each for each in writes if each.startswith(("/T/set_graph_function", "/T/max_graph_depth"))]
    assert of_top == [
        "/T/set_graph_function <- __x64_sys_openat\n__ia32_sys_openat",
        "/T/max_graph_depth <- 5",
        "/T/max_graph_depth <- 0",
        "/T/set_graph_function <-",
    ]


def test_function_tracing_that_is_switched_off_is_not_switched_on(tmp_path: Path) -> None:
    plan = PlannedTraceFs(tracefs_in(tmp_path))
    fill(tmp_path, GRAPH)
    host = LiveMemoryHost({"/proc/sys/kernel/ftrace_enabled": b"0\n"})
    request = Request(("openat",), machine="x86_64")
    with pytest.raises(CannotGraph, match=r"kernel\.ftrace_enabled=1"):
        list(acquire(request, host, plan, None, Choice("function_graph"), lambda: False).calls)


def test_without_tracefs_there_is_no_graph() -> None:
    with pytest.raises(CannotGraph, match="needs tracefs"):
        acquire(Request(("openat",)), LiveMemoryHost({}), None, None, Choice("function_graph"), lambda: False)


def test_before_6_11_the_top_level_is_taken_and_every_file_of_it_is_put_back_in_reverse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kdiag.path.acquire.graph.graph_in_instances", lambda _: False)
    writes = planned(tmp_path, False, Request(("openat",), machine="x86_64"))
    of_top = [each for each in writes if each.startswith("/T/") and not each.startswith("/T/instances/")]
    first = {each.partition(" ")[0]: at for at, each in reversed(list(enumerate(of_top)))}
    tracer = of_top.index("/T/current_tracer <- function_graph")
    undone = of_top[tracer + 1 :]
    assert undone[0].startswith(("/T/set_ftrace_notrace_pid", "/T/tracing_on"))
    assert "/T/current_tracer <- nop" in undone
    restored = [each.partition(" ")[0] for each in undone if each.partition(" ")[0] in first]
    for name in (
        "current_tracer",
        "set_graph_function",
        "buffer_size_kb",
        "trace_clock",
        "options/funcgraph-proc",
    ):
        assert f"/T/{name}" in restored, name
    assert restored.index("/T/current_tracer") < restored.index("/T/set_graph_function")
    assert restored.index("/T/set_graph_function") < restored.index("/T/trace_clock")


def test_buffer_and_clock_are_set_before_the_tracer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdiag.path.acquire.graph.graph_in_instances", lambda _: False)
    writes = planned(tmp_path, False, Request(("openat",), machine="x86_64"))
    tracer = writes.index("/T/current_tracer <- function_graph")
    for wanted in ("/T/tracing_on <- 0", "/T/trace_clock <- mono", "/T/options/disable_on_free <- 1"):
        assert writes.index(wanted) < tracer
    assert writes.index("/T/tracing_on <- 1") > tracer
