import json
import os
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Dict, List

import pytest

from kdiag.path.call import Call, SyscallCall
from kdiag.report.flame_graph import flame_graph
from kdiag.report.folded import folded_lines, own_times
from kdiag.report.path_files import CannotWrite, ending_of, write_file
from kdiag.report.trace_event_json import trace_event_document
from tests.path.graphs import calls_of, graphs_of, result_of
from tests.report.test_path_text import stitched

NAMES = (
    "7.2-full/openat-enoent.all.txt",
    "6.12-retval/read-ext4.retval.txt",
    "7.2-full/openat-enoent.retval-begin-lost.txt",
    "6.12-retval/openat-enoent.retval-end-lost.txt",
    "7.2-full/read-ext4.retval-thresh100.txt",
)
_SVG = "{http://www.w3.org/2000/svg}"


def every_call() -> List[SyscallCall]:
    return [stitched(), *(call for name in NAMES for call in calls_of(name))]


@pytest.mark.parametrize("name", graphs_of("read-ext4"))
def test_folded_stacks_add_up_to_the_call(name: str) -> None:
    for call in calls_of(name):
        if call.duration_ns is not None:
            assert sum(own_times(call).values()) == call.duration_ns


def test_folded_lines_are_what_flame_graph_tools_read() -> None:
    call = calls_of("7.2-full/openat-errors.retval.txt")[3]
    lines = list(folded_lines(call))
    assert lines[0].startswith("__x64_sys_openat ")
    assert all(re.fullmatch(r"[^; ]+(;[^; ]+)* \d+", line) for line in lines)
    assert any(line.startswith("__x64_sys_openat;do_sys_openat2;do_file_open;path_openat ") for line in lines)


def test_a_name_cannot_break_a_folded_line() -> None:
    call = stitched()
    assert call.root is not None
    call.root.children[0].function = "a;b\nc"
    assert all(line.count("\n") == 0 and "a;b" not in line for line in folded_lines(call))


@pytest.mark.parametrize("call", every_call(), ids=lambda call: f"{call.name}-{call.retval}")
def test_trace_events_nest_by_time(call: SyscallCall) -> None:
    document = json.loads(json.dumps(trace_event_document(call), allow_nan=False))
    events = [each for each in document["traceEvents"] if each["ph"] == "X" and each["tid"] == call.tid]
    assert call.root is not None
    assert len(events) == sum(1 for _ in call.root.walk())
    open_until: List[float] = []
    for event in events:
        begin, end = round(event["ts"] * 1000), round((event["ts"] + event["dur"]) * 1000)
        assert event["dur"] >= 0
        assert {"name", "cat", "ph", "ts", "dur", "pid", "tid", "args"} == set(event)
        while open_until and begin >= open_until[-1] and len(open_until) > 1:
            open_until.pop()
        assert not open_until or end <= open_until[0] + 1
        open_until.append(end)


def test_waits_have_a_row_of_their_own() -> None:
    call = stitched()
    events: List[Dict[str, object]] = trace_event_document(call)["traceEvents"]
    waits = [each for each in events if each.get("cat") == "waiting"]
    assert [(each["ts"], each["dur"]) for each in waits] == [(10.0, 75.0), (85.0, 5.0)]
    assert {each["tid"] for each in waits}.isdisjoint({call.tid})


@pytest.mark.parametrize("call", every_call(), ids=lambda call: f"{call.name}-{call.retval}")
def test_a_flame_graph_is_well_formed_and_needs_nothing_else(call: SyscallCall) -> None:
    text = "\n".join(flame_graph(call, "a title"))
    root = ElementTree.fromstring(text.encode("utf-8"))
    assert root.tag == f"{_SVG}svg"
    assert not list(root.iter(f"{_SVG}script"))
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    if call.duration_ns:
        titles = [each.text or "" for each in root.iter(f"{_SVG}title")]
        assert call.root is not None
        assert any(title.startswith(f"{call.root.function}: ") for title in titles)
    width = float(root.get("width") or 0)
    for box in root.iter(f"{_SVG}rect"):
        if box.get("x") is not None:
            assert float(box.get("x") or 0) + float(box.get("width") or 0) <= width + 0.01


def test_a_flame_graph_of_hostile_names_is_text_alone() -> None:
    call = stitched()._replace(args="</text><script>alert(1)</script>")
    assert call.root is not None
    call.root.children[0].function = "<script>\x00&\"'"
    text = "\n".join(flame_graph(call, "<b>"))
    root = ElementTree.fromstring(text)
    assert not list(root.iter(f"{_SVG}script"))
    assert "<script" not in text


def test_the_way_to_the_error_has_a_frame() -> None:
    text = "\n".join(flame_graph(calls_of("7.2-full/openat-errors.retval.txt")[1], "x"))
    failed = re.findall(r"<title>(\w+): [^<]*; returned the error</title>", text)
    assert failed[0] == "__x64_sys_openat"
    assert failed[-1] == "generic_permission"


@pytest.mark.parametrize("ending", [".svg", ".json", ".folded"])
def test_a_file_is_private_and_replaces_nothing_unless_told(tmp_path: Path, ending: str) -> None:
    result = result_of(NAMES[0])
    path = str(tmp_path / f"out{ending}")
    write_file(path, result)
    first = Path(path).read_bytes()
    assert first
    assert os.stat(path).st_mode & 0o777 == 0o600
    with pytest.raises(CannotWrite, match=r"it exists \(--force replaces it\)"):
        write_file(path, result)
    write_file(path, result, force=True)
    assert Path(path).read_bytes() == first


def test_a_file_is_never_written_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    link = tmp_path / "out.svg"
    link.symlink_to(victim)
    for force in (False, True):
        with pytest.raises(CannotWrite):
            write_file(str(link), result_of(NAMES[0]), force)
    assert victim.read_text() == "mine"


def test_an_ending_that_says_nothing_is_refused() -> None:
    with pytest.raises(CannotWrite, match=r"x\.png: what to write is told by the ending: \.svg, \.json"):
        ending_of("x.png")
    assert ending_of("x.SVG") == ".svg"


def test_a_call_without_a_tree_is_not_written(tmp_path: Path) -> None:
    result = result_of(NAMES[0], "nth", 99)
    with pytest.raises(CannotWrite, match="there is no call to show"):
        write_file(str(tmp_path / "a.svg"), result)
    assert not list(tmp_path.iterdir())


def test_a_call_that_took_no_time_draws_nothing_wrong() -> None:
    call = SyscallCall("x", 1, "c", 1, 0, 0, None, "", Call("x", duration_ns=0))
    ElementTree.fromstring("\n".join(flame_graph(call, "x")))
    assert list(folded_lines(call)) == []
