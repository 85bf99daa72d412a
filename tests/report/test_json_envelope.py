import json
import os
from typing import Any, Dict, Iterator

import jsonschema
import pytest
from hypothesis import given, settings

from kdiag import report
from kdiag.health.check import Case, Check
from kdiag.health.finding import Finding
from kdiag.health.snapshot import HostName
from kdiag.procfs.catalogue import SOURCES, Source
from kdiag.report.json_envelope import (
    check_document,
    dump,
    explain_document,
    files_document,
    snapshot_document,
)
from kdiag.report.read import read_document
from kdiag.tools.family import TOOLS
from kdiag.tools.read import read_trace
from tests.report.doctor_samples import DOCTORED
from tests.report.path_samples import PATH_DIFFS, PATHS
from tests.report.samples import DISKS, LATIN_1, SICK, WELL, finding
from tests.report.test_escape import ANY_TEXT
from tests.report.traced_samples import BEGUN, COUNTS, LISTED

_FOLDER = os.path.join(os.path.dirname(report.__file__), "schemas")


def _never(case: Case) -> Iterator[Finding]:
    yield from ()


CHECK = Check(
    "mem.psi", "Memory pressure", "avg10", "%", {"warning_pct": 10}, "own", "why", "next", _never, True
)
READ = read_trace([b"# tracer: nop\n", b"            bash-7       [000] ..... 1.000000: ev: a\n"], "/t")
FILE = Source("stat", "/proc/stat", "stat:parse_stat", cost="cpus", when="both")._asdict()
DOCUMENTS = {
    "snapshot": (snapshot_document(SICK), snapshot_document(SICK, costs=True), snapshot_document(WELL)),
    "check": (check_document(SICK), check_document(WELL)),
    "explain": (explain_document([CHECK, CHECK]),),
    "read": (read_document(READ, "/t"),),
    "count": COUNTS,
    "doctor": DOCTORED,
    "probes": LISTED,
    "stream": BEGUN,
    "path": PATHS,
    "path-diff": PATH_DIFFS,
    "files": (files_document([FILE]), files_document([source._asdict() for source in SOURCES])),
}


def schema(command: str) -> Dict[str, Any]:
    with open(os.path.join(_FOLDER, f"{command}.1.json"), encoding="utf-8") as file:
        loaded: Dict[str, Any] = json.load(file)
        return loaded


def validate(document: Dict[str, Any], command: str) -> None:
    jsonschema.Draft202012Validator(schema(command)).validate(json.loads(dump(document)))


@pytest.mark.parametrize("command", sorted(DOCUMENTS))
def test_every_document_is_what_its_schema_says(command: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(command))
    for document in DOCUMENTS[command]:
        validate(document, command)
        assert document["schema"] == f"kdiag/{command}/1"


@pytest.mark.parametrize("command", sorted(DOCUMENTS))
def test_a_schema_holds_documents_to_their_fields(command: str) -> None:
    document = DOCUMENTS[command][0]
    for bad in ({**document, "surprise": 1}, {**document, "exit_code": 9}, {**document, "tool": {}}):
        with pytest.raises(jsonschema.ValidationError):
            validate(bad, command)
    for field in document:
        with pytest.raises(jsonschema.ValidationError):
            validate({key: value for key, value in document.items() if key != field}, command)


def test_there_is_a_schema_for_each_document_and_what_they_share_is_the_same() -> None:
    commands = (*DOCUMENTS, *TOOLS)
    assert sorted(os.listdir(_FOLDER)) == sorted(f"{command}.1.json" for command in commands)
    shared: Dict[str, Any] = {}
    for command in DOCUMENTS:
        for name, definition in schema(command)["$defs"].items():
            assert shared.setdefault(name, definition) == definition


def test_the_envelope_says_who_looked_at_what_and_when() -> None:
    document = snapshot_document(SICK)
    assert document["tool"]["name"] == "kdiag"
    assert document["host"]["name"] == "web-1"
    assert document["host"]["kind"] == "live"
    assert document["started"] == "2025-11-20T17:18:01Z"
    assert document["duration_s"] == 1.0004
    assert document["mechanism"] == {"name": "procfs", "passed_over": []}
    assert (document["lost"], document["exit_code"]) == (0, 2)


@pytest.mark.parametrize("started_ns", [None, -1, 10**30])
def test_a_time_that_cannot_be_told_is_null(started_ns: Any) -> None:
    assert snapshot_document(SICK._replace(started_ns=started_ns))["started"] is None


def test_rows_have_their_fields_and_what_is_not_known_is_null() -> None:
    tables = snapshot_document(SICK)["tables"]
    assert tables["disks"][0]["rows"][0]["read_kib_per_s"] == 4096.0
    assert tables["disks"][0]["rows"][1] == {
        "disk": "caf\\xe9",
        "reads_per_s": None,
        "read_kib_per_s": None,
        "await_ms": None,
        "util_pct": None,
        "scheduler": None,
    }
    assert tables["swap"][0]["missing"] == "/proc/swaps: not permitted (EACCES)"
    assert tables["disks"][0]["missing"] is None


def test_what_could_not_be_read_or_parsed_is_listed() -> None:
    incomplete = snapshot_document(SICK)["incomplete"]
    assert incomplete["failures"][0] == {
        "path": "/proc/pressure/cpu",
        "kind": "unsupported",
        "errno": 95,
        "detail": "",
        "message": "/proc/pressure/cpu: switched off in this kernel (EOPNOTSUPP)",
    }
    assert incomplete["problems"] == [
        {"path": "/proc/net/dev", "line": 3, "text": "eth\x1b0: 1 x", "wanted": "17 fields"}
    ]


def test_costs_are_there_only_if_asked_for() -> None:
    assert "costs" not in snapshot_document(SICK)
    assert snapshot_document(SICK, costs=True)["costs"][1] == {
        "path": "/proc/stat",
        "reads": 2,
        "bytes": 2048,
        "duration_us": 61.0,
    }


def test_no_number_is_one_that_json_does_not_know() -> None:
    nan, endless = float("nan"), float("inf")
    odd = SICK._replace(
        findings=(finding("a.b", "ok", "odd", value=nan, thresholds={"warning_pct": endless}),),
        tables=(DISKS._replace(rows=[("sda", nan, endless, -endless, 0.0, None)]),),
        duration_s=endless,
    )
    document = snapshot_document(odd)
    validate(document, "snapshot")
    assert document["findings"][0]["value"] is None
    assert document["tables"]["disks"][0]["rows"][0]["reads_per_s"] is None


def test_counters_beyond_64_bits_are_kept_exact() -> None:
    document = snapshot_document(
        SICK._replace(tables=(DISKS._replace(rows=[("sda", 2**64, 0, 0, 0, None)]),))
    )
    assert json.loads(dump(document))["tables"]["disks"][0]["rows"][0]["reads_per_s"] == 2**64


def test_a_section_may_have_several_tables() -> None:
    tables = snapshot_document(SICK._replace(tables=(DISKS, DISKS._replace(title="More disks"))))["tables"]
    assert [table["title"] for table in tables["disks"]] == ["Disks", "More disks"]


@settings(max_examples=50, deadline=None)
@given(ANY_TEXT)
def test_any_name_comes_through_as_it_is_unless_it_is_not_unicode(name: str) -> None:
    text = dump(
        snapshot_document(SICK._replace(host=HostName(name, None, None, None, None, None), notes=(name,)))
    )
    assert text.isascii()
    assert "\n" not in text
    document = json.loads(text)
    document["host"]["name"].encode("utf-8")
    if not any("\ud800" <= char <= "\udfff" for char in name):
        assert document["host"]["name"] == name


def test_a_check_document_holds_the_line_and_its_gauges() -> None:
    document = check_document(SICK)
    assert document["line"].startswith("KDIAG CRITICAL - mem.psi: ")
    assert document["gauges"][0] == {
        "label": "mem.psi",
        "value": 43.1,
        "uom": "%",
        "warning": "5",
        "critical": "40",
    }


def test_a_name_that_is_not_utf_8_is_shown_by_its_bytes() -> None:
    assert LATIN_1.encode("utf-8", "surrogateescape") == b"caf\xe9"
    assert "caf\\\\xe9" in dump(snapshot_document(SICK))
