import errno
import json
from typing import Any, Dict

import pytest

from kdiag.host.base import Facts, FileSystemSize
from kdiag.host.manifest import (
    Entry,
    Header,
    Manifest,
    dump_header,
    dump_manifest,
    load_header,
    load_manifest,
)
from kdiag.host.recording import BadRecording

FACTS = Facts(250, 16384, "big", 1_700_000_000 * 10**9, 4711, 0)
ENTRIES = (
    Entry("read", "/proc/stat", 0, size_bytes=0, started_ns=0, ended_ns=7),
    Entry("read", "/proc/stat", 1, size_bytes=0, stored_in=0),
    Entry("read", "/proc/pressure/irq", 0, "unsupported", errno.EOPNOTSUPP),
    Entry("read", "/proc/1/io", 0, "timed_out", None, "gave up after 1 s"),
    Entry("read", "/proc/odd", 0, "error", 9999),
    Entry("list", "/proc/\udcff", 0, value=[]),
    Entry("size", "/proc/1/fd", 1, value=0),
    Entry("link", "/proc/1/exe", 0, value=""),
    Entry("statvfs", "/", 0, value=FileSystemSize(1, 2, 3, 4, 5, 6, 7)),
)


def _document(**changes: Any) -> bytes:
    """Write a manifest with some of its parts replaced."""
    whole: Dict[str, Any] = json.loads(dump_manifest(Manifest("done", (FACTS,), {}, ())))
    return json.dumps({**whole, **changes}).encode()


def _entry(**changes: Any) -> Dict[str, Any]:
    return {"op": "read", "path": "/proc/stat", "sample": 0, "size_bytes": 1, **changes}


def test_what_was_written_is_read() -> None:
    header = Header("1.2.3", FACTS)
    assert load_header(dump_header(header), "r") == header
    manifest = Manifest("sigint", (FACTS, Facts()), {0: "root", 5: None}, ENTRIES)
    assert load_manifest(dump_manifest(manifest), "r") == manifest


def test_an_entry_takes_one_line() -> None:
    lines = dump_manifest(Manifest("done", (FACTS,), {}, ENTRIES[:1])).decode().split("\n")
    assert (
        '  {"op": "read", "path": "/proc/stat", "sample": 0, "size_bytes": 0, "started_ns": 0, "ended_ns": 7}'
        in lines
    )


def test_an_errno_that_this_machine_has_no_name_for_keeps_its_name() -> None:
    # As of another architecture, or a newer kernel.
    given = [_entry(status="error", errno="ESOMETHINGNEW", detail="as told")]
    assert load_manifest(_document(entries=given), "r").entries == (
        Entry("read", "/proc/stat", 0, "error", None, "ESOMETHINGNEW as told", size_bytes=1),
    )


def test_unknown_keys_are_left_alone() -> None:
    assert load_manifest(_document(hash="x", entries=[_entry(sha256="x")]), "r").entries[0].size_bytes == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"facts": []},
        {"facts": [{"page_size_bytes": 0}]},
        {"facts": [{"clock_ticks_per_s": -100}]},
        {"facts": [{"byte_order": "middle"}]},
        {"facts": [{"reader_pid": True}]},
        {"facts": [{"reader_pid": 1.5}]},
        {"users": {"root": "root"}},
        {"users": {"0": 0}},
        {"users": {"\u0661": "arabic digit"}},
        {"end_reason": None},
        {"entries": {}},
        {"entries": ["read"]},
        {"entries": [_entry(op="exec")]},
        {"entries": [_entry(op=["read"])]},
        {"entries": [_entry(path=None)]},
        {"entries": [_entry(sample=1)]},
        {"entries": [_entry(sample=-1)]},
        {"entries": [_entry(stored_in=1)]},
        {"entries": [_entry(size_bytes=None)]},
        {"entries": [_entry(status="fine")]},
        {"entries": [_entry(status={})]},
        {"entries": [_entry(errno=-1, status="error")]},
        {"entries": [_entry(value=1)]},
        {"entries": [_entry(started_ns="soon")]},
        {"entries": [_entry(started_ns=10**30)]},
        {"entries": [_entry(op="list", value="stat")]},
        {"entries": [_entry(op="list", value=[1])]},
        {"entries": [_entry(op="link")]},
        {"entries": [_entry(op="size", value=None)]},
        {"entries": [_entry(op="statvfs", value=[1, 2, 3])]},
    ],
    ids=str,
)
def test_a_manifest_that_cannot_be_is_refused(changes: Dict[str, Any]) -> None:
    with pytest.raises(
        BadRecording, match=r"^r: manifest.json: .*; the recording is damaged or not of kdiag$"
    ):
        load_manifest(_document(**changes), "r")


def test_json_of_something_else_is_refused_by_its_name() -> None:
    with pytest.raises(BadRecording, match="its format is 'sosreport', not 'kdiag-bundle'"):
        load_header(b'{"format": "sosreport"}', "r")


def test_a_manifest_that_is_too_long_is_not_even_parsed() -> None:
    with pytest.raises(BadRecording, match="longer than 32 MiB"):
        load_manifest(b"{}" + b" " * (32 << 20), "r")
