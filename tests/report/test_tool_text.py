"""What the tools print for people: a stream and summaries, held to golden files."""

from typing import Any, List, Sequence

import pytest

from kdiag.doctor.mechanism import Choice, PassedOver
from kdiag.host.memory import MemoryHost
from kdiag.report.terminal import Style
from kdiag.report.tool_text import ToolText
from kdiag.tools.cost import Cost
from kdiag.tools.execsnoop import ExecRow
from kdiag.tools.family import TOOLS, tool_named
from kdiag.tools.histogram import from_slots
from kdiag.tools.run import Lost, Run
from kdiag.tools.syscount import SyscallRow
from kdiag.tools.tool import Item, LostHere, StackRow, Summary
from tests.report.golden_files import assert_golden

EXECUTED = (
    ExecRow(0, 77, 1, 0, "true", None, "/bin/true", ("true", "a b")),
    ExecRow(1_234_567_890, 4_000_000, 77, 1000, "evil\x1b[31m", "ENOENT", "/no/\nsuch", None),
    ExecRow(2_000_000_000, 78, None, None, "a-very-long-name-of-a-process", None, None, None),
)
COUNTED = (
    SyscallRow("read", None, None, 1000, 3, 5_000_000, 5000.0, 4000, 90_000, 1_000_000, "EAGAIN 3"),
    SyscallRow("call 500", None, None, 1, 1, 100, 100.0, None, None, None, "ENOSYS 1"),
)
NOTHING = Lost()


def printed(name: str, items: Sequence[Item], lost: Lost = NOTHING, **options: Any) -> List[str]:
    run = Run(MemoryHost([{}]), {}, **options)
    run.choice = Choice("bpf", "programs in the kernel", (PassedOver("bcc", "not installed", "install it"),))
    run.missing = {"parent_pid": "the events do not have it"}
    run.cost = Cost("system calls", 41_000.0, 0.0034)
    run.lost = lost
    run.notes.append("a note\x07")
    printer = ToolText(tool_named(name), "all processes", Style(width=80))
    lines = list(printer.begin(run, None))
    for item in items:
        lines += printer.item(run, item)
    return [line.rstrip() for line in (*lines, *printer.end(run))]


def test_rows_of_a_stream_come_in_columns() -> None:
    items = [EXECUTED[0], LostHere(5), EXECUTED[1], LostHere(None), EXECUTED[2]]
    assert_golden("tool-stream.txt", printed("execsnoop", items, Lost(6)))


def test_a_summary_is_a_table_cut_where_that_is_asked_for() -> None:
    summary = Summary(COUNTED, started_s=1.0, duration_s=1.0, notes=("of the summary",))
    lines = printed("syscount", [summary, Summary(duration_s=2.0)], Lost(0, 4, 2), interval_s=1.0, top=1)
    assert_golden("tool-summary.txt", lines)


def test_histograms_and_stacks_follow() -> None:
    histogram = from_slots("sda", "us", {4: 30, 5: 15}, 400)
    stack = StackRow("sh\x1b 12", ("main", "read", "vfs_read"), 1, 7)
    lines = printed("offcpu", [Summary((), (histogram,), (stack,), 0.0, 2.5)])
    assert_golden("tool-stacks.txt", lines)


def test_nothing_of_it_controls_the_terminal() -> None:
    lines = printed("execsnoop", EXECUTED)
    assert not [line for line in lines if not line.isprintable()]


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_columns_are_fields_of_the_rows(name: str) -> None:
    tool = tool_named(name)
    for column, _ in tool.columns:
        assert tool.row is not None
        assert hasattr(tool.row, column), column
    for mechanism in tool.mechanisms:
        assert tool.row is None or not set(mechanism.missing) - set(dir(tool.row)), mechanism.name
    if tool.streams:
        assert [width for _, width in tool.columns].index(0) == len(tool.columns) - 1
