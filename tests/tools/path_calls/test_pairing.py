from typing import Any, Dict, List, Optional

from kdiag.tools import opensnoop, statsnoop
from kdiag.tools.opensnoop import OpenRow
from kdiag.tools.path_calls import PathPairing, numbers_of, syscall_options
from kdiag.tools.syscalls.arguments import Text
from kdiag.tools.syscalls.lines import Begin

OPENAT, CREAT, OPEN = 257, 85, 2
AT_FDCWD = 0xFFFF_FF9C


def pairing(failed: bool = False, name: Optional[str] = None) -> PathPairing:
    numbers = numbers_of(opensnoop.CALLS, "x86_64")
    return PathPairing({"failed": failed, "name": name}, "x86_64", numbers, opensnoop.row_of)


def begin(
    tid: int = 7, number: int = OPENAT, text: Optional[Text] = None, directory: int = AT_FDCWD
) -> Begin:
    texts: Dict[int, Text] = {} if text is None else {0 if number in (OPEN, CREAT) else 1: text}
    return Begin(1000, "cat", 7, tid, number, (directory, 0x7F00, 0o2000000, 0, 0, 0), texts)


def opened(pairs: PathPairing, begun: Begin, result: int) -> List[Any]:
    list(pairs.begin(begun))
    return list(pairs.end(begun.tid, begun.number, result, 3000))


def test_a_row_has_the_descriptor_or_the_error() -> None:
    (good,) = opened(pairing(), begin(text=Text("/etc/passwd")), 3)
    assert (good.fd, good.errno, good.path, good.duration_ns) == (3, None, "/etc/passwd", 2000)
    assert (good.flags, good.directory, good.file) == ("O_RDONLY|O_CLOEXEC", None, "/etc/passwd")
    (bad,) = opened(pairing(), begin(text=Text("/nosuch")), -2)
    assert (bad.fd, bad.errno) == (None, "ENOENT")


def test_a_relative_path_says_where_it_starts() -> None:
    (row,) = opened(pairing(), begin(text=Text("name"), directory=0xFFFF_FFFF_0000_0005), 3)
    assert (row.directory, row.file) == (5, "[fd 5] name")


def test_a_path_that_comes_later_is_taken_once_and_only_for_a_call_under_way() -> None:
    pairs = pairing()
    pairs.path(7, Text("/too/early"))
    list(pairs.begin(begin()))
    pairs.path(7, Text("/first"))
    pairs.path(7, Text("/second"))
    pairs.path(8, Text("/of/another"))
    (row,) = pairs.end(7, OPENAT, 3, 3000)
    assert row.path == "/first"


def test_a_path_that_was_cut_says_so_and_one_that_is_not_known_is_none() -> None:
    (cut,) = opened(pairing(), begin(text=Text("/long", True)), 3)
    (unknown,) = opened(pairing(), begin(), 3)
    assert (cut.path, unknown.path, unknown.file) == ("/long...", None, None)


def test_rows_are_wanted_by_a_text_in_the_path() -> None:
    pairs = pairing(name="pass")
    rows: List[OpenRow] = []
    for path in ("/etc/passwd", "/etc/group"):
        rows += opened(pairs, begin(text=Text(path)), 3)
    assert [row.path for row in rows if pairs.wants(row)] == ["/etc/passwd"]
    assert pairing().wants(rows[1])


def test_only_failures_are_paired_where_they_are_asked_for() -> None:
    assert opened(pairing(failed=True), begin(text=Text("/x")), 3) == []
    assert len(opened(pairing(failed=True), begin(text=Text("/x")), -13)) == 1


def test_calls_are_asked_for_by_the_numbers_of_the_machine() -> None:
    options = {"failed": True, "name": None}
    assert syscall_options(options, numbers_of(opensnoop.CALLS, "aarch64"))["names"] == ("56,437",)
    assert syscall_options(options, numbers_of(opensnoop.CALLS, "x86_64"))["names"] == ("2,85,257,437",)
    assert len(numbers_of(statsnoop.CALLS, "x86_64")) == len(statsnoop.CALLS)


def test_the_file_of_a_descriptor_has_an_empty_path() -> None:
    numbers = numbers_of(statsnoop.CALLS, "x86_64")
    pairs = PathPairing({"failed": False, "name": None}, "x86_64", numbers, statsnoop.row_of)
    list(pairs.begin(Begin(1000, "ls", 7, 7, 262, (3, 0x7F00, 0, 0x1000, 0, 0), {1: Text("")})))
    (row,) = pairs.end(7, 262, 0, 2000)
    assert (row.syscall, row.file, row.errno) == ("newfstatat", "[fd 3] ", None)
