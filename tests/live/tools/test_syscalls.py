"""``kdiag syscalls`` against known calls, and against the lines of strace."""

import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

from tests.live.traced import kdiag, python

pytestmark = pytest.mark.needs("root", "kernel's PIDs")

_MECHANISMS = ("bcc", "bpf", "ftrace")
#: Those that read what pointers lead to.
_READERS = ("bcc", "bpf")


@cache
def _usable(mechanism: str) -> str:
    """Return why a mechanism cannot be used here; nothing if it can."""
    done = kdiag("syscalls", "--backend", mechanism, "--json", "--", *python("pass"))
    return "" if done.returncode == 0 else done.stderr


def _documents(mechanism: str, *words: str, load: str) -> List[Dict[str, Any]]:
    if _usable(mechanism):
        pytest.skip(_usable(mechanism))
    done = kdiag("syscalls", "--backend", mechanism, "--json", *words, "--", *python(load))
    assert done.returncode == 0, done.stderr
    documents = [json.loads(line) for line in done.stdout.split("\n") if line]
    assert documents[0]["mechanism"]["name"] == mechanism
    assert documents[-1]["lost"] == 0
    return documents


def _rows(mechanism: str, *words: str, load: str) -> List[Dict[str, Any]]:
    return [each for each in _documents(mechanism, *words, load=load) if each["kind"] == "row"]


def test_some_mechanism_must_work_here() -> None:
    assert not _usable("bpf") or not _usable("ftrace")


@pytest.mark.needs("tracefs")  # arguments have their names from there
@pytest.mark.parametrize("mechanism", _MECHANISMS)
def test_calls_come_with_arguments_and_result(mechanism: str, tmp_path: Path) -> None:
    path = os.path.join(str(tmp_path), 'a "file"\n')
    load = f"""
import os
fd = os.open({path!r}, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o640)
os.write(fd, b"x" * 77)
try: os.rename({path!r} + "1", {path!r} + "2")
except OSError: pass
os.lseek(fd, 5, os.SEEK_CUR)
os.kill(os.getpid(), 0)
"""
    rows = _rows(mechanism, "-e", "open,write,rename,lseek,kill,exit_group", load=load)
    rows = rows[[row["result"] for row in rows].index(77) - 1 :]
    assert [(row["syscall"], row["result"], row["errno"]) for row in rows] == [
        ("openat", 3, None),
        ("write", 77, None),
        ("rename", -2, "ENOENT"),
        ("lseek", 82, None),
        ("kill", 0, None),
        ("exit_group", None, None),
    ]
    opened, written, renamed, sought, killed, ended = (row["arguments"] for row in rows)
    assert (opened[0], opened[2:]) == ("AT_FDCWD", ["O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC", "0640"])
    assert (written[0], written[2]) == ("3", "77")
    assert sought == ["3", "5", "SEEK_CUR"]
    assert killed == [str(rows[0]["tid"]), "0"]
    assert ended == ["0"]
    shown = '"' + path.replace('"', '\\"')
    if mechanism in _READERS:
        assert opened[1] == shown + '"'
        assert renamed == [shown + '1"', shown + '2"']
        assert {row["pid"] for row in rows} == {rows[0]["tid"]}
    assert [row["start_ns"] for row in rows] == sorted(row["start_ns"] for row in rows)
    assert rows[-1]["duration_ns"] is None
    assert all(0 < row["duration_ns"] < 10**9 for row in rows[:-1])


@pytest.mark.parametrize("mechanism", _MECHANISMS)
def test_only_what_is_asked_for_is_shown(mechanism: str) -> None:
    load = """
import os
for path in ("/", "/nonexistent", "/"):
    try: os.chdir(path)
    except OSError: pass
"""
    for words, results in ((("-z",), [0, 0]), (("-Z",), [-2]), ((), [0, -2, 0])):
        rows = _rows(mechanism, "-e", "chdir", *words, load=load)
        assert [row["result"] for row in rows] == results


@pytest.mark.needs("tracefs")  # arguments have their names from there
@pytest.mark.parametrize("mechanism", _MECHANISMS)
def test_threads_and_children_are_shown(mechanism: str) -> None:
    load = """
import os, threading
threading.Thread(target=os.chdir, args=("/",)).start()
if os.fork() == 0:
    os.chdir("/usr")
    os._exit(3)
os.wait()
os.chdir("/tmp")
"""
    rows = _rows(mechanism, "-e", "chdir,exit_group", load=load)
    assert sorted(row["syscall"] for row in rows) == ["chdir"] * 3 + ["exit_group"] * 2
    assert len({row["tid"] for row in rows}) == 3
    assert ["3"] in [row["arguments"] for row in rows]


@pytest.mark.parametrize("mechanism", _MECHANISMS)
def test_a_call_that_goes_on_at_the_end_is_shown(mechanism: str) -> None:
    if _usable(mechanism):
        pytest.skip(_usable(mechanism))
    load = "import time\ntime.sleep(30)"
    done = kdiag("syscalls", "--backend", mechanism, "-e", "nanosleep", "--for", "0.7", "--", *python(load))
    assert done.returncode == 0, done.stderr
    assert re.search(r"nanosleep\(.*\) = ", done.stdout)


def _names(lines: List[str]) -> List[Tuple[str, str]]:
    """Return (name, result up to an address) of each line."""
    found = []
    for line in lines:
        matched = re.search(r"(\w+)\(.*\) += (\?|-?[0-9]+(?: E\w+)?|0x)", line)
        if matched:
            found.append((matched[1], matched[2]))
    return found


def test_strace_shows_the_same_calls() -> None:
    strace, mechanism = shutil.which("strace"), "ftrace" if _usable("bpf") else "bpf"
    if strace is None:
        pytest.skip("strace is not installed")
    command = [shutil.which("cat") or "cat", "/etc/passwd"]
    traced = subprocess.run(
        [strace, "-e", "signal=none", *command], capture_output=True, text=True, check=True
    )
    done = kdiag("syscalls", "--backend", mechanism, "--", *command)
    wanted = _names(traced.stderr.split("\n"))
    told = [
        line
        for line in done.stdout.split("\n")
        if f"{os.path.basename(command[0])}/" in line or "execve" in line
    ]
    # Where a call is made by one only, it is for where its output goes; ids are other ones.
    own = ("write", "set_tid_address")
    shown, expected = ([each for each in names if each[0] not in own] for names in (_names(told), wanted))
    assert shown == expected
    if mechanism == "bpf":
        paths = re.findall(r'(?:openat|access)\([^"]*"([^"]*)"', traced.stderr)
        assert re.findall(r'(?:openat|access)\([^"]*"([^"]*)"', "\n".join(told)) == paths
