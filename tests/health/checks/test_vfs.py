"""What the checks of files and file systems say, and the cases that overlays cannot make."""

import time
from typing import Callable, Dict, List, Union

import pytest

from kdiag.health.checks import CHECKS
from kdiag.health.finding import Finding
from kdiag.health.observe import Plan, observe
from kdiag.health.snapshot import Snapshot
from kdiag.health.subjects import MOST_SUBJECTS
from kdiag.health.tables import TABLES
from kdiag.host.base import FileSystemSize
from kdiag.host.guard import Guard
from kdiag.host.memory import MemoryHost
from tests.health.overlay import quiet_files
from tests.health.task_files import changed, found, table

MOUNTINFO = "/proc/self/mountinfo"
GIB = 1 << 18
"""Blocks of 4 KiB in a GiB."""
ROOMY = FileSystemSize(4096, 100 * GIB, 80 * GIB, 75 * GIB, 1000, 900, 900)


def only(snapshot: Snapshot, check_id: str) -> Finding:
    (finding,) = found(snapshot, check_id)
    return finding


def told(snapshot: Snapshot, check_id: str) -> List[str]:
    return [f"{finding.status} {finding.subject}".strip() for finding in found(snapshot, check_id)]


def size(available: int, total: int, reserve: int = 0) -> FileSystemSize:
    return FileSystemSize(4096, total, available + reserve, available, 1000, 900, 900)


def mounts(*lines: str) -> Dict[str, bytes]:
    quiet = quiet_files()[0][MOUNTINFO]
    assert isinstance(quiet, bytes)
    return {MOUNTINFO: quiet + "".join(f"{line}\n" for line in lines).encode()}


def test_space_is_told_as_df_counts_it() -> None:
    finding = only(changed(file_systems={"/data": size(8 * GIB, 100 * GIB, reserve=5 * GIB)}), "fs.space")
    assert finding.subject == "/data"
    assert finding.value == pytest.approx(100 * 8 / 95)
    assert finding.summary == "/data: 8.0 GiB of 95.0 GiB available (8.4%)"
    assert [f"{each} {each.raw}" for each in finding.evidence] == [
        "/data statvfs: block size 4096, blocks 26214400 free 3407872 available 2097152, inodes 1000 free 900"
    ]


def test_if_all_have_room_the_fullest_is_told() -> None:
    finding = only(changed(file_systems={"/data": size(200, 1000)}), "fs.space")
    assert (finding.status, finding.subject, finding.value) == ("ok", "", 20.0)
    assert (
        finding.summary == "3 file systems; the least left has /data: 800.0 KiB of 3.9 MiB available (20.0%)"
    )


@pytest.mark.parametrize(
    ("gib", "status"), [(10.0, "ok"), (9.99, "warning"), (5.0, "warning"), (2.99, "critical")]
)
def test_the_thresholds_of_space_are_exclusive_below_them(gib: float, status: str) -> None:
    snapshot = changed(file_systems={"/data": size(round(gib * GIB), 100 * GIB)})
    assert {finding.status for finding in found(snapshot, "fs.space")} == {status}


def test_the_worst_come_first_and_the_rest_is_summed_up() -> None:
    lines = [f"{100 + n} 22 8:{n} / /disk{n:02} rw - ext4 /dev/sd{n} rw" for n in range(30)]
    answers: Dict[str, Union[FileSystemSize, int]] = {
        f"/disk{n:02}": size((1 if n == 29 else 9) * 1000, 100_000) for n in range(30)
    }
    findings = found(changed(mounts(*lines), file_systems=answers), "fs.space")
    assert len(findings) == MOST_SUBJECTS + 1
    assert (findings[0].status, findings[0].subject) == ("critical", "/disk29")
    assert (findings[-1].status, findings[-1].subject, findings[-1].value) == ("warning", "others", 10)


def test_a_critical_one_is_never_among_those_summed_up() -> None:
    # Big disks with less left in per cent are warnings: they have hundreds of GiB.
    lines = [f"{100 + n} 22 8:{n} / /big{n:02} rw - xfs /dev/sd{n} rw" for n in range(25)]
    answers: Dict[str, Union[FileSystemSize, int]] = {
        f"/big{n:02}": size(200 * GIB, 20480 * GIB) for n in range(25)
    }
    snapshot = changed(mounts(*lines), file_systems={**answers, "/data": size(29, 1000)})
    assert told(snapshot, "fs.space")[0] == "critical /data"


def test_a_place_with_odd_bytes_in_its_name_is_told_whole() -> None:
    line = "100 22 8:1 / /a\\040b\\012c rw - ext4 /dev/sda1 rw"
    snapshot = changed(mounts(line), file_systems={"/a b\nc": size(1, 100)})
    assert told(snapshot, "fs.space") == ["critical /a b\nc"]


def test_what_does_not_answer_is_left_to_the_check_for_that() -> None:
    snapshot = changed(mounts("100 22 0:50 / /nas rw - nfs4 nas:/ rw"), file_systems={"/nas": 110})
    assert told(snapshot, "fs.space") == ["ok"]
    finding = only(snapshot, "fs.stuck")
    assert (finding.status, finding.subject) == ("critical", "/nas")
    assert finding.summary.startswith("/nas (nfs4 from nas:/) did not answer")
    assert [str(each) for each in finding.evidence] == ["/proc/self/mountinfo:8"]


def test_if_nothing_answers_space_is_not_known() -> None:
    silent: Dict[str, Union[FileSystemSize, int]] = {"/": 110, "/data": 110, "/dev/shm": 110}
    snapshot = changed(file_systems=silent)
    assert told(snapshot, "fs.space") == ["unknown"]
    assert told(snapshot, "fs.stuck") == ["critical /", "critical /data", "critical /dev/shm"]


class SlowHost(MemoryHost):
    """Has a dead mount, and no time left for questions to the one behind it; asked through a real guard."""

    ask: Callable[[str], object]

    def statvfs(self, path: str, may_block: bool = True) -> FileSystemSize:
        if may_block:
            self.ask(path)
        return ROOMY


def test_a_mount_that_was_not_asked_for_lack_of_time_is_not_called_stuck() -> None:
    guard = Guard({"statvfs": lambda path: time.sleep(60)}, timeout_s=0.05, budget_s=0.05)
    lines = ["100 22 0:50 / /nas1 rw - nfs4 nas:/1 rw", "101 22 0:51 / /nas2 rw - nfs4 nas:/2 rw"]
    host = SlowHost([{**quiet_files()[0], **mounts(*lines)}])
    host.ask = lambda path: guard.call(path, "statvfs", path)
    try:
        snapshot = observe(host, Plan(CHECKS, TABLES, once=True, strict=True))
    finally:
        guard.close()
    assert told(snapshot, "fs.stuck") == ["critical /nas1", "unknown"]
    assert found(snapshot, "fs.stuck")[1].because.startswith("/nas2: statvfs: no answer in time (not asked: ")
    assert told(snapshot, "fs.space") == ["ok"]
    rows = table(snapshot, "file_systems").rows
    assert [(row[0], row[-2]) for row in rows[:2]] == [("/nas1", "did not answer"), ("/nas2", "not asked")]


def test_no_file_system_with_space_is_nothing_to_judge() -> None:
    snapshot = changed({MOUNTINFO: b"23 1 0:21 / / rw - proc proc rw\n"})
    assert {each.id for each in snapshot.not_applicable} >= {"fs.space", "fs.inodes", "fs.stuck"}


def read_only(line: str, fstab: bytes = b"/dev/sdb1 /srv ext4 defaults 0 2\n") -> List[str]:
    files = {**mounts(line), "/etc/fstab": fstab}
    return told(changed(files, file_systems={"/srv": ROOMY}), "fs.readonly")


def test_a_mount_that_went_read_only_is_told_with_both_lines() -> None:
    files = {
        **mounts("100 22 8:17 / /srv ro - ext4 /dev/sdb1 ro"),
        "/etc/fstab": b"# /srv\n/dev/sdb1 /srv ext4 defaults 0 2\n",
    }
    finding = only(changed(files, file_systems={"/srv": ROOMY}), "fs.readonly")
    assert finding.summary == "/srv (ext4 on /dev/sdb1) cannot be written: /etc/fstab wants it writable"
    assert [str(each) for each in finding.evidence] == ["/proc/self/mountinfo:8", "/etc/fstab:2"]


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("100 22 8:17 / /srv rw - ext4 /dev/sdb1 rw", "ok"),
        ("100 22 8:17 / /srv ro - ext4 /dev/sdb1 rw", "critical /srv"),
        ("100 22 8:17 / /srv rw - ext4 /dev/sdb1 ro", "critical /srv"),
        ("100 22 8:17 / /srv rw - ext4 /dev/sdb1 rw,emergency_ro", "critical /srv"),
        ("100 22 8:17 / /srv rw - ext4 /dev/sdb1 rw,shutdown", "critical /srv"),
        ("100 22 8:17 / /srv ro - squashfs /dev/loop1 ro", "ok"),
        ("100 22 0:50 / /other rw - overlay none ro,lowerdir=/a:/b", "ok"),
        ("100 22 8:18 / /other rw - btrfs /dev/sdc1 ro", "critical /other"),
        ("100 22 8:18 / /other ro - btrfs /dev/sdc1 ro", "ok"),
    ],
)
def test_read_only_against_the_wish_of_the_administrator(line: str, status: str) -> None:
    assert read_only(line) == [status]


@pytest.mark.parametrize("options", ["ro", "rw,ro", "noauto", "defaults,ro=fs"])
def test_read_only_as_the_administrator_wants_it(options: str) -> None:
    fstab = f"/dev/sdb1 /srv ext4 {options} 0 2\n".encode()
    assert read_only("100 22 8:17 / /srv ro - ext4 /dev/sdb1 ro", fstab) == ["ok"]


def test_a_covered_mount_is_not_called_read_only() -> None:
    covered = "100 22 8:17 / /srv ro - ext4 /dev/sdb1 ro\n101 100 8:18 / /srv rw - ext4 /dev/sdc1 rw"
    assert read_only(covered) == ["ok"]


def test_without_an_fstab_the_marks_of_an_error_are_looked_for() -> None:
    snapshot = changed({"/etc/fstab": 2})
    assert only(snapshot, "fs.readonly").summary.endswith("(there is no /etc/fstab to compare with)")


def test_negative_dentries_are_told_in_numbers_share_and_memory() -> None:
    state = {"/proc/sys/fs/dentry-state": b"10000000\t9900000\t45\t0\t8000000\t0\n"}
    assert only(changed(state), "fs.dentry_negative").summary == (
        "8000000 negative dentries (80% of all) hold about 1465 MiB, 6.1% of memory"
    )


def test_a_file_max_without_meaning_is_nothing_to_judge() -> None:
    snapshot = changed({"/proc/sys/fs/file-nr": b"992\t0\t9223372036854775807\n"})
    assert ("fs.file_nr", "fs.file-max is 9223372036854775807: there is no limit to judge by") in [
        (each.id, each.reason) for each in snapshot.not_applicable
    ]


def test_a_cut_off_limit_is_not_taken_for_a_smaller_one() -> None:
    snapshot = changed({"/proc/sys/fs/file-nr": b"992\t0\t10"})
    assert told(snapshot, "fs.file_nr") == ["unknown"]


def test_a_limit_of_zero_is_full_only_if_something_is_used() -> None:
    none: Dict[str, bytes] = {"/proc/sys/fs/aio-max-nr": b"0\n"}
    assert told(changed(none), "fs.aio") == ["ok"]
    assert told(changed({**none, "/proc/sys/fs/aio-nr": b"1\n"}), "fs.aio") == ["critical"]


def test_a_failure_of_a_mount_names_it_and_counts_the_others() -> None:
    denied: Dict[str, Union[FileSystemSize, int]] = {"/data": 13, "/dev/shm": 13}
    findings = found(changed(file_systems=denied), "fs.inodes")
    assert [finding.status for finding in findings] == ["unknown", "ok"]
    assert findings[0].because == "/data: statvfs: not permitted (EACCES) (and 1 more)"
