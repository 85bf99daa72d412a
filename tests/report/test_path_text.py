from typing import List

import pytest

from kdiag.doctor.mechanism import Choice, PassedOver
from kdiag.path.call import Call, Capture, Lost, Outcome, SyscallCall, Wait
from kdiag.path.result import PathResult, summarize
from kdiag.report.path_text import lost_text, path_lines
from kdiag.report.path_tree import TreeView, tree_lines
from kdiag.report.terminal import Style
from tests.path.graphs import calls_of, result_of
from tests.report.golden_files import assert_golden

STYLE = Style(width=100)
STITCH = Choice("stitch", "stacks", (PassedOver("function_graph", "not built in", "a kernel"),))


def stitched() -> SyscallCall:
    root = Call("__x64_sys_read", start_ns=1000, end_ns=101_000, duration_ns=100_000)
    inner = Call("vfs_read", start_ns=2000, end_ns=100_000, duration_ns=98_000, inferred=True)
    sleep = Call("schedule", start_ns=10_000, end_ns=90_000, duration_ns=80_000, inferred=True)
    once = Call("security_file_permission", start_ns=3000, end_ns=3000, duration_ns=0, inferred=True)
    pipe = Call("pipe_read", start_ns=9000, end_ns=99_000, duration_ns=90_000, inferred=True)
    once.hits = 2
    pipe.children, inner.children, root.children = [sleep], [once, pipe], [inner]
    waits = (
        Wait(10_000, 75_000, "S", ("schedule", "pipe_read", "vfs_read"), "writer-9 (pipe_write)"),
        Wait(85_000, 5_000, "R", ("schedule", "pipe_read", "vfs_read")),
    )
    return SyscallCall("read", 7, "cat", 1000, 100_000, 12, None, "fd=0, count=65536", root, waits, 7, 1)


def result(calls: List[SyscallCall], nothing: str = "") -> PathResult:
    outcome = Outcome()
    outcome.nothing = nothing
    outcome.ended = "the command ended"
    capture = Capture(STITCH, "mono", iter(calls), "cat", "begin and end", "the rest", outcome=outcome)
    return summarize("read", capture)._replace(duration_s=0.5)


def text(calls: List[SyscallCall]) -> str:
    return "\n".join(path_lines(result(calls), TreeView(), STYLE))


def test_a_failing_open_by_function_graph() -> None:
    shown = result_of("7.2-full/openat-enoent.retval-args.txt", "nth", 2)
    assert_golden("path-openat-enoent.txt", path_lines(shown, TreeView(), STYLE))


def test_a_blocked_read_by_stitched_stacks() -> None:
    assert_golden("path-read-stitched.txt", path_lines(result([stitched()]), TreeView(), STYLE))


def test_what_failed_and_where_comes_right_after_the_headline() -> None:
    lines = list(path_lines(result_of("7.2-full/openat-errors.retval.txt"), TreeView(), Style(width=200)))
    assert lines[0].startswith("openat: 4 calls by whoever was traced; 4 failed: 1 EBADF, 1 EACCES, ")
    assert lines[1:5] == [
        "EBADF: born in path_init, called by path_openat < do_file_open < do_sys_openat2 < __x64_sys_openat; "
        "link_path_walk only handed it back",
        "EACCES: born in generic_permission, called by inode_permission < may_open < path_openat < "
        "do_file_open < do_sys_openat2 < __x64_sys_openat",
        "EFAULT: born in do_getname.constprop.0, called by getname_flags < do_sys_openat2 < "
        "__x64_sys_openat; do_file_open only handed it back",
        "ENOTDIR: born in link_path_walk, called by path_openat < do_file_open < do_sys_openat2 < "
        "__x64_sys_openat",
    ]


def test_lost_events_are_said_even_if_there_are_none() -> None:
    assert "lost: 0 events" in text([stitched()])
    assert lost_text(Lost(1, 2)) == "lost: 1 event, 2 calls left incomplete and dropped"


def test_that_nothing_was_seen_is_said_with_the_reason() -> None:
    why = "the probe fires when kdiag calls it itself: nothing else called it"
    lines = list(path_lines(result([], why), TreeView(), Style(width=200)))
    assert lines[-1] == f"no call of read was seen: {why}"


def rows(call: SyscallCall, view: TreeView) -> List[str]:
    lines = [line[22:].rstrip() for line in tree_lines(call, view, Style(width=200))]
    return lines[lines.index("function") + 1 :]


def leaf(name: str, duration_ns: int) -> Call:
    return Call(name, duration_ns=duration_ns)


def simple(*children: Call) -> SyscallCall:
    root = Call("root", duration_ns=10_000)
    root.children = list(children)
    return SyscallCall("read", 1, "c", 1, 10_000, 0, None, "", root)


def test_leaves_of_one_name_in_a_row_are_one_line() -> None:
    shown = rows(simple(leaf("a", 10), leaf("a", 20), leaf("b", 1), leaf("a", 5)), TreeView(None, 0))
    assert shown == ["root", "  a x2", "  b", "  a"]


def test_short_calls_are_one_line_a_caller_and_their_time_is_kept() -> None:
    call = simple(leaf("a", 10), leaf("long", 900), leaf("b", 20))
    lines = list(tree_lines(call, TreeView(None, 100), Style(width=200)))
    assert lines[-1].split()[:2] == ["30", "ns"]
    assert rows(call, TreeView(None, 100)) == ["root", "  long", "  (2 calls under 100 ns)"]


def test_a_bound_that_the_user_names_holds_for_what_was_seen_on_stacks_too() -> None:
    inner, noted = Call("do_it", duration_ns=50, inferred=True), leaf("alloc", 20)
    inner.children = [leaf("deep", 40)]
    noted.notes = ["from a cache"]
    call = simple(leaf("long", 900), inner, noted)
    assert rows(call, TreeView(None, 100)) == ["root", "  long", "  (2 calls under 100 ns)"]


def test_below_the_depth_calls_are_counted() -> None:
    outer = leaf("outer", 50)
    outer.children = [leaf("inner", 10), leaf("other", 5)]
    assert rows(simple(outer), TreeView(2)) == ["root", "  outer", "    (2 calls deeper)"]


def test_the_way_to_the_error_is_shown_whatever_is_hidden() -> None:
    call = calls_of("7.2-full/openat-errors.retval.txt")[1]
    lines = list(tree_lines(call, TreeView(2, 10**9), Style(width=200)))
    way = [line[22:].strip() for line in lines if line[20:21] == "!"]
    assert way == [
        f"{name} = -EACCES"
        for name in (
            "__x64_sys_openat",
            "do_sys_openat2",
            "do_file_open",
            "path_openat",
            "may_open",
            "inode_permission",
            "generic_permission",
        )
    ]


def test_what_an_interrupt_called_is_shown_on_demand() -> None:
    interrupt = leaf("irq_exit_rcu", 50)
    interrupt.children = [leaf("rcu_core", 40)]
    call = simple(interrupt)
    assert rows(call, TreeView(None, 0)) == ["root", "  irq_exit_rcu", "    (1 call of an interrupt)"]
    assert rows(call, TreeView(None, 0, True)) == ["root", "  irq_exit_rcu", "    rcu_core"]


@pytest.mark.parametrize("width", [40, 60, 100, 200])
def test_no_line_is_wider_than_the_terminal_but_deep_rows(width: int) -> None:
    lines = path_lines(result([stitched()]), TreeView(), Style(width=width))
    assert all(len(line) <= width for line in lines if "~" not in line)


def test_hostile_names_move_no_cursor() -> None:
    call = stitched()._replace(comm="\x1b[2J", args="\n\x07")
    assert call.root is not None
    call.root.children[0].function = "evil\x1b]0;x\x07"
    call.root.notes.append("\x1b[31m")
    shown = text([call])
    assert "\x1b" not in shown
    assert "\x07" not in shown
