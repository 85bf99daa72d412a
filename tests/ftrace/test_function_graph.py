import re
from typing import Dict, List, Optional, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdiag.ftrace.function_graph import GraphLine, parse_graph
from kdiag.ftrace.retval import retval_errno
from kdiag.procfs.text import Problem
from tests.ftrace.captures import KERNELS, graphs, lines


def parsed(text: List[str]) -> List[GraphLine]:
    found = list(parse_graph(text, "trace"))
    assert not [each for each in found if isinstance(each, Problem)]
    return [each for each in found if isinstance(each, GraphLine)]


def one(line: str) -> GraphLine:
    (found,) = parsed([line + "\n"])
    return found


@pytest.mark.parametrize("name", graphs())
def test_every_line_of_a_recorded_trace_is_classified(name: str) -> None:
    kernel, _, file = name.partition("/")
    text = lines(kernel, file)
    found = parsed(text)
    by_line: Dict[int, GraphLine] = {each.line: each for each in found}
    for number, line in enumerate(text, 1):
        body = line.rstrip("\n")
        if not body.strip() or body.startswith(("#", " ---")):
            assert number not in by_line
            continue
        each = by_line[number]
        if "=>" in body:
            assert each.kind == "switch"
        elif re.search(r"(\|  |^) */\* ", body):
            assert each.kind == "comment"
        else:
            after = body.rpartition("|  ")[2]
            wanted = "return" if after.lstrip().startswith("}") else "leaf" if ");" in after else "entry"
            assert (each.kind, each.depth) == (wanted, (len(after) - len(after.lstrip(" "))) // 2)
            assert (each.duration_ns is None) == (" us " not in body)


def test_the_mixture_of_a_whole_trace_is_exact() -> None:
    found = parsed(lines("6.12-retval", "openat-enoent.retval.txt"))
    kinds = {kind: sum(each.kind == kind for each in found) for kind in ("entry", "leaf", "return")}
    assert kinds["entry"] == kinds["return"]
    roots = [each.function for each in found if each.depth == 0 and each.kind in ("entry", "leaf")]
    assert roots == ["mutex_unlock", *["__x64_sys_openat"] * 3]


#: From the READMEs: who returned the error, call by call, the innermost first.
ERRORS = {
    ("6.12-retval", "openat-enoent", 1): "step_into path_openat do_filp_open do_sys_openat2 __x64_sys_openat",
    ("6.12-retval", "openat-enoent", 2): "step_into path_openat do_filp_open do_sys_openat2 __x64_sys_openat",
    ("6.12-retval", "openat-enoent", 3): (
        "step_into walk_component link_path_walk.part.0.constprop.0 path_openat do_filp_open do_sys_openat2 "
        "__x64_sys_openat"
    ),
    ("7.2-full", "openat-enoent", 1): (
        "step_into_slowpath link_path_walk path_openat do_file_open do_sys_openat2 __x64_sys_openat"
    ),
    ("7.2-full", "openat-enoent", 2): (
        "link_path_walk path_openat do_file_open do_sys_openat2 __x64_sys_openat"
    ),
    ("6.12-retval", "openat-errors", 2): (
        "generic_permission inode_permission may_open path_openat do_filp_open do_sys_openat2 "
        "__x64_sys_openat"
    ),
    ("6.12-retval", "openat-errors", 4): (
        "path_init path_openat do_filp_open do_sys_openat2 __x64_sys_openat"
    ),
    ("7.2-full", "openat-errors", 3): (
        "do_getname.constprop.0 getname_flags do_file_open do_sys_openat2 __x64_sys_openat"
    ),
    ("7.2-full", "read-ext4", 6): "read_zero vfs_read ksys_read __x64_sys_read",
}


def calls(found: List[GraphLine]) -> List[List[GraphLine]]:
    """Return what was traced within each root, the root's end included."""
    split: List[List[GraphLine]] = []
    for each in found:
        if each.depth == 0 and each.kind == "entry":
            split.append([])
        if split:
            split[-1].append(each)
    return split


@pytest.mark.parametrize(("kernel", "scenario", "call"), ERRORS)
@pytest.mark.parametrize("variant", ["retval", "retval-hex", "all"])
def test_the_functions_that_returned_the_error_are_those_of_the_readme(
    kernel: str, scenario: str, call: int, variant: str
) -> None:
    within = calls(parsed(lines(kernel, f"{scenario}.{variant}.txt")))[call - 1]
    assert within[-1].retval is not None
    errno = retval_errno(within[-1].retval)
    assert errno is not None
    names: List[Optional[str]] = []
    open_calls: List[Optional[str]] = []
    for each in within:
        if each.kind == "entry":
            open_calls.append(each.function)
        function = open_calls.pop() if each.kind == "return" else each.function
        if each.kind in ("return", "leaf") and each.retval is not None:
            assert each.kind == "leaf" or function == each.function
            if retval_errno(each.retval) == errno:
                names.append(function)
    # The same path taken again (a retry) shows the same names again.
    wanted = ERRORS[kernel, scenario, call].split()
    assert names[-len(wanted) :] == wanted


def test_hexadecimal_return_values_mean_what_decimal_ones_do() -> None:
    for kernel in KERNELS:
        plain = parsed(lines(kernel, "read-ext4.retval.txt"))
        in_hex = parsed(lines(kernel, "read-ext4.retval-hex.txt"))
        for found in (plain, in_hex):
            roots = [each for each in found if each.kind == "return" and each.depth == 0]
            assert [each.retval and (retval_errno(each.retval) or each.retval) for each in roots] == [
                4096, 4096, 0, 21, 9, 14,
            ]  # fmt: skip


def test_a_line_with_every_column_is_read() -> None:
    assert one(
        "   68.603386 |   0)    work-184    |  ...1. |   1.178 us    |          kmem_cache_alloc_noprof("
        "s=0xff11000000133240, gfpflags=0xcc0); "
        "/* <-do_getname.constprop.0+0x29/0x150 ret=0xff110000009c69c0 */"
    ) == GraphLine(
        "leaf",
        1,
        0,
        "work",
        184,
        68_603_386_000,
        1178,
        4,
        "kmem_cache_alloc_noprof",
        None,
        "s=0xff11000000133240, gfpflags=0xcc0",
        0xFF110000009C69C0 - (1 << 64),
        "do_getname.constprop.0+0x29/0x150",
        None,
        "...1.",
    )


@pytest.mark.parametrize(
    ("line", "duration_ns"),
    [
        (" 0)   0.123 us    |  f();", 123),
        (" 0) * 31567.26 us |  f();", 31_567_260),
        (" 0) @ 123456.7 us |  f();", 123_456_700),
        (" 0) $ 1234567 us  |  f();", 1_234_567_000),
        (" 0) $ 12345678 us |  f();", 12_345_678_000),
        ("  12) # 2345.678 us |  f();", 2_345_678),
    ],
)
def test_durations_have_seven_digits_whatever_their_unit_needs(line: str, duration_ns: int) -> None:
    assert one(line).duration_ns == duration_ns


def test_retvals_of_both_spellings_are_read() -> None:
    ends = ["fn = -5", "fn ret=-5", "fn ret=0xfffffffb", "fn = 0x0", "fn"]
    assert [one(f" 1)   1.000 us    |  }} /* {end} */").retval for end in ends] == [
        -5,
        -5,
        0xFFFFFFFB,
        0,
        None,
    ]
    leaves = ["/* = 0x1 */", "/* ret=0x1 */", "/* <-caller+0x1c/0x60 ret=0x1 */"]
    assert [one(f" 1)   1.000 us    |  fn(); {note}").retval for note in leaves] == [1, 1, 1]


def test_modules_and_addresses_are_kept_apart_from_names() -> None:
    for body in ("nfs_open [nfs]() {", "nfs_open [nfs](a=1) { /* <-nfs_file_open+0x1/0x2 [nfs] */"):
        found = one(f" 1)               |    {body}")
        assert (found.function, found.module, found.depth) == ("nfs_open", "nfs", 1)
    assert found.caller == "nfs_file_open+0x1/0x2 [nfs]"
    end = one(" 1)   1.000 us    |    } /* nfs_open [nfs] ret=-2 */")
    assert (end.function, end.module, end.retval) == ("nfs_open", "nfs", -2)
    caller = one(" 0)               |  f() { /* <-g+0x1/0x2 <ffffffff814d5017> */")
    assert caller.caller == "g+0x1/0x2"


def test_a_name_may_hold_blanks_and_dashes() -> None:
    found = one("   13.950178 |   1)  a-1 b-145    |               |  f() {")
    assert (found.comm, found.pid) == ("a-1 b", 145)
    found = one(" 1)   <...>-145   |   0.100 us    |  f();")
    assert (found.comm, found.pid) == ("<...>", 145)


def test_a_switch_tells_who_runs_next_and_its_frame_is_no_line() -> None:
    frame = " ------------------------------------------\n"
    found = parsed([frame, " 0)   sleep-137    =>    <idle>-0   \n", frame, "\n"])
    assert found == [GraphLine("switch", 2, 0, "<idle>", 0, text="sleep-137")]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("CPU:3 [LOST 159071 EVENTS]", GraphLine("lost", 1, 3, lost_events=159071)),
        ("CPU:0 [LOST EVENTS]", GraphLine("lost", 1, 0)),
        ("##### CPU 1 buffer started ####", GraphLine("started", 1, 1)),
        ("[LINE TOO BIG]", GraphLine("cut", 1)),
        (" 0)   ==========> |", GraphLine("irq_entry", 1, 0)),
        (" 0)   <========== |", GraphLine("irq_exit", 1, 0)),
        (" (Overruns: 7)", GraphLine("comment", 1, depth=0, text="Overruns: 7")),
        (
            " 0)               |    /* hello | () { } */",
            GraphLine("comment", 1, 0, depth=1, text="hello | () { }"),
        ),
    ],
)
def test_other_lines_have_a_kind_each(line: str, wanted: GraphLine) -> None:
    assert one(line) == wanted


@pytest.mark.parametrize(
    "line", ["what is this", " 0)               |   f() {", " 0)   x.123 us    |  f();", "f"]
)
def test_what_is_none_of_the_kinds_is_a_problem_that_names_the_line(line: str) -> None:
    assert list(parse_graph(["# h\n", line + "\n"], "/t")) == [
        Problem("/t", 2, line, "a line of function_graph")
    ]


def test_a_line_that_was_cut_off_is_never_used() -> None:
    (found,) = parse_graph([" 0)   0.123 us    |  do_sys_open"])
    assert isinstance(found, Problem)
    assert found.wanted == "a newline at the end (cut off)"


def test_the_fast_way_reads_what_the_careful_one_does() -> None:
    for name in graphs():
        kernel, _, file = name.partition("/")
        plain = [line for line in lines(kernel, file) if re.match(r" \d\) ", line)][:150]
        # A blank more before the CPU is what a machine with more CPUs prints, and leaves the usual columns.
        wider = ["          " + line for line in plain]
        strip: List[Tuple[object, ...]] = [tuple(each) for each in parse_graph(plain)]
        assert [tuple(each) for each in parse_graph(wider)] == strip


def test_it_survives_any_text() -> None:
    sample = "".join(lines("7.2-full", "twotasks.all.txt")[:60])

    @settings(max_examples=200, deadline=None)
    @given(st.text(max_size=40), st.integers(0, len(sample)), st.integers(0, 40))
    def survives(noise: str, at: int, cut: int) -> None:
        text = sample[:at] + noise + sample[at + cut :]
        for each in parse_graph(text.splitlines(True)):
            assert isinstance(each, (GraphLine, Problem))

    survives()
