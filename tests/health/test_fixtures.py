"""Every recorded host is parsed whole, and found to be what its findings say, at rest and under load."""

import re
import tarfile
from pathlib import Path
from typing import Dict

import pytest

from fixtures.record import HOSTS, findings_file, findings_of, look_at, recordings

RECORDED = recordings()
#: Of a host, both recordings with what is found in them.
MOST_BYTES = 300_000


def name_of(recording: Path) -> str:
    return f"{recording.parent.name}-{recording.name.partition('.')[0]}"


def test_there_are_ten_recorded_hosts_with_two_recordings_each() -> None:
    hosts = {recording.parent.name for recording in RECORDED}
    assert len(hosts) >= 10
    assert {name_of(recording) for recording in RECORDED} == {
        f"{host}-{kind}" for host in hosts for kind in ("rest", "load")
    }


def test_a_host_is_small() -> None:
    for folder in HOSTS.iterdir():
        assert sum(path.stat().st_size for path in folder.rglob("*")) < MOST_BYTES, folder


@pytest.mark.parametrize("recording", RECORDED, ids=name_of)
def test_a_recorded_host_is_found_as_it_was(recording: Path) -> None:
    snapshot = look_at(recording)
    assert snapshot.problems == ()
    assert not [failure for failure in snapshot.failures if failure.kind == "not_recorded"]
    assert findings_of(snapshot) == findings_file(recording).read_text()


def files_of(recording: Path) -> Dict[str, bytes]:
    with tarfile.open(recording) as tar:
        members = ((member.name, tar.extractfile(member)) for member in tar.getmembers())
        return {name: file.read() for name, file in members if file is not None}


@pytest.mark.parametrize("recording", RECORDED, ids=name_of)
def test_a_recorded_host_tells_nothing_of_the_machine_that_recorded_it(recording: Path) -> None:
    for name, data in files_of(recording).items():
        if name.endswith("/kernel/hostname"):
            assert data == b"host\n"
        elif name.endswith("mountinfo"):
            assert not re.search(rb"^(\S+ ){3,4}(/host)?/(mnt|work|home|root|run/lab)", data, re.M)
        elif re.search(r"/proc/\d+(/task/\d+)?/stat$", name):
            comm, _, rest = data.partition(b"(")[2].rpartition(b")")
            kernel_thread = int(rest.split()[6]) & 0x00200000
            assert kernel_thread or comm.startswith((b"app-", b"kd-")), data
        elif re.search(r"/proc/\d+(/task/\d+)?/status$", name) and b"\nVmSize:" in data:
            assert data.startswith((b"Name:\tapp-", b"Name:\tkd-")), data


LOADED = [recording for recording in RECORDED if recording.name.startswith("load")]


@pytest.mark.parametrize("recording", LOADED, ids=name_of)
def test_the_load_is_found_on_every_host(recording: Path) -> None:
    """What was done is known: see ``fixtures.record.under_load``. The test above holds these to be found."""
    found = findings_file(recording).read_text()
    assert "critical proc.fd_limit kd-files" in found
    assert "warning task.zombie kd-parent" in found
    assert "task.d_state" in found
    assert "net.listen" in found
    assert "cpu.runq" in found
