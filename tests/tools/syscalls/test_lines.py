from typing import Any, Dict, List, Mapping, Sequence, Tuple, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdiag.kernel.syscalls import number_of
from kdiag.tools.syscall_programs import COMPAT
from kdiag.tools.syscalls import SyscallLine
from kdiag.tools.syscalls.arguments import Arguments, Text, quoted, text_of
from kdiag.tools.syscalls.lines import Begin, Lines
from kdiag.tools.syscalls.paths import paths_by_number

READ, OPENAT, EXIT_GROUP, SIGRETURN = 0, 257, 231, 15


class Numbers:
    """Shows arguments as numbers, and texts in quotes."""

    def shown(self, number: int, values: Sequence[int], texts: Mapping[int, Text]) -> Tuple[str, ...]:
        return tuple(quoted(texts[at]) if at in texts else str(value) for at, value in enumerate(values))


def lines(**options: bool) -> Lines:
    return Lines({"failed": False, "successful": False, **options}, cast(Arguments, Numbers()), "x86_64")


def begin(made: Lines, tid: int, number: int, time_ns: int, *arguments: int, **more: Any) -> List[Any]:
    texts = more.get("texts", {})
    return list(made.begin(Begin(time_ns, "cat", tid, tid, number, arguments, texts)))


def shown(rows: Any) -> List[str]:
    return [f"{row.time.strip()} {row.thread} {row.call}" for row in rows]


def test_a_call_is_a_line_as_strace_writes_it() -> None:
    made = lines()
    assert begin(made, 9, OPENAT, 5_000_000, 1, 2, texts={1: Text("/etc/x")}) == []
    rows = list(made.end(9, OPENAT, 3, 5_012_345))
    assert shown(rows) == ['0.000000 cat/9 openat(1, "/etc/x") = 3 <0.000012345>']


def test_threads_are_paired_each_by_itself() -> None:
    made = lines()
    begin(made, 1, READ, 100)
    begin(made, 2, READ, 2100)
    rows = [*made.end(2, READ, 20, 2200), *made.end(1, READ, 10, 2500)]
    assert [(row.tid, row.result, row.duration_ns, row.start_ns) for row in rows] == [
        (2, 20, 100, 2000),
        (1, 10, 2400, 0),
    ]


def test_errors_have_names_and_words() -> None:
    made = lines()
    begin(made, 1, READ, 0)
    [row] = made.end(1, READ, -2, 1000)
    assert (row.result, row.errno) == (-2, "ENOENT")
    assert row.call.endswith(") = -1 ENOENT (No such file or directory) <0.000001000>")


def test_nobody_comes_back_from_an_exit() -> None:
    [row] = begin(lines(), 1, EXIT_GROUP, 0, 3)
    assert row.call == "exit_group(3) = ?"
    assert begin(lines(failed=True), 1, EXIT_GROUP, 0, 3) == []


def test_what_goes_on_at_the_end_is_shown_so() -> None:
    made = lines()
    begin(made, 1, READ, 0, 7)
    assert [row.call for row in made.unfinished()] == ["read(7) = ?"]


def test_the_result_of_a_signal_handlers_return_is_no_error() -> None:
    made = lines()
    begin(made, 1, SIGRETURN, 0)
    [row] = made.end(1, None, -4, 10)
    assert (row.syscall, row.errno) == ("rt_sigreturn", None)


def test_only_failed_or_only_successful_calls_are_shown() -> None:
    for option, results in (("failed", [-2]), ("successful", [5])):
        made = lines(**{option: True})
        found = []
        for result in (5, -2):
            begin(made, 1, READ, 0)
            found += [row.result for row in made.end(1, READ, result, 9)]
        begin(made, 1, READ, 0)
        assert found == results
        assert list(made.unfinished()) == []


def test_an_end_without_a_begin_is_shown_without_arguments_where_its_begin_is_told() -> None:
    made = lines()
    assert list(made.end(1, READ, 5, 100)) == []
    [row] = made.end(1, READ, 5, 100, 40)
    assert (row.arguments, row.duration_ns) == (None, 60)
    assert row.call == "read(...) = 5 <0.000000060>"


def test_an_end_of_another_call_makes_no_wrong_line() -> None:
    made = lines()
    begin(made, 1, OPENAT, 0)
    assert list(made.end(1, READ, 5, 100)) == []
    begin(made, 1, READ, 0)
    made.forget()
    assert list(made.end(1, READ, 5, 100)) == []


def test_texts_may_come_later() -> None:
    made = lines()
    begin(made, 1, OPENAT, 0, 1, 2)
    made.texts(1, {1: Text("/late")})
    made.texts(2, {1: Text("/nobody")})
    [row] = made.end(1, OPENAT, 3, 9)
    assert row.arguments == ("1", '"/late"')


def test_arguments_of_32_bit_programs_are_not_made_up() -> None:
    made = lines()
    begin(made, 1, COMPAT + 4, 0, 1, 2, 3)
    [row] = made.end(1, COMPAT + 4, 3, 9)
    assert (row.syscall, row.arguments) == ("32-bit call 4", None)


@pytest.mark.parametrize(
    ("syscall", "result", "end"),
    [("mmap", 0x7F0000001000, "0x7f0000001000"), ("read", 1 << 40, str(1 << 40))],
)
def test_addresses_are_hexadecimal(syscall: str, result: int, end: str) -> None:
    line = SyscallLine(0, "x", 1, 1, syscall, (), result, None, None)
    assert line.call == f"{syscall}() = {end}"


@given(st.binary(max_size=300))
def test_any_text_is_shown_and_ends_at_its_nul(data: bytes) -> None:
    text = text_of(data[:255] + b"\0", 256)
    assert text.text == data[:255].split(b"\0")[0].decode("utf-8", "surrogateescape")
    assert quoted(text).startswith('"')
    assert text.cut == (len(data) >= 255)


def test_calls_with_paths_are_known_by_their_numbers() -> None:
    for machine in ("x86_64", "aarch64"):
        paths = paths_by_number(machine)
        wanted: Dict[str, Tuple[int, ...]] = {"openat": (1,), "renameat": (1, 3), "symlinkat": (0, 2)}
        assert {name: paths[number_of(name, machine) or -1] for name in wanted} == wanted
    assert all(len(places) <= 2 and max(places) < 6 for places in paths_by_number("x86_64").values())
