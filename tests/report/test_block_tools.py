from typing import Any, List

from kdiag.host.memory import MemoryHost
from kdiag.report.terminal import Style
from kdiag.report.tool_text import ToolText
from kdiag.tools.biolatency import TOOL as BIOLATENCY
from kdiag.tools.biolatency.times import Key, Times, summary_of
from kdiag.tools.biosnoop import TOOL as BIOSNOOP
from kdiag.tools.biosnoop import BlockRow
from kdiag.tools.durations import NONE
from kdiag.tools.run import Run

ROW = BlockRow(0.25, 12345, 12346, "dd", "nvme0n1", "WS", 490995728, 4096, 2400, 45_500, "")


def lines(tool: Any, item: Any, **missing: str) -> List[str]:
    run = Run(MemoryHost([{}]), {})
    run.missing.update(missing)
    text = ToolText(tool, "all processes", Style(width=100))
    head = list(text.begin(run, None))[-1:] if tool.streams else []
    return head + list(text.item(run, item))


def test_a_request_is_a_line_under_its_header() -> None:
    assert lines(BIOSNOOP, ROW) == [
        "time             pid comm            disk     operation      "
        "sector     size    queue  latency error",
        "    0.250000   12345 dd              nvme0n1  WS          490995728    4 KiB  2.40 us  45.5 us",
    ]


def test_a_flush_that_fails_has_no_sector_and_names_its_error() -> None:
    row = ROW._replace(operation="FF", sector=None, size_bytes=0, error="EIO")
    assert lines(BIOSNOOP, row)[1] == (
        "    0.250000   12345 dd              nvme0n1  FF                  -        0  2.40 us  45.5 us EIO"
    )


def test_without_a_queue_time_there_is_no_column() -> None:
    assert lines(BIOSNOOP, ROW._replace(queue_ns=None), queue_ns="-Q asks for it") == [
        "time             pid comm            disk     operation      sector     size  latency error",
        "    0.250000   12345 dd              nvme0n1  WS          490995728    4 KiB  45.5 us",
    ]


def test_hostile_names_do_no_harm() -> None:
    line = lines(BIOSNOOP, ROW._replace(comm="a\n\x1b[31mb", disk="sd\udcff"))[1]
    assert "\n" not in line
    assert "\x1b" not in line
    line.encode("utf-8")


def test_a_table_and_a_histogram_for_each_disk() -> None:
    durations = NONE.plus(45_500, 1000).plus(150_000, 1000)
    key: Key = ("sda", "WS")
    summary = summary_of({key: Times(durations, 1, 8192)}, 0.0, 2.0)
    assert lines(BIOLATENCY, summary) == [
        "",
        "2.00 s",
        "disk  operation  ios  errors  total      avg     max",
        "sda   WS           2       1  8 KiB  97.8 us  150 us",
        "",
        "sda WS: 2 in all, average 97.5 us, 50 % below 64 us, 99 % below 256 us",
        "us         count",
        "32 -> 63       1 |****************************************|",
        "64 -> 127      0 |                                        |",
        "128 -> 255     1 |****************************************|",
    ]


def test_what_was_not_asked_for_has_no_column() -> None:
    key: Key = (None, None)
    summary = summary_of({key: Times(NONE.plus(45_500, 1000), 0, 4096)}, 0.0, 2.0)
    assert lines(BIOLATENCY, summary)[2] == "ios  errors  total      avg      max"
