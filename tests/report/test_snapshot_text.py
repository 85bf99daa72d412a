import re
from typing import Any, Dict, List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdiag.health.finding import INSTANT, SINCE_BOOT, Evidence
from kdiag.health.snapshot import HostName, Snapshot
from kdiag.health.table import FilledTable
from kdiag.host.base import Failure
from kdiag.procfs.text import Problem
from kdiag.report.layout import display_width
from kdiag.report.snapshot_text import snapshot_lines
from kdiag.report.terminal import Style
from tests.report.golden_files import assert_golden
from tests.report.samples import DISKS, SICK, WELL, finding, unknown
from tests.report.test_escape import ANY_TEXT, ENCODINGS

NARROW = Style(80)
_COLOUR = re.compile("\x1b\\[[0-9;]*m")


def lines(snapshot: Snapshot, style: Style = NARROW, **options: bool) -> List[str]:
    return list(snapshot_lines(snapshot, style, **options))


@pytest.mark.parametrize("width", [80, 120])
def test_a_sick_host(width: int) -> None:
    shown = lines(SICK, Style(width), timings=True)
    assert max(display_width(line) for line in shown) <= width
    assert_golden(f"sick.{width}.txt", shown)


def test_a_sick_host_in_ascii_with_everything() -> None:
    shown = lines(SICK, Style(80, encoding="ascii"), all_findings=True)
    assert "\n".join(shown).isascii()
    assert max(map(len, shown)) <= 80
    assert_golden("sick.all.ascii.txt", shown)


def test_a_host_that_is_well() -> None:
    assert_golden("well.txt", lines(WELL, all_findings=True))


def test_what_is_wrong_stands_in_the_first_ten_lines() -> None:
    head = "\n".join(lines(SICK)[:10])
    for name in ("mem.psi", "fs.space", "io.psi", "cpu.psi"):
        assert name in head


def test_if_nothing_is_wrong_the_first_line_after_the_header_says_so_and_what_is_not_known() -> None:
    shown = lines(WELL)
    assert shown[shown.index("") + 1] == (
        "nothing wrong found; 3 not judged: cpu.psi, cpu.irq_psi, proc.fd_limit"
    )


def test_a_host_that_could_not_be_judged_is_not_called_well() -> None:
    blind = WELL._replace(findings=(unknown("mem.available", "/proc/meminfo", "not permitted"),), exit_code=3)
    assert "cannot tell whether anything is wrong; 1 not judged: mem.available" in lines(blind)


def test_colour_changes_nothing_but_colour() -> None:
    painted = lines(SICK, Style(80, colour=True), timings=True)
    assert [_COLOUR.sub("", line) for line in painted] == lines(SICK, timings=True)
    assert "\x1b[1;31mCRITICAL \x1b[0mmem.psi  full avg10 is 43.1% (critical from 40%)" in painted


def test_only_the_tables_are_shown_if_no_findings_are_asked_for() -> None:
    shown = lines(SICK, findings=False)
    assert not any(line.startswith(("CRITICAL", "UNKNOWN")) for line in shown)
    assert any(line.startswith("Top tasks") for line in shown)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "two readings 1.0 s apart"),
        (
            {"duration_s": None, "basis": SINCE_BOOT},
            "one reading: rates are averages since boot",
        ),
        (
            {"basis": SINCE_BOOT},
            "two readings 1.0 s apart: rates are averages since boot",
        ),
        ({"duration_s": None}, "two readings, the time between them not known"),
        ({"kind": "recorded", "root": "a\x1b.tar"}, r"recorded in a\x1b.tar; two readings 1.0 s apart"),
        ({"root": "/host"}, "read below /host; two readings 1.0 s apart"),
    ],
)
def test_the_header_says_how_the_host_was_read(changes: Dict[str, Any], told: str) -> None:
    assert f"2025-11-20 17:18:01 UTC; {told}" in lines(SICK._replace(**changes), Style(120))


def test_the_header_says_what_is_not_known() -> None:
    bare = SICK._replace(host=HostName(None, "4.18.0", None, 1, None, None), started_ns=None)
    assert lines(bare, Style(120))[:2] == [
        "(host name not known): Linux 4.18.0, 1 CPU, not known: distribution, memory, uptime",
        "time not known; two readings 1.0 s apart",
    ]


def test_averages_since_boot_that_are_not_judged_share_one_reason() -> None:
    because = "One reading gives only the average since boot, which is not judged."
    found = tuple(
        finding(
            check_id, "unknown", "12%", Evidence("/proc/stat", 1, "cpu 1"), basis=SINCE_BOOT, because=because
        )
        for check_id in ("cpu.steal", "cpu.iowait")
    )
    shown = lines(WELL._replace(findings=found, basis=SINCE_BOOT, duration_s=None))
    start = shown.index("UNKNOWN  cpu.steal, cpu.iowait")
    assert shown[start + 1 : start + 3] == [
        f"  why      {because}",
        "  remedy   take two readings (without --once)",
    ]


def test_a_check_that_is_unknown_for_many_subjects_is_named_once() -> None:
    mounts = tuple(
        unknown("fs.space", "/proc/self/mountinfo", "no answer in time")._replace(subject=f"/nfs/{number}")
        for number in range(300)
    )
    shown = lines(WELL._replace(findings=mounts))
    assert "UNKNOWN  fs.space (300)" in shown
    assert "  remedy   look for dead network mounts and tasks in D state" in shown


def test_what_is_wrong_with_a_recording_is_not_looked_for_on_the_host() -> None:
    again = "record the host again, with this file"
    for kind, number, detail, remedy in (
        ("error", None, "a symbolic link in the recording, not followed", again),
        ("timed_out", None, "a FIFO in the recording, which might never answer", again),
        ("error", 5, "", "look into the kernel's log: dmesg"),
        ("timed_out", None, "gave up after 1 s", "look for dead network mounts and tasks in D state"),
        ("error", None, "the mount is not to be seen from here", ""),
    ):
        failure = Failure("/proc/stat", kind, number, detail)
        reason = str(failure).partition(": ")[2]
        shown = lines(
            WELL._replace(findings=(unknown("cpu.sys", "/proc/stat", reason),), failures=(failure,)),
            Style(200),
        )
        told = [line for line in shown if line.startswith("  remedy")]
        assert told == ([f"  remedy   {remedy}"] if remedy else [])
        assert f"  {reason}: /proc/stat" + (f"; {remedy}" if remedy else "") in shown


def test_long_lists_end_with_their_count() -> None:
    mounts = tuple(finding("fs.space", "warning", "full", subject=f"/data/{number}") for number in range(500))
    evidence = tuple(Evidence("/proc/stat", number, "cpu") for number in range(9))
    problems = tuple(Problem("/proc/net/dev", number, "x", "y") for number in range(99))
    failures = tuple(Failure(f"/sys/fs/cgroup/{number}/cpu.stat", "vanished") for number in range(50))
    crowded = WELL._replace(
        findings=(finding("cpu.sys", "critical", "high", *evidence), *mounts),
        problems=problems,
        failures=failures,
    )
    shown = lines(crowded, Style(120))
    assert len(shown) < 60
    assert "           and 6 more lines" in shown
    assert any(line.startswith("         and 495 more: /data/5, ") for line in shown)
    assert "  and 94 more lines" in shown
    assert any("/sys/fs/cgroup/7/cpu.stat and 42 more; run it again" in line for line in shown)
    assert len(lines(crowded, Style(120), all_findings=True)) > 500


def test_an_empty_table_says_none_and_one_that_could_not_be_filled_says_why() -> None:
    empty = FilledTable("blocked", "Blocked tasks", ("pid",), {}, (), INSTANT, (), "")
    missing = empty._replace(title="NUMA", missing="/sys/devices/system/node: not on this kernel (ENOENT)")
    shown = lines(WELL._replace(tables=(empty, missing)))
    assert "Blocked tasks: none" in shown
    assert "NUMA: /sys/devices/system/node: not on this kernel (ENOENT)" in shown


def test_timings_that_were_not_taken_are_not_shown_as_zero() -> None:
    assert "what reading cost: not measured" in lines(WELL._replace(costs=()), timings=True)


@settings(max_examples=60, deadline=None)
@given(ANY_TEXT, st.integers(40, 130), st.sampled_from(ENCODINGS))
def test_no_name_breaks_a_line_the_width_or_the_encoding(name: str, width: int, encoding: str) -> None:
    hostile = SICK._replace(
        host=HostName(name, name, name, 1, 1, 1.0),
        root=name,
        kind="recorded",
        findings=(
            finding("a.b", "critical", name, Evidence(name, 1, name), subject=name, because=name, next=name),
            finding("a.c", "info", name, Evidence(name, None, name), subject=name),
            unknown("a.d", name, name),
        ),
        tables=(DISKS._replace(title=name, rows=[(name,) * 6], notes=(name,)),),
        failures=(Failure(name, "error", 5, name),),
        problems=(Problem(name, 1, name, name),),
        notes=(name,),
    )
    for line in lines(hostile, Style(width, encoding=encoding), all_findings=True, timings=True):
        line.encode(encoding)
        assert line.isprintable()
        assert display_width(line) <= width
