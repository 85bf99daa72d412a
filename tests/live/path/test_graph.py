"""What only function_graph and probes can show, on the kernel underneath."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from tests.live.path.scenarios import functions, path, program, totals, why_not_mechanism
from tests.live.scratch import Scratch, lab_disk, scratch
from tests.live.traced import kdiag, state_of, tracefs

pytestmark = pytest.mark.needs("root", "tracefs")

each = pytest.mark.parametrize("mechanism", ["function_graph", "boundaries"])

_OPENS_A_MISSING_FILE = """
import os
try: os.open("/etc/no such file", os.O_RDONLY)
except FileNotFoundError: pass
"""
_READS_DIRECTLY = """
import mmap, os, sys
file = os.open({path!r}, os.O_RDONLY | os.O_DIRECT)
print(os.readv(file, [mmap.mmap(-1, 4096)]))
"""


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """tracefs is as it was after each of these, file by file."""
    before = state_of(tracefs())
    yield
    assert state_of(tracefs()) == before


def skip_without(mechanism: str) -> None:
    reason = why_not_mechanism(mechanism)
    if reason:
        pytest.skip(f"{mechanism}: {reason}")


@each
def test_the_birthplace_of_enoent_is_a_function_that_walks_paths(mechanism: str) -> None:
    document = path(mechanism, "openat", "--failing", *program(_OPENS_A_MISSING_FILE))
    origin = next(row for row in totals(document, "openat")["origins"] if row["errno"] == "ENOENT")
    assert origin["function"].split(".")[0] in {
        "step_into",
        "step_into_slowpath",
        "path_openat",
        "lookup_fast",
        "walk_component",
        "link_path_walk",
    }, origin
    assert {"do_sys_openat2", "do_filp_open"} & {origin["function"], *origin["callers"]}


@each
def test_a_direct_read_reaches_the_driver_of_the_disk(mechanism: str) -> None:
    skip_without(mechanism)
    disk = scratch()
    if not isinstance(disk, Scratch) or lab_disk() is None:
        pytest.skip("there is no scratch disk with ext4 (KDIAG_LAB_DISK)")
    file = _file_on(disk)
    document = path(mechanism, "readv", *program(_READS_DIRECTLY.format(path=str(file))))
    names = set(functions(document))
    assert names & {"ext4_file_read_iter"}, names
    assert names & {"submit_bio", "submit_bio_noacct"}, names
    assert names & {"scsi_queue_rq", "virtio_queue_rq", "nvme_queue_rq"}, names


def _file_on(disk: Scratch) -> Path:
    file = Path(disk.folder) / "data"
    file.write_bytes(os.urandom(4096))
    subprocess.run(["sync", str(file)], check=True)
    return file


def test_an_unknown_function_is_told_with_near_names() -> None:
    skip_without("function_graph")
    done = kdiag("path", "--backend", "function_graph", "--function", "vfs_raed", "--", "true")
    assert done.returncode == 3
    assert "vfs_raed" in done.stderr and "vfs_read" in done.stderr
    assert "Traceback" not in done.stderr


def test_any_function_can_be_the_root() -> None:
    skip_without("function_graph")
    document = path("function_graph", "--function", "vfs_open", "--", sys.executable, "-I", "-S", "-c", "")
    assert functions(document)[0] == "vfs_open"
    assert "do_dentry_open" in functions(document)


def test_a_function_that_nobody_calls_is_said_to_be_so() -> None:
    skip_without("function_graph")
    done = kdiag("path", "--backend", "function_graph", "--function", "vfs_fallocate", "--", "true")
    assert done.returncode == 0
    assert "nobody called vfs_fallocate" in done.stdout


def test_a_second_kdiag_keeps_away_from_what_the_first_one_holds() -> None:
    skip_without("function_graph")
    with subprocess.Popen(
        [sys.executable, "-m", "kdiag", "path", "--backend", "function_graph", "openat", "--", "sleep", "8"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as first:
        _wait_until_it_traces()
        second = kdiag("path", "--backend", "function_graph", "openat", "--", "true")
        out, err = first.communicate(timeout=120)
    assert second.returncode == 3
    # At the top level (before 6.11) the first one shows by its records, too.
    assert f"another kdiag (process {first.pid})" in second.stderr or "somebody's" in second.stderr
    assert (first.returncode, "Traceback" in err) == (0, False)
    assert "openat" in out


def _wait_until_it_traces() -> None:
    import time

    end = time.monotonic() + 60
    while "__x64_sys_openat" not in tracefs().read("set_graph_function"):
        assert time.monotonic() < end
        time.sleep(0.05)
