import gzip
import json
import os
from pathlib import Path
from typing import Any, List

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdiag.doctor.mechanism import Choice, PassedOver
from kdiag.path.call import Call, Capture, Lost, Outcome, SyscallCall, Wait
from kdiag.path.result import summarize
from kdiag.path.saved import BadCapture, Saver, _tree_from_json, _tree_to_json, is_saved, open_saved
from kdiag.report.path_text import path_lines
from kdiag.report.path_tree import TreeView
from kdiag.report.terminal import Style
from tests.path.graphs import calls_of

CHOICE = Choice("stitch", "stacks", (PassedOver("function_graph", "not there", "another kernel"),))
HOST = {"name": "vm", "kernel": "6.18", "kind": "live", "root": "/"}


def save(folder: Path, calls: List[SyscallCall]) -> str:
    outcome = Outcome()
    outcome.lost, outcome.ended, outcome.notes = Lost(3, 1, True), "the command ended", ["a note"]
    saver = Saver(str(folder))
    for call in calls:
        saver.call(call)
    saver.raw("events.cpu0.raw", b"one")
    saver.raw("events.cpu0.raw", b"two")
    capture = Capture(CHOICE, "mono", iter(()), "cat", "exact", "inferred", outcome=outcome)
    saver.finish("openat", capture, started_ns=10**18, duration_s=1.5, host=HOST)
    return str(folder)


def lines(folder: str) -> List[str]:
    saved = open_saved(folder)
    return list(path_lines(summarize(saved.asked, saved.capture), TreeView(), Style()))


def test_what_is_read_again_is_what_was_saved(tmp_path: Path) -> None:
    calls = calls_of("7.2-full/openat-enoent.all.txt")
    calls[0] = calls[0]._replace(waits=(Wait(1, None, "S", ("a", "b"), "c-1"),), comm="\udcff\x1b[2J")
    folder = save(tmp_path / "saved", calls)
    saved = open_saved(folder)
    again = list(saved.capture.calls)
    assert [call._replace(root=None) for call in again] == [call._replace(root=None) for call in calls]
    for one, other in zip(calls, again):
        assert one.root is not None and other.root is not None
        assert _tree_to_json(one.root) == _tree_to_json(other.root)
    assert (saved.asked, saved.host, saved.started_ns, saved.duration_s) == ("openat", HOST, 10**18, 1.5)
    assert (saved.capture.mechanism, saved.capture.clock) == (CHOICE, "mono")
    assert saved.capture.outcome is not None
    assert saved.capture.outcome.lost == Lost(3, 1, True)


def test_it_is_shown_as_it_was(tmp_path: Path) -> None:
    calls = calls_of("6.12-retval/read-ext4.retval.txt")
    folder = save(tmp_path / "saved", calls)
    outcome = Outcome()
    outcome.lost, outcome.ended, outcome.notes = Lost(3, 1, True), "the command ended", ["a note"]
    capture = Capture(CHOICE, "mono", iter(calls), "cat", "exact", "inferred", outcome=outcome)
    shown = path_lines(summarize("openat", capture), TreeView(), Style())
    assert lines(folder) == list(shown)


def test_it_is_for_its_owner_alone_and_replaces_nothing(tmp_path: Path) -> None:
    folder = save(tmp_path / "saved", [])
    for path in [folder, *(str(path) for path in Path(folder).rglob("*"))]:
        assert os.stat(path).st_mode & 0o077 == 0
    assert (Path(folder) / "raw" / "events.cpu0.raw").read_bytes() == b"onetwo"
    with pytest.raises(FileExistsError):
        Saver(folder)


@pytest.mark.parametrize("name", ["", "..", ".x", "a/b", "a\0b", "../../etc/passwd"])
def test_a_raw_file_has_a_plain_name(tmp_path: Path, name: str) -> None:
    saver = Saver(str(tmp_path / "saved"))
    with pytest.raises(ValueError):
        saver.raw(name, b"")
    saver.close()


def test_one_that_was_not_finished_says_so(tmp_path: Path) -> None:
    saver = Saver(str(tmp_path / "saved"))
    saver.close()
    assert is_saved(str(tmp_path / "saved"))
    with pytest.raises(BadCapture, match=r"meta\.json: it is not there: .*not finished"):
        open_saved(str(tmp_path / "saved"))


def test_a_file_that_is_cut_off_says_where(tmp_path: Path) -> None:
    folder = save(tmp_path / "saved", calls_of("7.2-full/openat-enoent.all.txt"))
    path = Path(folder) / "calls.jsonl.gz"
    data = path.read_bytes()
    for length in (0, 5, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(BadCapture, match=r"calls\.jsonl\.gz: "):
            list(open_saved(folder).capture.calls)


def damaged(tmp_path: Path, name: str, line: bytes) -> str:
    folder = save(tmp_path / name, calls_of("7.2-full/openat-ok.all.txt"))
    with gzip.open(Path(folder) / "calls.jsonl.gz", "wb") as file:
        file.write(line + b"\n")
    return folder


GOOD = {
    "name": "x",
    "tid": 1,
    "comm": "c",
    "start_ns": 1,
    "duration_ns": 1,
    "retval": 0,
    "errno": None,
    "args": "",
    "root": [[0, "f"], [1, "g"]],
    "waits": [],
    "pid": None,
    "cpu": 0,
}


@pytest.mark.parametrize(
    "field, value",
    [
        ("root", [[1, "f"]]),
        ("root", [[0, "f"], [2, "g"]]),
        ("root", [[0, "f"], [0, "g"]]),
        ("root", [[0, "f"], [-1, "g"]]),
        ("root", []),
        ("root", [[0]]),
        ("root", [[0, 5]]),
        ("root", 7),
        ("tid", "1"),
        ("tid", True),
        ("duration_ns", 1.5),
        ("waits", [[1]]),
        ("name", None),
    ],
)
def test_a_damaged_line_is_told_with_its_number(tmp_path: Path, field: str, value: Any) -> None:
    folder = damaged(tmp_path, "saved", json.dumps({**GOOD, field: value}).encode())
    with pytest.raises(BadCapture, match="line 1 is damaged"):
        list(open_saved(folder).capture.calls)


def test_a_number_of_calls_that_is_not_the_said_one_is_told(tmp_path: Path) -> None:
    folder = damaged(tmp_path, "saved", json.dumps(GOOD).encode())
    with pytest.raises(BadCapture, match=r"it has 1 calls, meta\.json says 2"):
        list(open_saved(folder).capture.calls)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_in_place_of_the_description_break_the_reader(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("saved")
    (folder / "meta.json").write_bytes(data)
    with pytest.raises(BadCapture):
        open_saved(str(folder))


def test_a_description_that_nests_without_end_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_bytes(b"[" * 100_000)
    with pytest.raises(BadCapture):
        open_saved(str(tmp_path))


def test_a_deep_tree_comes_through() -> None:
    root = call = Call("f")
    for _ in range(20_000):
        inner = Call("f")
        call.children.append(inner)
        call = inner
    again = _tree_from_json(_tree_to_json(root))
    assert sum(1 for _ in again.walk()) == 20_001


def test_a_text_without_any_function_is_no_capture(tmp_path: Path) -> None:
    path = tmp_path / "trace.txt"
    path.write_text("hello\n")
    with pytest.raises(BadCapture, match="no line of function_graph"):
        open_saved(str(path))
    with pytest.raises(BadCapture, match="is not there"):
        open_saved(str(tmp_path / "nothing"))
