"""Every view of every recorded host and overlay: JSON as its schema has it, text that fits, one exit code."""

import json
import re
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import jsonschema
import pytest

from kdiag import report
from kdiag.cli import main
from kdiag.cli import run as runner
from kdiag.health.checks import CHECKS
from kdiag.health.record import record
from kdiag.health.snapshot import Snapshot
from kdiag.health.tables import TABLES
from kdiag.host.base import Host
from kdiag.host.memory import MemoryHost
from kdiag.report.json_envelope import check_document, dump, snapshot_document
from kdiag.report.nagios import status_line
from kdiag.report.snapshot_text import snapshot_lines
from kdiag.report.terminal import Style
from tests.cli.documents import Document, statuses
from tests.health.overlay import FIXTURES, OVERLAYS, host_of, quiet_overlay, read_overlay, snapshot_of

RECORDED = sorted(FIXTURES.glob("hosts/*/load.tar.xz"))
SECTIONS = sorted({each.section for each in TABLES})
SICK = OVERLAYS / "fs.space" / "critical.txt"


def validator(command: str) -> Any:
    schema = json.loads((Path(report.__file__).parent / "schemas" / f"{command}.1.json").read_text())
    return jsonschema.Draft202012Validator(schema)


def merged(documents: List[Document]) -> Document:
    """Return the first document with what is different in the others: validating takes longer than making."""
    first = documents[0]
    whole: Document = {
        **first,
        "findings": list(first["findings"]),
        "not_applicable": list(first["not_applicable"]),
        "tables": {section: list(filled) for section, filled in first["tables"].items()},
        "incomplete": {"failures": [], "problems": []},
    }
    for document in documents[1:]:
        whole["findings"] += [each for each in document["findings"] if each["status"] != "ok"]
        whole["not_applicable"] += [
            each for each in document["not_applicable"] if each not in first["not_applicable"]
        ]
        for section, filled in document["tables"].items():
            whole["tables"][section] += [each for each in filled if each not in first["tables"][section]]
        for what, found in document["incomplete"].items():
            whole["incomplete"][what] += found
    parsed: Document = json.loads(dump(whole))
    return parsed


def faults_of_text(snapshot: Snapshot) -> Iterator[str]:
    """Yield what is wrong with the text of a snapshot."""
    lines = snapshot_lines(snapshot, Style(80, encoding="ascii"), all_findings=True)
    yield from (repr(line) for line in lines if len(line) > 80 or not line.isprintable())
    if not status_line(snapshot, Style()).isprintable():
        yield "the line for Nagios is not one line"


def test_every_overlay_is_shown_in_every_format() -> None:
    documents: List[Document] = [snapshot_document(snapshot_of(quiet_overlay()), costs=True)]
    wrong: List[Tuple[str, str]] = []
    for path in sorted(OVERLAYS.rglob("*.txt")):
        snapshot = snapshot_of(read_overlay(path))
        documents.append(snapshot_document(snapshot, costs=True))
        wrong.extend((str(path.relative_to(OVERLAYS)), what) for what in faults_of_text(snapshot))
    assert wrong == []
    whole = merged(documents)
    validator("snapshot").validate(whole)
    assert len(whole["findings"]) > len(documents)
    validator("check").validate(json.loads(dump(check_document(snapshot))))


@pytest.mark.parametrize("folder", RECORDED, ids=lambda path: f"{path.parent.name}-{path.name[:4]}")
def test_every_recorded_host_is_shown_in_every_format(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = main(["--root", str(folder), "--json", "--timings"])
    document = json.loads(capsys.readouterr().out)
    validator("snapshot").validate(document)
    assert document["exit_code"] == expected
    for columns in ("80", "120"):
        monkeypatch.setenv("COLUMNS", columns)
        words = ["--root", str(folder), "--all", "--per-cpu", "--explain", "--timings"]
        assert main(words) == expected
        lines = capsys.readouterr().out.split("\n")
        assert max(map(len, lines)) <= int(columns)
        for each in CHECKS:
            # Checks that are unknown for one reason share a heading, which may be longer than a line.
            assert any(re.match(rf"([A-Z/]+| ) +.*{re.escape(each.id)}\b", line) for line in lines), each.id
    for command in (["--markdown"], ["check"]):
        assert main([*command, "--root", str(folder)]) == expected
        assert capsys.readouterr().out


HOSTS: Dict[str, Callable[[], Host]] = {
    "quiet": lambda: host_of(quiet_overlay()),
    "sick": lambda: host_of(read_overlay(SICK)),
    "single": lambda: MemoryHost(quiet_overlay().moments[:1]),
}


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``--root`` take the names of hosts in memory: one at rest, one that is full, one of one reading."""
    monkeypatch.setattr(runner, "open_root", lambda root: HOSTS[root]())


@pytest.mark.usefixtures("hosts")
def test_a_section_is_shown_alone(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--root", "quiet", "--section", "slab", "--section", "cpu", "--json"])
    assert sorted(json.loads(capsys.readouterr().out)["tables"]) == ["cpu", "slab"]
    for section in SECTIONS:
        main(["--root", "quiet", "--section", section])
        text = capsys.readouterr().out
        titles = {each.title for each in TABLES if each.section == section}
        others = {each.title for each in TABLES if each.section != section}
        assert all(f"\n{title}" in text for title in titles)
        assert not [title for title in others if re.search(rf"^{re.escape(title)}(:|, |$)", text, re.M)]
        assert "checks passed" not in text
    main(["--root", "quiet", "--section", "findings"])
    assert "checks passed" in capsys.readouterr().out


@pytest.mark.usefixtures("hosts")
def test_options_show_more_or_less(capsys: pytest.CaptureFixture[str]) -> None:
    def shown(*words: str) -> List[str]:
        main(["--root", "quiet", *words])
        return capsys.readouterr().out.split("\n")

    usual = shown()
    assert any(line.startswith("What reading cost") for line in shown("--timings"))
    assert len(shown("--explain")) > len(usual)
    assert len(shown("--per-cpu")) == len(usual) + 2
    verdicts = [line for line in shown("--all", "--section", "findings") if re.match("(OK|N/A) +", line)]
    assert len(verdicts) == len(CHECKS)
    assert len(shown("--section", "top", "--top", "1", "--once")) < len(shown("--section", "top", "--once"))


@pytest.mark.usefixtures("hosts")
def test_watching_a_recording_shows_each_interval_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", "quiet", "--watch", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["schema"] for line in lines] == ["kdiag/snapshot/1"]


@pytest.mark.usefixtures("hosts")
def test_one_reading_is_not_watched(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", "single", "--watch"]) == 3
    assert "there is no second reading to watch" in capsys.readouterr().err


def test_what_one_recorded_reading_leaves_open_names_what_would_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(HOSTS["single"](), str(tmp_path / "single"), 1.0)
    main(["--root", str(tmp_path / "single")])
    text = capsys.readouterr().out
    assert "\n  remedy   without --once, of a recording that holds two readings\n" in text


@pytest.mark.usefixtures("hosts")
@pytest.mark.parametrize(
    ("level", "codes"),
    [
        ("info", [0, 2, 0]),
        ("warning", [0, 2, 0]),
        ("critical", [0, 2, 0]),
        ("unknown", [0, 2, 3]),
        ("never", [0, 0, 0]),
    ],
)
def test_the_exit_code_is_that_of_the_level_asked_for(level: str, codes: List[int]) -> None:
    for command in ("snapshot", "check"):
        assert [main([command, "--root", host, "--fail-on", level]) for host in HOSTS] == codes


@pytest.mark.usefixtures("hosts")
def test_a_finding_is_the_same_in_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--root", "sick", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert statuses(document, "critical") == ["fs.space /"]
    (critical,) = [each for each in document["findings"] if each["status"] == "critical"]
    for words in (["--root", "sick"], ["--root", "sick", "--markdown"], ["check", "--root", "sick"]):
        main(words)
        text = capsys.readouterr().out
        assert "1 critical" in text or text.startswith("KDIAG CRITICAL - ")
        assert critical["summary"] in text


def test_a_check_that_cannot_be_made_says_so_where_a_monitoring_system_looks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check", "--root", "/nonexistent"]) == 3
    output = capsys.readouterr()
    assert output.out.startswith("KDIAG UNKNOWN - /nonexistent: there is no such file, ")
    assert output.out.count("\n") == 1
    assert output.err.startswith("kdiag: /nonexistent: there is no such file; ")


def test_short_help_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["-h"], ["snapshot", "-h"], ["record", "-h"]):
        assert main(words) == 0
        assert capsys.readouterr().out.startswith("Usage: kdiag")
