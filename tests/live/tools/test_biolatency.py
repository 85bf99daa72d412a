"""``kdiag biolatency`` and ``kdiag biosnoop`` against requests of a known number, by every mechanism here.

A kernel may run no programs in interrupts of some threads; a request that completes in one is lost to BPF,
and kdiag says so. A run that says that it lost something is not judged, and another one is made.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from kdiag.procfs.diskstats import parse_diskstats
from tests.live.loads import write_around_the_cache
from tests.live.scratch import Scratch, lab_disk, scratch
from tests.live.traced import kdiag, python, start_kdiag

pytestmark = pytest.mark.needs("root", "tracefs", "kernel's PIDs", "disk")

_MECHANISMS = ("bcc", "bpf", "ftrace")
_WRITES, _SIZE = 200, 4096
_TRIES = 6
#: A child makes some of them, so that it must be followed; nothing else of this size is written meanwhile.
_LOAD = f"""
import mmap, os, sys
def write(first, count):
    handle = os.open(sys.argv[1], os.O_WRONLY | os.O_DIRECT)
    for number in range(first, first + count):
        os.pwrite(handle, mmap.mmap(-1, {_SIZE}), number * {_SIZE})
    os.close(handle)
if os.fork() == 0:
    write(0, 50)
    os._exit(0)
os.wait()
write(50, {_WRITES - 50})
"""


@pytest.fixture
def place() -> Iterator[Tuple[str, str]]:
    """Yield a file (or a disk whose content may be lost) to write to, and the name of its disk."""
    disk = lab_disk()
    if disk is not None:
        yield disk, os.path.basename(os.path.realpath(disk))
        return
    found = scratch()
    assert isinstance(found, Scratch)
    path = Path(found.folder) / "written"
    # What is written over has its blocks already: writing them is all that there is to do.
    path.write_bytes(bytes(_WRITES * _SIZE))
    with closing(os.fdopen(os.open(path, os.O_RDWR))) as file:
        os.fsync(file.fileno())
    yield str(path), found.disk
    path.unlink()


def _output(done: Any) -> str:
    if done.returncode == 3 and "nothing on this host can answer that" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def _whole(*words: str) -> List[Dict[str, Any]]:
    """Return the documents of a run that says it saw the end of all requests."""
    for _ in range(_TRIES):
        text = _output(kdiag(*words))
        documents = [json.loads(text)] if text.startswith("{\n") else list(map(json.loads, text.splitlines()))
        last = documents[-1]
        assert last["lost_map_entries"] == 0
        if not last["lost"] and not any("not seen to complete" in each for each in last["notes"]):
            return documents
        print(f"not whole: {last['lost']} lost, {last['notes']}")
    pytest.fail(f"requests were lost in each of {_TRIES} runs")


def _biolatency(mechanism: str, path: str, *words: str) -> Dict[str, Any]:
    command = (*python(_LOAD), path)
    [document] = _whole("biolatency", "--backend", mechanism, "--json", *words, "--", *command)
    assert document["mechanism"]["name"] == mechanism
    return document


def _biosnoop(mechanism: str, path: str, *words: str) -> List[Dict[str, Any]]:
    command = (*python(_LOAD), path)
    documents = _whole("biosnoop", "--backend", mechanism, "--json", *words, "--", *command)
    return [each for each in documents if each["kind"] == "row"]


def test_some_mechanism_must_work_here(place: Tuple[str, str]) -> None:
    words = ("biolatency", "--json", "--", *python("pass"))
    assert json.loads(_output(kdiag(*words)))["mechanism"]["name"] in _MECHANISMS


@pytest.mark.parametrize("words", [("-D", "-F"), ("-D", "-F", "-Q")])
@pytest.mark.parametrize("mechanism", _MECHANISMS)
def test_every_write_is_timed_once(mechanism: str, words: Tuple[str, ...], place: Tuple[str, str]) -> None:
    path, disk = place
    document = _biolatency(mechanism, path, *words)
    [row] = [each for each in document["rows"] if each["operation"] == "WS"]
    assert (row["disk"], row["ios"], row["errors"]) == (disk, _WRITES, 0)
    assert row["total_bytes"] == _WRITES * _SIZE
    assert 0 < row["avg_ns"] <= row["max_ns"] < 10e9
    [histogram] = [each for each in document["histograms"] if each["label"] == f"{disk} WS"]
    assert histogram["total"] == sum(count for _, _, count in histogram["buckets"]) == _WRITES
    assert document["notes"] == []


@pytest.mark.parametrize("mechanism", _MECHANISMS)
def test_each_write_is_a_row(mechanism: str, place: Tuple[str, str]) -> None:
    path, disk = place
    rows = [row for row in _biosnoop(mechanism, path, "-Q") if row["operation"] == "WS"]
    assert len(rows) == _WRITES
    assert {(row["disk"], row["size_bytes"], row["error"]) for row in rows} == {(disk, _SIZE, "")}
    # Each of its own: the file's blocks may be anywhere, the disk's are where they were written.
    sectors = [row["sector"] for row in rows]
    assert len(set(sectors)) == _WRITES
    if path == lab_disk():
        assert sorted(sectors) == [number * _SIZE // 512 for number in range(_WRITES)]
    by_process = [sum(row["pid"] == pid for row in rows) for pid in {row["pid"] for row in rows}]
    assert sorted(by_process) == [50, _WRITES - 50]
    assert all(row["tid"] == row["pid"] and row["comm"].startswith("python") for row in rows)
    assert all(row["queue_ns"] >= 0 and 0 < row["latency_ns"] < 10e9 for row in rows)


@pytest.mark.parametrize("mechanism", _MECHANISMS)
def test_options_of_biosnoop_choose_rows(mechanism: str, place: Tuple[str, str]) -> None:
    path, disk = place
    rows = [row for row in _biosnoop(mechanism, path, "-d", disk) if row["operation"] == "WS"]
    assert len(rows) == _WRITES
    assert {row["queue_ns"] for row in rows} == {None}
    assert all(row["latency_ns"] >= 1e9 for row in _biosnoop(mechanism, path, "--slower", "1000"))


def test_all_mechanisms_see_the_same_requests_at_the_same_time(place: Tuple[str, str]) -> None:
    """Counted beside the kernel's own counters, which may have a few of other processes more."""
    path, disk = place
    running = {
        name: start_kdiag("biolatency", "-D", "-F", "--json", "--backend", name, "--interval", "900")
        for name in (*_MECHANISMS, "procfs")
    }
    for process in running.values():
        assert process.stdout is not None
        process.stdout.readline()  # that it has begun, or nothing where it cannot
    before = _writes(disk)
    assert write_around_the_cache(path, _WRITES, _SIZE) == _WRITES * _SIZE
    after = _writes(disk)
    time.sleep(1)
    seen: Dict[str, Any] = {}
    for name, process in running.items():
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        if process.returncode == 3:
            print(f"{name}: {err.strip()}", file=sys.stderr)
            continue
        assert process.returncode == 0, err
        summary, end = map(json.loads, out.splitlines())
        seen[name] = {**summary, "lost": end["lost"]}
    print(f"seen by {', '.join(seen)}")
    assert {"procfs"} < set(seen)
    assert after - before >= _WRITES
    [row] = [each for each in seen.pop("procfs")["rows"] if (each["disk"], each["operation"]) == (disk, "W")]
    assert row["ios"] >= _WRITES
    slots = {}
    for name, document in seen.items():
        histograms = {each["label"]: each for each in document["histograms"]}
        slots[name] = {lo: count for lo, _, count in histograms[f"{disk} WS"]["buckets"]}
        assert sum(slots[name].values()) + document["lost"] >= _WRITES, name
    for name in slots:
        if path == lab_disk() and not seen[name]["lost"]:
            assert sum(slots[name].values()) == _WRITES, name
        # Their clocks are read some microseconds apart, so some are in the next bucket: few are further away.
        assert _moved(slots[name], next(iter(slots.values()))) < _WRITES / 2, slots


def _moved(left: Dict[int, int], right: Dict[int, int]) -> int:
    """Return how many buckets all requests together must be moved by to make one histogram of the other."""
    edges = sorted({*left, *right})
    moved = carried = 0
    for edge in edges:
        carried += left.get(edge, 0) - right.get(edge, 0)
        moved += abs(carried)
    return moved


def _writes(disk: str) -> int:
    return next(
        each.writes
        for each in parse_diskstats(Path("/proc/diskstats").read_bytes()).disks
        if each.name == disk
    )


@pytest.mark.parametrize("mechanism", ["bpf", "ftrace"])
def test_intervals_add_up(mechanism: str, place: Tuple[str, str]) -> None:
    path, _ = place
    words = ("-F", "--interval", "1", "--json", "--backend", mechanism)
    load = f"{_LOAD}\nimport time\ntime.sleep(1.2)\nwrite(0, 30)"
    documents = _whole("biolatency", *words, "--", *python(load), path)
    summaries = [each for each in documents if each["kind"] == "summary"]
    assert len(summaries) >= 2
    ios = [row["ios"] for each in summaries for row in each["rows"] if row["operation"] == "WS"]
    assert sum(ios) == _WRITES + 30
    assert len(ios) >= 2


def test_whose_requests_they_are_is_not_in_diskstats() -> None:
    done = kdiag("biolatency", "--backend", "procfs", "--", "true")
    assert done.returncode == 3
    assert "does not say whose requests they are" in done.stderr


@pytest.mark.parametrize("mechanism", _MECHANISMS)
def test_one_disk_can_be_asked_for(mechanism: str, place: Tuple[str, str]) -> None:
    path, disk = place
    document = _biolatency(mechanism, path, "-d", disk)
    [row] = document["rows"]
    assert (row["disk"], row["operation"]) == (disk, None)
    assert row["ios"] >= _WRITES


@pytest.mark.parametrize("tool", ["biolatency", "biosnoop"])
def test_what_is_no_disk_is_refused(tool: str) -> None:
    done = kdiag(tool, "-d", "no such disk", "--", "true")
    assert (done.returncode, done.stdout) == (3, "")
    assert "no such disk is no disk" in done.stderr


def test_a_dry_run_loads_nothing() -> None:
    for mechanism in ("bpf", "ftrace"):
        done = kdiag("biolatency", "--dry-run", "--backend", mechanism, "--for", "1")
        assert "block_rq_complete" in _output(done)


def test_threads_are_followed(place: Tuple[str, str]) -> None:
    """Found by its id while it runs; a thread that is made later on writes, too."""
    path, _ = place
    load = f"{_LOAD.partition('if os.fork')[0]}\nimport threading, time\ntime.sleep(6)\n" + (
        "thread = threading.Thread(target=write, args=(0, 20))\nthread.start()\nthread.join()"
    )
    process = subprocess.Popen([*python(load), path])
    ended = threading.Timer(60, process.kill)
    ended.start()
    try:
        done = kdiag("biosnoop", "--backend", "ftrace", "--json", "-p", str(process.pid))
        documents = [json.loads(line) for line in _output(done).splitlines()]
    finally:
        process.wait()
        ended.cancel()
    rows = [each for each in documents if each["kind"] == "row" and each["operation"] == "WS"]
    assert len(rows) == 20
    assert {row["pid"] for row in rows} == {process.pid}
    assert process.pid not in {row["tid"] for row in rows}
