import io
from typing import List

import pytest

from fixtures.recorded_tracefs import raw
from kdiag.tools.read import NotATrace, read_trace
from kdiag.tools.trace_summary import CallNode, EventRow, FunctionRow, SyscallRow, TaskRow, TraceSummary
from tests.ftrace.captures import read


def summed(text: bytes, machine: str = "") -> TraceSummary:
    return read_trace(io.BytesIO(text), "/t/trace", machine or None)


def event(time_us: int, rest: str, pid: int = 7, cpu: int = 0) -> bytes:
    return f"{'bash':>16}-{pid:<7} [{cpu:03d}] ..... {time_us / 1e6:.6f}: {rest}\n".encode()


def graph(*lines: str) -> bytes:
    return b"# tracer: function_graph\n#\n" + "".join(f"{line}\n" for line in lines).encode()


def functions(summary: TraceSummary) -> "dict[str, FunctionRow]":
    return {each.function: each for each in summary.functions}


def test_a_recorded_trace_is_summed_up_exactly() -> None:
    found = summed(read("6.12-retval", "raw-missed.trace.txt"))
    assert (found.kind, found.tracer, found.events, found.cpus) == ("events", "nop", 532, 2)
    # 305 openat of the workload were more than the buffer held: `overrun` of its stats.
    assert (found.lost, found.overwritten) == (0, 715)
    assert found.by_event[0] == EventRow("o", 126, 0)
    assert found.by_task[0] == TaskRow("work", 470, 492)
    (row,) = found.syscalls
    assert (row.syscall, row.calls, row.timed, row.errors) == ("openat", 126, 125, ((2, 81),))
    assert found.problems == ()


def test_system_calls_have_their_times_and_errors() -> None:
    text = b"".join(
        event(start, f"sys_read(fd: {number:x}, buf: 7f, count: 10)") + event(start + us, "sys_read -> 0x10")
        for number, (start, us) in enumerate([(100, 10), (200, 30), (300, 20), (400, 940)])
    )
    text += event(2000, "sys_openat(dfd: 0)") + event(2007, "sys_openat -> 0xfffffffffffffffe")
    read_row, open_row = summed(text).syscalls
    assert read_row == SyscallRow("read", 4, 4, (), 1000.0, 10.0, 250.0, 20.0, 940.0, 940.0)
    assert (open_row.errors, open_row.max_us) == (((2, 1),), 7.0)


def test_a_text_with_nanoseconds_has_shorter_times() -> None:
    text = b"".join(
        f"{'dd':>16}-7  [000]  1.{start:09d}: sys_read(fd: 0)\n".encode()
        + f"{'dd':>16}-7  [000]  1.{start + ns:09d}: sys_read -> 0x1\n".encode()
        for start, ns in ((1000, 363), (5000, 421), (9000, 123456))
    )
    found = summed(text)
    (row,) = found.syscalls
    assert (row.min_us, row.p50_us, row.max_us, row.total_us) == (0.363, 0.421, 123.456, 124.24)
    assert found.notes == ()


def test_calls_of_threads_that_interleave_are_kept_apart() -> None:
    text = (
        event(10, "sys_read(fd: 3)", pid=1)
        + event(11, "sys_read(fd: 3)", pid=2, cpu=1)
        + event(13, "sys_read -> 0x1", pid=2, cpu=1)
        + event(20, "sys_read -> 0x1", pid=1, cpu=1)
    )
    (row,) = summed(text).syscalls
    assert (row.min_us, row.max_us) == (2.0, 10.0)


def test_numbers_of_system_calls_are_named_where_it_is_known_whose_they_are() -> None:
    text = event(1, "sys_enter: NR 257 (ffffff9c, 7f, 0, 0, 0, 0)") + event(5, "sys_exit: NR 257 = -2")
    found = summed(text)
    assert (found.syscalls[0].syscall, found.syscalls[0].errors) == ("NR 257", ((2, 1),))
    assert "--machine" in found.notes[0]
    found = summed(text, "x86_64")
    assert found.syscalls[0].syscall == "openat"
    assert not any("--machine" in note for note in found.notes)


def test_what_is_under_way_when_events_are_lost_is_dropped_and_counted() -> None:
    text = (
        event(10, "sys_read(fd: 3)")
        + b"CPU:0 [LOST 12 EVENTS]\n"
        + event(900, "sys_read -> 0x1")
        + b"CPU:1 [LOST EVENTS]\n"
    )
    found = summed(text)
    assert (found.lost, found.lost_unknown, found.dropped) == (12, True, 1)
    (row,) = found.syscalls
    # The end belongs to another call than the begin: two calls, neither of them with a time.
    assert (row.calls, row.timed, row.max_us) == (2, 0, None)


def test_a_clock_without_time_gives_no_durations_and_says_so() -> None:
    found = summed(raw("7.2", "events.clock-counter.txt"))
    assert found.first_s is None
    assert all(each.timed == 0 for each in found.syscalls)
    assert "counts no time" in found.notes[0]


def test_functions_have_their_own_time_and_that_of_what_they_call() -> None:
    found = summed(
        graph(
            " 0)               |  vfs_read() {",
            " 0)   1.000 us    |    check();",
            " 0)               |    copy() {",
            " 0)   2.000 us    |      check();",
            " 0)   5.000 us    |    }",
            " 0) + 20.000 us   |  }",
        )
    )
    rows = functions(found)
    assert rows["vfs_read"] == FunctionRow("vfs_read", 1, 0, 20.0, 14.0, 20.0, 20.0)
    assert rows["copy"] == FunctionRow("copy", 1, 0, 5.0, 3.0, 5.0, 5.0)
    assert rows["check"] == FunctionRow("check", 2, 0, 3.0, 3.0, 1.5, 2.0)
    assert (found.roots, found.dropped) == (1, 0)
    assert found.slowest == (
        CallNode(0, "vfs_read", 20.0, 14.0, None, None),
        CallNode(1, "check", 1.0, 1.0, None, None),
        CallNode(1, "copy", 5.0, 3.0, None, None),
        CallNode(2, "check", 2.0, 2.0, None, None),
    )


def test_a_call_within_a_call_of_the_same_function_counts_once_in_the_total() -> None:
    rows = functions(
        summed(graph(" 0)               |  f() {", " 0)   4.000 us    |    f();", " 0) + 10.000 us   |  }"))
    )
    assert rows["f"] == FunctionRow("f", 2, 0, 10.0, 10.0, 7.0, 10.0)


def test_calls_that_are_cut_have_no_time_of_their_own() -> None:
    found = summed(
        graph(
            " 0)   3.000 us    |    } /* begun = 0x1 */",
            " 0)   9.000 us    |  }",
            " 0)               |  open() {",
            " 0)   1.000 us    |    f();",
        )
    )
    rows = functions(found)
    assert (rows["begun"].cut, rows["begun"].self_us, rows["begun"].total_us) == (1, None, 3.0)
    assert (rows["open"].cut, rows["open"].total_us) == (1, None)
    assert (rows["f"].cut, rows["f"].self_us) == (0, 1.0)
    assert found.dropped == 1
    assert found.slowest == ()


def test_an_end_that_is_missing_within_leaves_the_callers_own_time_open() -> None:
    rows = functions(
        summed(
            graph(
                " 0)               |  a() {",
                " 0)               |    b() {",
                " 0)   1.000 us    |      c();",
                " 0) + 50.000 us   |  } /* a = 0x0 */",
            )
        )
    )
    assert (rows["a"].total_us, rows["a"].self_us) == (50.0, None)
    assert rows["b"].cut == 1


def test_tasks_that_take_turns_on_a_cpu_are_kept_apart() -> None:
    turn = " ------------------------------------------"
    found = summed(
        graph(
            " 0)               |  slow() {",
            turn,
            " 0)    one-1       =>    two-2     ",
            turn,
            "",
            " 0)               |  other() {",
            " 0)   1.000 us    |  }",
            turn,
            " 0)    two-2       =>    one-1     ",
            turn,
            "",
            " 0)   1.000 us    |    part();",
            " 0) ! 100.000 us  |  }",
        )
    )
    rows = functions(found)
    assert (rows["slow"].total_us, rows["slow"].self_us, rows["slow"].cut) == (100.0, 99.0, 0)
    assert (rows["other"].total_us, found.roots) == (1.0, 2)


def test_a_gap_ends_what_is_under_way() -> None:
    found = summed(
        graph(" 0)               |  f() {", "CPU:0 [LOST 5 EVENTS]", " 0)   9.000 us    |  } /* f = 0x0 */")
    )
    assert (found.lost, found.dropped) == (5, 1)
    assert functions(found)["f"] == FunctionRow("f", 2, 2, 9.0, None, 9.0, 9.0)


@pytest.mark.parametrize("variant", ["default", "retval", "all"])
def test_recorded_calls_are_the_roots_of_the_workload(variant: str) -> None:
    found = summed(read("6.12-retval", f"openat-enoent.{variant}.txt"))
    # Three openat, and the end of the write to tracing_on before them.
    assert found.roots == 3 + (functions(found).get("mutex_unlock") is not None)
    openat = functions(found)["__x64_sys_openat"]
    assert (openat.calls, openat.cut) == (3, 0)
    own: List[float] = [each.self_us or 0 for each in found.slowest]
    assert found.slowest[0].duration_us == pytest.approx(sum(own), abs=1)


def test_lines_that_cannot_be_read_are_told_with_their_number() -> None:
    found = summed(event(1, "ev: a") + b"what is this\n" + event(2, "ev: b"))
    assert (found.events, found.lines, found.problem_count) == (2, 3, 1)
    assert (found.problems[0].path, found.problems[0].line) == ("/t/trace", 2)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"", "the file is empty"),
        (b"# tracer of thoughts\n#\n", "there is no event in it, only comments"),
        (b"What is this?\nA letter.\n", "not the text of a trace: it has no header"),
        (b"\x17\x08Dtracing6", "trace-cmd report FILE"),
        (b"PERFILE2" + bytes(99), "perf script"),
        (b"\x1f\x8b\x08", "gzip -d"),
        (bytes(5000), "not the text of a trace"),
    ],
)
def test_what_is_no_trace_is_refused_with_what_can_be_done(text: bytes, wanted: str) -> None:
    with pytest.raises(NotATrace, match=wanted):
        summed(text)


def test_a_file_of_names_and_texts_is_no_trace() -> None:
    with pytest.raises(NotATrace, match="not the text of a trace"):
        summed(b"root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n")


def test_events_printed_raw_cannot_be_read_and_that_is_explained() -> None:
    found = summed(raw("7.2", "events.raw.txt"))
    assert (found.events, found.problem_count) == (0, 140)
    assert "options raw, hex or bin" in found.notes[0]


def test_a_trace_of_nothing_is_one() -> None:
    found = summed(b"# tracer: nop\n#\n# entries-in-buffer/entries-written: 0/0   #P:2\n")
    assert (found.kind, found.events, found.overwritten) == ("events", 0, 0)
