"""A recording answers as the host did: the same findings, the same tables, from a folder or a tar of it."""

import tarfile
from pathlib import Path
from typing import Callable

import pytest

from kdiag.health.checks import CHECKS
from kdiag.health.observe import Plan, observe
from kdiag.health.record import record
from kdiag.health.snapshot import Snapshot
from kdiag.health.tables import TABLES
from kdiag.host.base import Facts, Host
from kdiag.host.live import LiveHost
from kdiag.host.open import open_host
from kdiag.host.record import FolderWriter, RecordingHost
from tests.health.overlay import host_of, quiet_overlay, told

PLAN = Plan(CHECKS, TABLES, interval_s=0.2, strict=True)


def watched(host: Host, folder: str) -> Snapshot:
    """Take a snapshot of a host while it is recorded."""
    recording = RecordingHost(host, FolderWriter(folder))
    snapshot = observe(recording, PLAN)
    recording.finish()
    recording.close()
    return snapshot


def looked_at(root: str, plan: Plan = PLAN) -> Snapshot:
    """Look at a recording."""
    host = open_host(root)
    try:
        return observe(host, plan)
    finally:
        host.close()


def packed(folder: str) -> str:
    """Pack a recording into a tar."""
    with tarfile.open(f"{folder}.tar.gz", "w:gz") as tar:
        tar.add(folder, arcname=Path(folder).name)
    return f"{folder}.tar.gz"


@pytest.mark.parametrize("make", [LiveHost, lambda: host_of(quiet_overlay())], ids=["live", "memory"])
def test_verdicts_of_a_host_and_of_its_recording_are_equal(make: Callable[[], Host], tmp_path: Path) -> None:
    folder = str(tmp_path / "recording")
    seen = watched(make(), folder)
    for root in (folder, packed(folder)):
        replayed = looked_at(root)
        assert replayed.findings == seen.findings
        assert replayed.tables == seen.tables
        assert replayed.not_applicable == seen.not_applicable
        assert replayed.failures == seen.failures
        assert replayed.exit_code == seen.exit_code


def test_a_recording_can_be_looked_at_with_one_reading(tmp_path: Path) -> None:
    folder = str(tmp_path / "recording")
    record(host_of(quiet_overlay()), folder, 1.0)
    replayed = looked_at(folder, PLAN._replace(once=True))
    assert replayed.basis == "since boot"
    assert not [failure for failure in replayed.failures if failure.kind == "not_recorded"]


def test_nothing_of_this_machine_leaks_into_a_recording_of_another(tmp_path: Path) -> None:
    overlay = quiet_overlay()
    facts = Facts(1024, 65536, "big", 1_600_000_000_000_000_000, 1000, 0)
    host = host_of(overlay)
    host._facts = facts
    folder = str(tmp_path / "recording")
    record(host, folder, 1.0)
    replayed = open_host(folder)
    assert replayed.facts == facts
    replayed.close()
    assert looked_at(folder).started_ns == facts.wall_clock_ns


def test_a_bare_copy_of_proc_is_judged_as_far_as_it_goes(tmp_path: Path) -> None:
    for path, content in quiet_overlay().moments[0].items():
        if path.startswith("/proc/") and isinstance(content, bytes):
            target = tmp_path / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    snapshot = looked_at(str(tmp_path))
    assert snapshot.basis == "since boot"
    assert any("not known of this host" in note for note in snapshot.notes)
    assert not [line for line in told(snapshot.findings) if line.startswith(("warning", "critical"))]
