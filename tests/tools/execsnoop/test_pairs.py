"""Begins and ends of executions, without a kernel."""

import struct
from typing import Any, List, Optional

from kdiag.report.terminal import Style
from kdiag.tools.execsnoop import ExecRow, events
from kdiag.tools.execsnoop.pairs import Begin, Pairs

ALL = {"failed": False, "name": None}
ENOENT = -2


def begin(pid: int, time_ns: int, path: Optional[str] = "/bin/true") -> Begin:
    return Begin(time_ns, pid, 33, path, ("true", "a b"))


def pairs(*begins: Begin, **options: Any) -> Pairs:
    made = Pairs({**ALL, **options}, lambda pid: pid - 1)
    for each in begins:
        made.begin(each)
    return made


def test_an_end_belongs_to_the_begin_of_its_process() -> None:
    made = pairs(begin(10, 1000), begin(20, 4000, "/bin/false"))
    assert list(made.done(20, 1, "false")) == [
        ExecRow(3000, 20, 1, 33, "false", None, "/bin/false", ("true", "a b"))
    ]
    assert list(made.failed(10, ENOENT, "sh")) == [
        ExecRow(0, 10, 9, 33, "sh", "ENOENT", "/bin/true", ("true", "a b"))
    ]
    assert list(made.done(10, 1, "true")) == [], "it was told already"


def test_an_end_without_a_begin_is_no_row() -> None:
    assert list(pairs().done(10, 1, "true")) == []
    assert list(pairs().failed(10, ENOENT, "sh")) == []


def test_after_a_loss_no_end_is_put_to_a_begin_of_before() -> None:
    made = pairs(begin(10, 1000))
    made.forget()
    assert list(made.failed(10, ENOENT, "sh")) == []


def test_a_path_that_the_begin_lacked_comes_from_what_told_it() -> None:
    made = pairs(begin(10, 0, None), begin(11, 0), begin(12, 0, None))
    made.path(10, "/tmp/x")
    made.path(11, "/tmp/y")
    assert next(made.failed(10, ENOENT, "sh")).path == "/tmp/x"
    assert next(made.failed(11, ENOENT, "sh")).path == "/bin/true"
    assert next(made.done(12, None, "x", "/tmp/z")).path == "/tmp/z"


def test_only_failed_ones_or_some_paths_are_shown() -> None:
    made = pairs(begin(10, 0), begin(11, 0), failed=True)
    assert list(made.done(10, 1, "true")) == []
    assert len(list(made.failed(11, ENOENT, "sh"))) == 1
    made = pairs(begin(10, 0), begin(11, 0, "/sbin/ip"), begin(12, 0, None), name="sbin")
    told = [row.pid for pid in (10, 11, 12) for row in made.done(pid, 1, "x")]
    assert told == [11]


def test_words_that_would_be_mistaken_are_quoted() -> None:
    def command(path: Optional[str], *arguments: str) -> str:
        return ExecRow(0, 1, 1, 0, "sh", None, path, ("sh", *arguments)).command

    assert command("/bin/sh", "-c", "echo  x", "") == "/bin/sh -c 'echo  x' ''"
    assert command(None, "a") == "? a"
    assert ExecRow(0, 1, 1, 0, "sh", None, "/bin/sh", None).command == "/bin/sh"
    assert "\x1b" not in Style().safe(command("/bin/\x1b[31m"))


def event(number: int, path: bytes, *arguments: bytes, sizes: Optional[List[int]] = None) -> bytes:
    texts = b"".join(each[:128].ljust(128, b"\0") for each in arguments).ljust(20 * 128, b"\0")
    told = sizes or [min(256, len(path) + 1), *(min(128, len(each) + 1) for each in arguments)]
    told += [0] * (21 - len(told))
    return struct.pack("=IIIIQ21Q", 0, 10, 33, number, 77, *told) + path[:256].ljust(256, b"\0") + texts


def test_what_the_program_sends_is_read() -> None:
    assert events._begin(event(2, b"/bin/true", b"true", b"\xff x")) == Begin(
        77, 10, 33, "/bin/true", ("true", "\udcff x")
    )


def test_what_was_cut_or_not_read_shows() -> None:
    long = events._begin(event(1 | 1 << 16, b"p" * 300, b"a" * 200))
    assert long.path == "p" * 256 + "..."
    assert long.arguments == ("a" * 128 + "...", "...")
    unread = events._begin(event(1, b"", b"a", sizes=[0, 0]))
    assert (unread.path, unread.arguments) == (None, ("?",))
    empty = events._begin(event(1, b"x", b""))
    assert empty.arguments == ("",)
    assert events._begin(event(0, b"x")).arguments == ()
