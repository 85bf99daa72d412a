import re

from hypothesis import given, settings

from kdiag.health.finding import Evidence
from kdiag.health.snapshot import HostName
from kdiag.procfs.text import Problem
from kdiag.report.snapshot_markdown import snapshot_markdown
from tests.report.golden_files import assert_golden
from tests.report.samples import DISKS, SICK, WELL, finding
from tests.report.test_escape import ANY_TEXT

_CELL_END = re.compile(r"(?<!\\)(?:\\\\)*\|")


def test_a_sick_host() -> None:
    assert_golden("sick.md", snapshot_markdown(SICK))


def test_a_host_that_is_well_says_so_in_bold() -> None:
    assert "**nothing wrong found; 3 not judged: cpu.psi, cpu.irq\\_psi, proc.fd\\_limit**" in list(
        snapshot_markdown(WELL)
    )


def test_a_poor_encoding_is_kept_to() -> None:
    odd = WELL._replace(notes=("größe 木",))
    assert r"- gr\xf6\xdfe \u6728" in list(snapshot_markdown(odd, "ascii"))
    assert "- größe 木" in list(snapshot_markdown(odd))


def test_long_lists_end_with_their_count() -> None:
    mounts = tuple(finding("fs.space", "warning", "full", subject=f"/data/{number}") for number in range(500))
    problems = tuple(Problem("/proc/net/dev", number, "x", "y") for number in range(99))
    shown = list(snapshot_markdown(WELL._replace(findings=mounts, problems=problems)))
    assert any(line.startswith("and 480 more: /data/20, ") for line in shown)
    assert "- and 79 more" in shown


@settings(max_examples=50, deadline=None)
@given(ANY_TEXT)
def test_no_name_starts_a_line_or_splits_a_cell(name: str) -> None:
    hostile = SICK._replace(
        host=HostName(name, name, name, 1, 1, 1.0),
        findings=(finding("a.b", "critical", name, Evidence("/proc/x", 1, name), subject=name),),
        tables=(DISKS._replace(rows=[(name, 1, 2, 3, 4, name)]),),
    )
    plain = SICK._replace(
        host=HostName("x", "x", "x", 1, 1, 1.0),
        findings=(finding("a.b", "critical", "x", Evidence("/proc/x", 1, "x"), subject="x"),),
        tables=(DISKS._replace(rows=[("x", 1, 2, 3, 4, "x")]),),
    )
    shown, expected = list(snapshot_markdown(hostile)), list(snapshot_markdown(plain))
    assert len(shown) == len(expected)
    for line, wanted in zip(shown, expected):
        assert line.isprintable()
        if wanted.startswith("|"):
            assert len(_CELL_END.findall(line)) == len(DISKS.fields) + 1
