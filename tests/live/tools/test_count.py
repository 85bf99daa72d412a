"""``kdiag count`` against loads of a number that is known, by every mechanism that this kernel has."""

import json
from typing import Any, Dict, List

import pytest

from tests.live.traced import has, kdiag, python, tracefs

pytestmark = pytest.mark.needs("root", "tracefs", "kernel's PIDs")

#: Programs make system calls of their own, so a call is counted that none of them makes.
_CALLS = 23
_CHDIR = python(f"import os\nfor _ in range({_CALLS}): os.chdir('/')")
_EVENT = "syscalls:sys_enter_chdir"


def _document(*words: str) -> Dict[str, Any]:
    done = kdiag(*words)
    assert done.returncode == 0, done.stderr
    document: Dict[str, Any] = json.loads(done.stdout)
    assert document["lost"] == 0
    return document


def _counts(document: Dict[str, Any]) -> Dict[str, int]:
    return {row["probe"]: row["count"] for row in document["rows"]}


def test_calls_of_a_command_are_counted_to_the_last_one() -> None:
    document = _document("count", _EVENT, "--json", "--", *_CHDIR)
    assert _counts(document) == {f"tracepoint:{_EVENT}": _CALLS}
    assert document["mechanism"]["name"] == ("hist" if _has_hist() else "buffers")


def _has_hist() -> bool:
    return " hist" in tracefs().read("events/sched/sched_switch/trigger")


@pytest.mark.parametrize("backend", ["hist", "buffers", "stream"])
def test_every_mechanism_gives_the_same_number(backend: str) -> None:
    words = ("count", _EVENT, "--json", "--backend", backend, "--", *_CHDIR)
    if backend == "hist" and not _has_hist():
        done = kdiag(*words)
        assert done.returncode == 3
        assert "no histograms" in done.stderr
        return
    assert _counts(_document(*words)) == {f"tracepoint:{_EVENT}": _CALLS}


@pytest.mark.parametrize("backend", ["hist", "stream"])
def test_keys_part_what_is_counted(backend: str) -> None:
    if backend == "hist" and not _has_hist():
        pytest.skip("the kernel has no histograms")
    code = f"""
import os
open("/proc/self/comm", "w").write("first")
for _ in range({_CALLS}): os.chdir("/")
if os.fork() == 0:
    open("/proc/self/comm", "w").write("second")
    for _ in range(7): os.chdir("/")
    os._exit(0)
os.wait()
"""
    by: Dict[str, List[Any]] = {}
    names_known = backend == "stream" or "common_comm" in tracefs().read("README")
    for key in ("comm", "pid", "cpu", "stack") if names_known else ("pid", "cpu", "stack"):
        words = ("count", _EVENT, "--by", key, "--backend", backend, "--json", "--", *python(code))
        document = _document(*words)
        assert document["total"] == _CALLS + 7
        by[key] = [(row["key"], row["count"]) for row in document["rows"]]
    assert by.get("comm", []) == ([("first", _CALLS), ("second", 7)] if names_known else [])
    assert [number for _, number in by["pid"]] == [_CALLS, 7]
    assert all(isinstance(cpu, int) for cpu, _ in by["cpu"])
    assert all(isinstance(stack, list) and stack for stack, _ in by["stack"])


def test_what_never_fires_is_shown_with_0() -> None:
    document = _document("count", "syscalls:sys_enter_chroot", _EVENT, "--json", "--", *_CHDIR)
    assert _counts(document)["tracepoint:syscalls:sys_enter_chroot"] == 0


def test_functions_of_a_library_are_counted() -> None:
    import ctypes.util
    import os

    name = ctypes.util.find_library("c")
    with open("/proc/self/maps", encoding="utf-8") as maps:
        paths = {line.split()[-1] for line in maps if name and line.rstrip().endswith(f"/{name}")}
    if not paths:
        pytest.skip("no C library is mapped here")
    path = os.path.realpath(paths.pop())
    code = f"import os\nfor _ in range({_CALLS}): os.getpriority(os.PRIO_PROCESS, 0)"
    document = _document("count", f"uprobe:{path}:getpriority", "--json", "--", *python(code))
    assert _counts(document) == {f"uprobe:{path}:getpriority": _CALLS}


@pytest.mark.skipif(not has("kprobe_events"), reason="the kernel has no kprobes")
@pytest.mark.parametrize("kinds", [("kprobe", "kretprobe"), ("fprobe", "fretprobe")])
def test_kernel_functions_are_counted(kinds: Any) -> None:
    probes = [f"{kind}:set_fs_pwd" for kind in kinds]
    done = kdiag("count", *probes, "--json", "--", *_CHDIR)
    if kinds[0] == "fprobe" and "f[:" not in tracefs().read("README"):
        assert done.returncode == 3
        assert "CONFIG_FPROBE_EVENTS" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    assert _counts(json.loads(done.stdout)) == dict.fromkeys(probes, _CALLS)


@pytest.mark.skipif(not has("kprobe_events"), reason="the kernel has no kprobes")
def test_probes_of_all_processes_are_counted_by_their_profile() -> None:
    document = _document("count", "kprobe:vfs_read", "--backend", "profile", "--for", "1", "--json")
    assert document["mechanism"]["name"] == "profile"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nosuch"], "KIND:PLACE"),
        (["sched:sched_swich"], "near it: sched:sched_switch"),
        (["nosuchkind:a:b"], "there is no kind"),
        (["uprobe:/bin/sh:nosuchfunction"], "has no such function"),
        (["uprobe:/nosuch:f"], "there is no file /nosuch"),
        (["sched:sched_switch", "-p", "4194305"], "there is no process 4194305"),
        (["sched:sched_switch", "--comm", "no such name"], "no process is called"),
        (["sched:sched_switch", "--", "no-such-command"], "there is no such command"),
        (["sched:sched_switch", "-p", "1", "--", "true"], "do not go together"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(words: List[str], told: str) -> None:
    done = kdiag("count", *words)
    assert (done.returncode, done.stdout) == (3, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dry_run_runs_nothing(tmp_path: Any) -> None:
    made = tmp_path / "made"
    done = kdiag("count", _EVENT, "--dry-run", "--", "touch", str(made))
    assert done.returncode == 0
    assert not made.exists()
    lines = done.stdout.splitlines()
    assert lines[0].startswith("mkdir ") and lines[-1].startswith("rmdir ")
