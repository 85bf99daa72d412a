"""opensnoop, statsnoop, execsnoop and exitsnoop under known loads: exact numbers from every mechanism."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Sequence

import pytest

from tests.live.traced import kdiag, python

pytestmark = pytest.mark.needs("root", "kernel's PIDs")

_OF_FILES = ("bcc", "bpf", "ftrace")
_OF_PROCESSES = ("bcc", "bpf", "ftrace")
#: Opens in the main thread, in another thread and in a child: 18 that succeed, 5 that fail.
_OPENS = """
import os, threading
def opens(there, missing):
    for _ in range(there): os.close(os.open(PATH + '/there', os.O_RDONLY))
    for number in range(missing):
        try: os.open(f'{PATH}/missing-{number}', os.O_RDWR | os.O_CLOEXEC)
        except OSError: pass
opens(9, 2)
thread = threading.Thread(target=opens, args=(4, 1)); thread.start(); thread.join()
if not os.fork(): opens(5, 2); os._exit(0)
os.wait()
"""
_STATS = """
import os
for path in ('/there', '/missing-1', '/missing-2'):
    try: os.stat(PATH + path)
    except OSError: pass
for path in ('/there', '/missing-3'): os.access(PATH + path, os.R_OK)
try: os.readlink(PATH + '/there')
except OSError: pass
"""
#: 40 children: 25 execute a program, 5 cannot, 10 exit with 3; and 5 more are killed.
_PROCESSES = """
import os, signal, time
for number in range(40):
    if not os.fork():
        if number < 25: os.execv('/bin/true', ['true', f'number {number}'])
        if number < 30:
            try: os.execv(PATH + '/no-program', ['x'])
            except OSError: os._exit(7)
        os._exit(3)
    os.wait()
for _ in range(5):
    pid = os.fork()
    if not pid:
        time.sleep(60)
    os.kill(pid, signal.SIGTERM)
    os.wait()
"""


def _rows(
    tool: str, backend: str, command: Sequence[str], *more: str
) -> "tuple[List[Dict[str, Any]], Dict[str, Any]]":
    done = kdiag(tool, "--backend", backend, "--json", *more, "--", *command)
    if done.returncode == 3 and "nothing on this host can answer that" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    begin, *middle, end = map(json.loads, done.stdout.splitlines())
    assert (begin["kind"], begin["mechanism"]["name"], end["kind"]) == ("begin", backend, "end")
    assert (end["lost"], end["row_count"]) == (0, len(middle))
    assert {row["kind"] for row in middle} <= {"row"}
    return middle, end


def _load(folder: Path, code: str) -> Sequence[str]:
    (folder / "there").write_text("")
    return python(f"PATH = {str(folder)!r}\n{code}")


@pytest.mark.parametrize("backend", _OF_FILES)
def test_every_open_is_shown_with_its_end(backend: str, tmp_path: Path) -> None:
    rows, end = _rows("opensnoop", backend, _load(tmp_path, _OPENS))
    if "path" not in end["missing"]:
        rows = [row for row in rows if (row["path"] or "").startswith(str(tmp_path))]
        assert len(rows) == 23
        assert sum(row["path"].endswith("/there") for row in rows) == 18
    else:
        # Without paths: all that are not those of Python's own start.
        start, _ = _rows("opensnoop", backend, python("import os, threading"))
        assert len(rows) - len(start) == 23
    failed = [row for row in rows if row["flags"] == "O_RDWR|O_CLOEXEC"]
    assert [(row["errno"], row["fd"]) for row in failed] == [("ENOENT", None)] * 5
    assert len({row["tid"] for row in failed}) == 3


@pytest.mark.parametrize("backend", _OF_FILES)
def test_only_failures_are_shown_where_they_are_asked_for(backend: str, tmp_path: Path) -> None:
    rows, end = _rows("opensnoop", backend, _load(tmp_path, _OPENS), "-x")
    assert all(row["errno"] and row["fd"] is None for row in rows)
    assert sum(row["flags"] == "O_RDWR|O_CLOEXEC" for row in rows) == 5
    if "path" not in end["missing"]:
        names = Counter(row["path"][len(str(tmp_path)) :] for row in rows if str(tmp_path) in row["path"])
        assert names == {"/missing-0": 3, "/missing-1": 2}


@pytest.mark.parametrize("backend", _OF_FILES)
def test_questions_about_files_are_shown(backend: str, tmp_path: Path) -> None:
    rows, end = _rows("statsnoop", backend, _load(tmp_path, _STATS))
    if "path" in end["missing"]:
        pytest.skip(f"{backend} shows no paths here: {end['missing']['path']}")
    found = [
        (row["path"][len(str(tmp_path)) :], row["errno"])
        for row in rows
        if (row["path"] or "").startswith(str(tmp_path))
    ]
    assert found == [
        ("/there", None),
        ("/missing-1", "ENOENT"),
        ("/missing-2", "ENOENT"),
        ("/there", None),
        ("/missing-3", "ENOENT"),
        ("/there", "EINVAL"),
    ]


@pytest.mark.parametrize("backend", _OF_PROCESSES)
def test_every_execution_is_shown_with_its_end(backend: str, tmp_path: Path) -> None:
    rows, end = _rows("execsnoop", backend, _load(tmp_path, _PROCESSES))
    own, *rows = rows
    assert own["errno"] is None
    assert Counter((row["comm"], row["errno"]) for row in rows if row["errno"] is None) == {
        ("true", None): 25
    }
    failed = [row for row in rows if row["errno"]]
    assert [row["errno"] for row in failed] == ["ENOENT"] * 5
    if "path" not in end["missing"]:
        assert {row["path"] for row in failed} == {f"{tmp_path}/no-program"}
    if "arguments" not in end["missing"]:
        assert [row["arguments"] for row in rows[:25]] == [["true", f"number {n}"] for n in range(25)]
        assert {row["parent_pid"] for row in rows[:25]} == {own["pid"]}
        assert {row["uid"] for row in rows} == {os.geteuid()}


@pytest.mark.parametrize("backend", _OF_PROCESSES)
def test_every_end_of_a_process_is_shown_with_how(backend: str, tmp_path: Path) -> None:
    rows, _ = _rows("exitsnoop", backend, _load(tmp_path, _PROCESSES))
    *rows, own = rows
    assert own["exit_code"] == 0
    assert Counter((row["exit_code"], row["signal"]) for row in rows) == {
        (0, None): 25,
        (7, None): 5,
        (3, None): 10,
        (None, "SIGTERM"): 5,
    }
    assert all(0 < row["lived_ns"] < 60e9 for row in rows)


def test_paths_are_not_asked_for_where_there_are_none() -> None:
    _, end = _rows("opensnoop", "ftrace", python("pass"))
    if "path" not in end["missing"]:
        pytest.skip("this kernel tells paths")
    done = kdiag("opensnoop", "--backend", "ftrace", "-n", "x", "--", *python("pass"))
    assert (done.returncode, done.stdout) == (3, "")
    assert "-n goes by paths, and there are none" in done.stderr


def test_a_file_that_a_program_looks_for_is_found_by_its_name(tmp_path: Path) -> None:
    code = (
        f"import configparser\nnames = [{str(tmp_path)!r} + name for name in ('/.pylintrc', '/pylintrc')]\n"
        "configparser.ConfigParser().read(names)"
    )
    done = kdiag("opensnoop", "-x", "-n", "pylintrc", "--json", "--", *python(code))
    if done.returncode == 3 and "nothing on this host" in done.stderr:
        pytest.skip(done.stderr.strip())
    _, *rows, end = map(json.loads, done.stdout.splitlines())
    if "path" in end["missing"]:
        pytest.skip(end["missing"]["path"])
    assert [row["path"] for row in rows] == [f"{tmp_path}/.pylintrc", f"{tmp_path}/pylintrc"]
