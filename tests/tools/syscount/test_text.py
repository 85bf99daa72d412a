"""What people see: the tables of syscount, the lines of syscalls, with hostile names in them."""

import json
from typing import Any, Iterable, List, Optional

from kdiag.doctor.mechanism import Choice
from kdiag.host.memory import MemoryHost
from kdiag.report.terminal import Style
from kdiag.report.tool_json import ToolJson
from kdiag.report.tool_text import ToolText
from kdiag.tools import syscalls, syscount
from kdiag.tools.run import Lost, Run
from kdiag.tools.syscalls import SyscallLine
from kdiag.tools.syscount import SyscallRow
from kdiag.tools.syscount.sums import tell_missing
from kdiag.tools.tool import Item, LostHere, Summary, Tool


def ran(interval_s: Optional[float] = None) -> Run:
    run = Run(MemoryHost([{}]), {"counts_only": False}, interval_s=interval_s)
    run.choice = Choice("bpf", "programs")
    run.lost = Lost(entries=3)
    return run


def text(tool: Tool, run: Run, items: Iterable[Item]) -> List[str]:
    shown = ToolText(tool, "all processes", Style(width=100))
    lines = list(shown.begin(run, None))
    for item in items:
        lines += shown.item(run, item)
    return [*lines, *shown.end(run)]


ROWS = (
    SyscallRow("openat", 7, "a\x1b[31mb", 31, 13, 91_600, 2955.0, 2815, 7440, 7440, "ENOENT 12, EACCES 1"),
    SyscallRow("read", 8, "cat", 3, 0, 3560, 1186.0, 1407, 1730, 1730, ""),
)


def test_the_table_of_syscount() -> None:
    assert text(syscount.TOOL, ran(), [Summary(ROWS, duration_s=0.25)]) == [
        "syscount of all processes",
        "mechanism: bpf: programs",
        "",
        "0.25 s",
        "syscall  pid  comm        calls  errors    total      avg      p50      p99      max  by errno",
        r"openat     7  a\x1b[31mb     31      13  91.6 us  2.96 us  2.81 us  7.44 us  7.44 us  ENOENT 12,",
        " " * 86 + "EACCES 1",
        "read       8  cat             3       0  3.56 us  1.19 us  1.41 us  1.73 us  1.73 us",
        "",
        "",
        "lost: 0 events, 3 had no room in a full map",
    ]


def test_of_intervals_it_is_said_what_is_not_known() -> None:
    run = ran(interval_s=1)
    tell_missing(run)
    rows = [row._replace(max_ns=None) for row in ROWS]
    lines = text(syscount.TOOL, run, [Summary(tuple(rows), duration_s=0.25)])
    assert lines[2] == "  no max: of an interval it is not known: only the longest of all is kept"
    assert lines[5].split()[-3:] == ["p99", "by", "errno"]


def test_the_lines_of_syscalls() -> None:
    rows: List[Any] = [
        SyscallLine(
            1_234_567_890, "a\x1bb", 7, 7, "openat", ("AT_FDCWD", '"/\udcff\n"'), -2, "ENOENT", 12_345
        ),
        LostHere(12),
        SyscallLine(2_000_000_000, "fifteen-letters", 7, 1_234_567, "exit_group", ("0",), None, None, None),
    ]
    assert text(syscalls.TOOL, ran(), rows)[3:7] == [
        "time         thread                  call",
        r'    1.234567 a\x1bb/7                openat(AT_FDCWD, "/\xff\x0a") = -1 ENOENT '
        "(No such file or directory) <0.000012345>",
        "--- 12 events are missing here ---",
        "    2.000000 fifteen-letters/1234567 exit_group(0) = ?",
    ]


def test_documents_have_all_fields_of_the_rows() -> None:
    made = ToolJson(syscount.TOOL, "all processes", Style())
    run = ran()
    shown = [*made.begin(run, None), *made.item(run, Summary(ROWS)), *made.end(run)]
    [row, _] = json.loads("\n".join(shown))["rows"]
    assert tuple(row) == SyscallRow._fields
    assert (row["total_ns"], row["by_errno"]) == (91_600, "ENOENT 12, EACCES 1")
    line = SyscallLine(5, "a", None, 7, "read", None, 4, None, 100)
    document = json.loads("".join(ToolJson(syscalls.TOOL, "", Style()).item(run, line)))
    assert document == {"kind": "row", **line._asdict()}
