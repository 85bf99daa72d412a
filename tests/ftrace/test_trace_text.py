from typing import List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdiag.ftrace.trace_text import Header, Item, Mark, TextEvent, parse_trace
from kdiag.procfs.text import Problem
from tests.ftrace.captures import CAPTURES, read

TRACES = sorted(
    f"{path.parent.name}/{path.name}"
    for path in [*CAPTURES.glob("*/*.trace.txt"), *CAPTURES.glob("*/*func-args.txt")]
    if not path.read_bytes().startswith(b"# tracer: function_graph")
)

# Linux 6.18, options stacktrace and userstacktrace.
STACKS = b"""\
# tracer: nop
#
# entries-in-buffer/entries-written: 3/7   #P:2
#
            bash-21130   [000] .....  2864.293988: sys_openat(dfd: 0xffffff9c, filename: 0x55732ae4a050)
            bash-21130   [000] .....  2864.295766: <stack trace>
 => ftrace_syscall_enter
 => do_syscall_64
            bash-21130   [000] .....  2864.295767: <user stack trace>
 =>  <00007f5907aff011>
            bash-21130   [000] .....  2864.295881: sys_exit: NR 1 = 2
"""


def parsed(text: bytes) -> List[Item]:
    return list(parse_trace(text.splitlines(True), "/t"))


def one(line: bytes) -> TextEvent:
    (found,) = parsed(line + b"\n")
    assert isinstance(found, TextEvent), found
    return found


@pytest.mark.parametrize("name", TRACES)
def test_every_line_of_a_recorded_trace_is_read(name: str) -> None:
    kernel, _, file = name.partition("/")
    text = read(kernel, file)
    found = parsed(text)
    assert not [each for each in found if isinstance(each, Problem)]
    events = [each for each in found if isinstance(each, TextEvent)]
    assert len(events) == sum(not line.startswith(b"#") for line in text.splitlines())
    header = found[0]
    assert isinstance(header, Header)
    assert header.in_buffer == len(events)
    assert all(each.ts_ns is not None and each.comm and each.cpu is not None for each in events)


def test_the_header_tells_how_much_was_overwritten() -> None:
    assert parsed(read("6.12-retval", "raw-lost.trace.txt"))[0] == Header("nop", 509, 2040, 2)


def test_stacks_belong_to_the_event_before_them() -> None:
    header, first, second = parsed(STACKS)
    assert header == Header("nop", 3, 7, 2)
    assert isinstance(first, TextEvent)
    assert isinstance(second, TextEvent)
    assert (first.name, first.payload) == (
        "sys_enter_openat",
        "dfd: 0xffffff9c, filename: 0x55732ae4a050",
    )
    assert first.stack == ("ftrace_syscall_enter", "do_syscall_64")
    assert first.user_stack == ("<00007f5907aff011>",)
    assert (second.name, second.payload, second.stack) == ("sys_exit", "NR 1 = 2", ())


def test_stacks_of_two_cpus_find_their_events() -> None:
    text = b"""\
               a-1       [000] .....     1.000000: ev: 0
               b-2       [001] .....     1.000001: ev: 1
               a-1       [000] .....     1.000002: <stack trace>
 => f
               b-2       [001] .....     1.000003: <stack trace>
 => g
"""
    found = [(each.payload, each.stack) for each in parsed(text) if isinstance(each, TextEvent)]
    assert found == [("0", ("f",)), ("1", ("g",))]


def test_a_stack_of_nothing_is_a_problem() -> None:
    (found,) = parsed(b"               a-1       [000] .....     1.000002: <stack trace>\n => f\n")
    assert isinstance(found, Problem)
    assert found.wanted == "an event before its stack"


SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("line", "comm", "pid", "tgid", "cpu", "flags", "ts_ns", "ticks"),
    [
        (b"            bash-27   [000] d..2.     1.000000: ", "bash", 27, None, 0, "d..2.", SECOND, None),
        (b"            bash-27   [000] d..2     1.000000: ", "bash", 27, None, 0, "d..2", SECOND, None),
        (b"            bash-27   (   26) [012] d..2. 1.000000: ", "bash", 27, 26, 12, "d..2.", SECOND, None),
        (b"            bash-21   (-------) [000]     1.000000: ", "bash", 21, None, 0, None, SECOND, None),
        (b"            bash-21   (     21) [000]            2: ", "bash", 21, 21, 0, None, None, 2),
        (b"            bash-21   [000] .....             7: ", "bash", 21, None, 0, ".....", None, 7),
        (b"           <...>-27   [000] d..2.   1.000000: ", "<...>", 27, None, 0, "d..2.", SECOND, None),
        (b"          <idle>-0    [003] dNh3.   1.000000: ", "<idle>", 0, None, 3, "dNh3.", SECOND, None),
        (b"       a-12 b]x-27 [000] ..... 1.000000: ", "a-12 b]x", 27, None, 0, ".....", SECOND, None),
        (b"    bash-21        0..... 1000000us#: ", "bash", 21, None, 0, ".....", SECOND, None),
        (b"    bash-21       12d..2. 1000000us : ", "bash", 21, None, 12, "d..2.", SECOND, None),
        (b"    bash-21        0.....        5: ", "bash", 21, None, 0, ".....", None, 5),
        (
            b"            bash      21   0 0 00000000 00000000 [aab9a864] 1000.000ms (+1.778ms): ",
            "bash", 21, None, 0, None, SECOND, None,
        ),
    ],
)  # fmt: skip
def test_every_form_of_the_columns_is_read(
    line: bytes, comm: str, pid: int, tgid: int, cpu: int, flags: str, ts_ns: int, ticks: int
) -> None:
    wanted = TextEvent(1, comm, pid, tgid, cpu, flags, ts_ns, ticks, "ev", "a: b")
    assert one(line + b"ev: a: b") == wanted


def test_a_name_that_looks_like_columns_does_not_mislead() -> None:
    # 15 bytes are all that a name can have; its width says where it ends.
    found = one(b"  x-1 [000] 1: y-27750   [001] d..1.   100.000001: ev: payload")
    assert (found.comm, found.pid, found.cpu, found.ts_ns) == ("x-1 [000] 1: y", 27750, 1, 100_000_001_000)
    found = one(b"            bash-1       [000] .....     1.000000: ev: x-1 [000] ..... 2.000000: other: y")
    assert (found.pid, found.name, found.payload) == (1, "ev", "x-1 [000] ..... 2.000000: other: y")


@pytest.mark.parametrize(
    ("rest", "name", "payload"),
    [
        (b"sched_wakeup: comm=a pid=1", "sched_wakeup", "comm=a pid=1"),
        (
            b"sys_openat(dfd: ffffff9c, filename: 149485b8)",
            "sys_enter_openat",
            "dfd: ffffff9c, filename: 149485b8",
        ),
        (b"sys_openat -> 0xfffffffffffffffe", "sys_exit_openat", "0xfffffffffffffffe"),
        (b"sys_exit: NR 1 = 2", "sys_exit", "NR 1 = 2"),
        (b"o: (do_sys_openat2+0x0/0xc0) dfd=-100", "o", "(do_sys_openat2+0x0/0xc0) dfd=-100"),
        (b"vfs_read <-ksys_read", "function", "vfs_read <-ksys_read"),
        (b"f(a=1, b: 2) <-g [nfs]", "function", "f(a=1, b: 2) <-g [nfs]"),
        (b"tracing_mark_write: a marker", "tracing_mark_write", "a marker"),
        (b"# 1 buf: 72 61", "raw_data", "# 1 buf: 72 61"),
    ],
)
def test_names_are_told_from_payloads(rest: bytes, name: str, payload: str) -> None:
    found = one(b"            bash-1       [000] .....     1.000000: " + rest)
    assert (found.name, found.payload) == (name, payload)


def test_events_without_context_are_read_where_none_has_one() -> None:
    found = parsed(b"ev: a\n<stack trace>\n => f\nsys_exit: NR 1 = 2\n")
    assert found == [
        TextEvent(1, None, None, None, None, None, None, None, "ev", "a", ("f",)),
        TextEvent(4, None, None, None, None, None, None, None, "sys_exit", "NR 1 = 2"),
    ]


def test_a_line_without_context_among_others_is_a_problem() -> None:
    found = parsed(b"            bash-1       [000] .....     1.000000: ev: a\nev: b\n")
    assert found[0] == Problem("/t", 2, "ev: b", "an event line")


def test_what_looks_like_an_event_is_none_where_events_have_a_context() -> None:
    found = parsed(b"ev: b\n" * 30 + b"            bash-1       [000] .....     1.000000: ev: a\n")
    assert [type(each) for each in found] == [Problem] * 30 + [TextEvent]


def test_what_trace_cmd_reports_is_read() -> None:
    text = (
        b"cpus=2\n"
        b"CPU:0 [356833 EVENTS DROPPED]\n"
        b"              dd-4874  [000]  4143.740238: sys_enter:            NR 1 (1, 55ccaf, 1, 0, 0, 0)\n"
        b"              dd-4874  [000]  4143.740239495: sys_exit:             NR 1 = 1\n"
    )
    mark, header, first, second = parsed(text)
    assert (mark, header) == (Mark("lost", 2, 0, 356833), Header(cpus=2))
    assert isinstance(first, TextEvent)
    assert isinstance(second, TextEvent)
    assert (first.name, first.payload, first.ts_ns) == (
        "sys_enter", "NR 1 (1, 55ccaf, 1, 0, 0, 0)", 4_143_740_238_000,
    )  # fmt: skip
    assert (second.payload, second.ts_ns) == ("NR 1 = 1", 4_143_740_239_495)


def test_further_lines_of_a_marker_belong_to_it() -> None:
    line = b"            bash-1       [000] .....     1.000000: tracing_mark_write: one\ntwo three\n"
    (found,) = parsed(line)
    assert isinstance(found, TextEvent)
    assert found.payload == "one\ntwo three"


def test_losses_are_marked_in_their_place() -> None:
    event = b"            bash-1       [000] .....     1.000000: ev: a\n"
    found = parsed(
        event + b"CPU:3 [LOST 715 EVENTS]\nCPU:1 [LOST EVENTS]\n##### CPU 1 buffer started ####\n" + event
    )
    assert found[1:4] == [Mark("lost", 2, 3, 715), Mark("lost", 3, 1), Mark("started", 4, 1)]
    assert [type(each) for each in (found[0], found[4])] == [TextEvent, TextEvent]


def test_a_last_line_without_its_newline_is_never_used() -> None:
    found = parsed(b"            bash-1       [000] .....     1.000000: ev: a=1\n            bash-1       [0")
    assert isinstance(found[0], TextEvent)
    assert isinstance(found[1], Problem)
    assert (found[1].line, found[1].wanted) == (2, "a newline at the end (file cut off)")


def test_it_survives_any_text() -> None:
    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=40), st.integers(0, len(STACKS)), st.integers(0, 60))
    def survives(noise: bytes, at: int, cut: int) -> None:
        for each in parsed(STACKS[:at] + noise + STACKS[at + cut :]):
            assert isinstance(each, (TextEvent, Problem, Header, Mark))

    survives()
