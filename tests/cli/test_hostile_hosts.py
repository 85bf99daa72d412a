"""Hosts that show little, lie, or never answer: what kdiag cannot see it says, and nothing becomes 0 or ok.

Those that need namespaces are skipped where unshare(1) is not permitted, and those with a dead mount where
FUSE is not.
"""

import os
import re
import time
from pathlib import Path

import pytest

from tests.cli.apart import apart
from tests.cli.documents import document_of, statuses, table

QUICK = ("--interval", "0.05")


# Seen by somebody without privileges, and from inside namespaces.


def test_nobody_is_told_what_only_root_sees() -> None:
    document = document_of(apart(*QUICK, "--json", user="nobody"))
    assert "sys.view privileges" in statuses(document, "info")
    slab = document_of(apart(*QUICK, "--json", "--section", "slab", user="nobody"))
    assert table(slab, "slab")["missing"].startswith("/proc/slabinfo: not permitted (EACCES)")


@pytest.mark.parametrize("hidepid", ["1", "2"])
def test_processes_that_are_hidden_are_not_taken_for_none(hidepid: str) -> None:
    mounted = f"mount -t proc -o hidepid={hidepid} proc /proc"
    document = document_of(apart(*QUICK, "--json", user="nobody", before=mounted))
    assert "sys.view tasks" in statuses(document, "info")
    assert "task.d_state" in statuses(document, "unknown")
    assert {row["user"] for row in table(document, "top")["rows"]} <= {"nobody", "65534"}


def test_in_a_container_the_view_is_called_partial() -> None:
    flags = ("--mount", "--pid", "--fork", "--mount-proc", "--uts", "--net")
    document = document_of(apart(*QUICK, "--json", flags=flags))
    assert {"sys.view tasks", "sys.view container"} <= set(statuses(document, "info"))
    assert "task.d_state" in statuses(document, "unknown")


def test_the_reader_is_told_by_the_procfs_that_is_read_not_by_its_own_namespace() -> None:
    done = apart(*QUICK, "--section", "top", "--json", flags=("--pid", "--fork"))
    rows = table(document_of(done), "top")["rows"]
    notes = " ".join(table(document_of(done), "top")["notes"])
    told = re.search(r"PID (\d+) is kdiag itself", notes)
    if told is not None:  # only if it used a tick of CPU time
        assert [row["comm"] for row in rows if row["pid"] == int(told.group(1))] == ["python"]
    assert "PID 1 is kdiag itself" not in notes


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_a_masked_file_makes_its_checks_unknown(user: str, tmp_path: Path) -> None:
    """To root it is empty, as the masks of container runtimes are; to nobody it is closed."""
    closed = tmp_path / "closed"
    closed.touch(0o600)
    mask = "/dev/null" if user == "root" else str(closed)
    document = document_of(
        apart(
            *QUICK,
            "--json",
            "--section",
            "cpu",
            "--section",
            "memory",
            user=user,
            before=f"mount --bind {mask} /proc/stat; mount --bind {mask} /proc/meminfo",
        )
    )
    unknown = statuses(document, "unknown")
    assert {"cpu.util", "cpu.steal", "cpu.runq", "mem.available", "mem.slab"} <= set(unknown)
    for section in ("cpu", "memory"):
        assert table(document, section)["rows"] == []
        assert table(document, section)["missing"]


def test_without_psi_its_checks_are_unknown_and_the_reason_is_given(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = apart(*QUICK, "--json", before=f"mount --bind {tmp_path}/empty /proc/pressure")
    document = document_of(done)
    assert {"cpu.psi", "mem.psi", "io.psi"} <= set(statuses(document, "unknown"))
    assert "sys.view pressure" in statuses(document, "info")


# Another root, live.


def test_the_name_and_the_network_of_another_root_are_not_those_of_the_reader(tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    done = apart(
        *QUICK,
        "--root",
        f"{tmp_path}/host",
        "--json",
        flags=("--mount", "--uts", "--net"),
        before=f"mount --rbind / {tmp_path}/host; hostname not-the-host",
    )
    document = document_of(done)
    name = Path("/etc/hostname")
    if name.exists():
        assert document["host"]["name"] == name.read_text().strip()
    assert [note for note in document["notes"] if note.startswith("of kdiag's own namespaces")]
    with open("/proc/net/dev", encoding="ascii") as file:
        own = {line.partition(":")[0].strip() for line in file}
    assert {row["interface"] for row in table(document, "network")["rows"]} <= own


def test_a_mount_that_the_root_does_not_show_has_no_numbers(tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "data").mkdir()
    alone = (
        "mount --make-rprivate /; "
        f"mount -t tmpfs -o size=1m shown {tmp_path}/data; mount --bind / {tmp_path}/host; "
        f"mount -t proc proc {tmp_path}/host/proc"
    )
    done = apart(*QUICK, "--root", f"{tmp_path}/host", "--json", before=alone)
    document = document_of(done)
    rows = {row["mount"]: row for row in table(document, "file_systems")["rows"]}
    assert rows["/"]["size_bytes"]
    hidden = [row for mount, row in rows.items() if mount != "/"]
    if not hidden:
        pytest.skip("nothing but / is mounted here")
    assert [row["size_bytes"] for row in hidden] == [None] * len(hidden)
    assert "fs.space" in " ".join(statuses(document, "unknown"))


# A mount that never answers.

_DEAD = """
import ctypes, os, sys
fuse = os.open("/dev/fuse", os.O_RDWR)  # the mount lasts as long as somebody holds it
options = b"fd=%d,rootmode=40000,user_id=0,group_id=0" % fuse
if ctypes.CDLL(None).mount(b"server:/dead", PLACE, b"fuse", 6, options):
    sys.exit(99)
"""


def test_a_dead_mount_is_named_within_the_deadline(tmp_path: Path) -> None:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("there is no /dev/fuse")
    dead = str(tmp_path / "dead")
    os.mkdir(dead)
    started_s = time.monotonic()
    preamble = f"PLACE = {dead.encode()!r}\n{_DEAD}"
    document = document_of(apart("--once", "--json", preamble=preamble))
    assert time.monotonic() - started_s < 5
    # The machine that runs the tests may have findings of its own, such as CPU pressure.
    stuck = [told for told in statuses(document, "critical") if told.startswith("fs.")]
    assert stuck == [f"fs.stuck {dead}"]
    assert {each["path"]: each["kind"] for each in document["incomplete"]["failures"]}[dead] == "timed_out"
    assert document["exit_code"] == 2
