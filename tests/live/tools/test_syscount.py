"""``kdiag syscount`` against loads of known calls, by every mechanism that this kernel has."""

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from typing import Any, Dict, List, Optional, Tuple

import pytest

from tests.live.traced import kdiag, python

pytestmark = pytest.mark.needs("root", "kernel's PIDs")

_MECHANISMS = ("bcc", "bpf", "ftrace")
#: Those that look at the registers.
_READERS = ("bcc", "bpf")
_CALLS = 37
#: A process, a thread and a child that calls from there on: 37 + 11 + 5 chdir of which 11 fail, getpgid of
#: two, signals.
_LOAD = f"""
import os, signal, threading
for _ in range({_CALLS}): os.chdir("/")
def fail():
    for _ in range(11):
        try: os.chdir("/nonexistent")
        except OSError: pass
threading.Thread(target=fail).start()
if os.fork() == 0:
    for _ in range(5): os.chdir("/")
    os._exit(0)
os.wait()
signal.signal(signal.SIGUSR1, lambda *_: None)
for _ in range(3): os.kill(os.getpid(), signal.SIGUSR1)
"""


@cache
def _usable(mechanism: str) -> str:
    """Return why a mechanism cannot be used here; nothing if it can."""
    done = kdiag("syscount", "--backend", mechanism, "--json", "--", *python("pass"))
    return "" if done.returncode == 0 else done.stderr


def _rows(mechanism: str, *words: str, load: str = _LOAD) -> List[Dict[str, Any]]:
    if _usable(mechanism):
        assert f"not {mechanism}" in _usable(mechanism) or "invalid" in _usable(mechanism).lower()
        pytest.skip(_usable(mechanism))
    done = kdiag("syscount", "--backend", mechanism, "--json", *words, "--", *python(load))
    assert done.returncode == 0, done.stderr
    document: Dict[str, Any] = json.loads(done.stdout)
    assert document["mechanism"]["name"] == mechanism
    assert (document["lost"], document["lost_map_entries"]) == (0, 0)
    rows: List[Dict[str, Any]] = document["rows"]
    return rows


def _counts(rows: List[Dict[str, Any]]) -> Dict[str, Tuple[int, Optional[int], Optional[str]]]:
    return {row["syscall"]: (row["calls"], row["errors"], row["by_errno"]) for row in rows}


def test_some_mechanism_must_work_here() -> None:
    assert not _usable("bpf") or not _usable("ftrace")


@pytest.mark.parametrize("mechanism", _MECHANISMS)
def test_known_calls_are_counted_to_the_last_one(mechanism: str) -> None:
    counts = _counts(_rows(mechanism))
    assert counts["chdir"] == (_CALLS + 11 + 5, 11, "ENOENT 11")
    assert counts["kill"] == (3, 0, "")
    # Neither its number at the end nor its result is its own.
    assert counts["rt_sigreturn"] == (3, 0, "")
    assert counts["execve"][0] == 1
    # Of these nobody comes back.
    assert not {"exit", "exit_group"} & set(counts)


@pytest.mark.parametrize("mechanism", _MECHANISMS)
def test_times_are_those_of_sleeps(mechanism: str) -> None:
    load = "import time\nfor n in [1] * 9 + [40]: time.sleep(n / 1000)"
    [row] = _rows(mechanism, "-e", "nanosleep", load=load)
    assert row["calls"] == 10
    assert 49e6 <= row["total_ns"] <= 400e6
    assert row["avg_ns"] == pytest.approx(row["total_ns"] / 10)
    assert 1e6 <= row["p50_ns"] <= row["p99_ns"] <= row["max_ns"]
    assert 40e6 <= row["max_ns"] <= 300e6


@pytest.mark.parametrize("mechanism", _MECHANISMS)
def test_only_what_is_asked_for_is_counted(mechanism: str) -> None:
    assert _counts(_rows(mechanism, "-e", "chdir,kill")) == {
        "chdir": (_CALLS + 16, 11, "ENOENT 11"),
        "kill": (3, 0, ""),
    }
    assert _counts(_rows(mechanism, "-e", "chdir", "-z")) == {"chdir": (_CALLS + 5, 0, "")}
    assert _counts(_rows(mechanism, "-e", "chdir,kill", "-Z")) == {"chdir": (11, 11, "ENOENT 11")}
    assert _counts(_rows(mechanism, "-e", "rt_sigreturn", "-z")) == {"rt_sigreturn": (3, 0, "")}


@pytest.mark.parametrize("mechanism", _MECHANISMS)
def test_a_process_has_the_calls_of_its_threads(mechanism: str) -> None:
    rows = _rows(mechanism, "--by", "both", "-e", "chdir", "--sort", "calls")
    assert [(row["syscall"], row["calls"], row["errors"]) for row in rows] == [
        ("chdir", _CALLS + 11, 11),
        ("chdir", 5, 0),
    ]
    assert len({row["pid"] for row in rows}) == 2
    assert {row["comm"][:6] for row in rows} == {"python"}
    rows = _rows(mechanism, "--by", "process", "-e", "chdir,kill", "--sort", "calls")
    assert [(row["syscall"], row["calls"]) for row in rows] == [(None, _CALLS + 14), (None, 5)]


@pytest.mark.parametrize("mechanism", _MECHANISMS)
def test_begins_alone_are_counted(mechanism: str) -> None:
    rows = _rows(mechanism, "--counts-only", "-e", "chdir,exit_group")
    assert _counts(rows) == {"chdir": (_CALLS + 16, None, None), "exit_group": (2, None, None)}
    rows = _rows(mechanism, "--counts-only", "--by", "both", "-e", "chdir")
    assert [row["calls"] for row in rows] == [_CALLS + 11, 5]


@pytest.mark.parametrize("mechanism", _MECHANISMS)
def test_short_lived_processes_are_counted(mechanism: str) -> None:
    true = shutil.which("true") or "true"
    load = f"import subprocess\nfor _ in range(8): subprocess.run([{true!r}])"
    counts = _counts(_rows(mechanism, load=load))
    assert counts["execve"][0] == 9
    assert counts["wait4"][0] >= 8


#: Changes to the 32-bit code segment, calls getpid the 32-bit way, and comes back.
_NARROW = """
import ctypes, os, struct
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
at = libc.mmap(None, 4096, 7, 0x62, -1, 0)  # private, anonymous, below 2 GB
parts = {
    0: b"\\x41\\x54\\x49\\x89\\xe4\\x6a\\x23\\x68" + struct.pack("<I", at + 64) + b"\\x48\\xcb",
    64: b"\\xb8\\x14\\0\\0\\0\\xcd\\x80\\xea" + struct.pack("<IH", at + 96, 0x33),
    96: b"\\x4c\\x89\\xe4\\x41\\x5c\\xc3",
}
for place, code in parts.items(): ctypes.memmove(at + place, code, len(code))
call = ctypes.CFUNCTYPE(ctypes.c_int)(at)
for _ in range(9): assert call() == os.getpid()
"""


@pytest.mark.parametrize("mechanism", _READERS)
def test_calls_of_32_bit_code_have_no_64_bit_names(mechanism: str) -> None:
    if "KDIAG_LAB" in os.environ:
        pytest.skip("int 0x80 in 64-bit code brought Linux 7.2 down under QEMU's emulation")
    if os.uname().machine != "x86_64" or subprocess.run(python(_NARROW), check=False).returncode:
        pytest.skip("this kernel runs no 32-bit code")
    counts = _counts(_rows(mechanism, load=_NARROW))
    assert counts["32-bit call 20"] == counts["getpid"] == (9, 0, "")
    assert "writev" not in counts
    assert set(_counts(_rows(mechanism, "-e", "writev,getpid", load=_NARROW))) == {"getpid"}


def test_mechanisms_give_the_same_rows() -> None:
    usable = [each for each in _MECHANISMS if not _usable(each)]
    print("compared:", *usable)
    steady = "chdir,kill,rt_sigreturn,execve,openat,newfstatat,mprotect,wait4,clone3,clone"
    every = [sorted(_counts(_rows(each, "-e", steady)).items()) for each in usable]
    assert every and all(each == every[0] for each in every)


def test_strace_counts_the_same() -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    done = subprocess.run([strace, "-f", "-c", *python(_LOAD)], capture_output=True, text=True, check=True)
    told = {words[-1]: words for words in map(str.split, done.stderr.split("\n")) if len(words) in (5, 6)}
    counts = _counts(_rows("ftrace" if _usable("bpf") else "bpf"))
    for name in ("chdir", "kill", "openat", "execve", "rt_sigreturn", "mprotect", "newfstatat"):
        assert int(told[name][3]) == counts[name][0], name
    assert int(told["openat"][4]) == counts["openat"][1]


def test_processes_that_run_already_are_watched() -> None:
    load = "import os,time,sys\nsys.stdin.readline()\nfor _ in range(50):\n os.chdir('/'); time.sleep(.01)"
    with subprocess.Popen([sys.executable, "-c", load], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        watch = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "kdiag",
                "syscount",
                "-p",
                str(process.pid),
                "-e",
                "chdir",
                "--interval",
                "30",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert watch.stdout is not None
        while "mechanism" not in watch.stdout.readline():
            pass
        process.stdin.write(b"\n")
        process.stdin.flush()
        shown = watch.communicate(timeout=60)[0]
    assert "chdir       50       0" in shown
