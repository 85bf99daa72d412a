from typing import Dict, List, Tuple, Union

from kdiag.health.table import TableOptions
from kdiag.health.tables.file_systems import FileSystemRow
from kdiag.host.base import FileSystemSize
from tests.health.overlay import quiet_files
from tests.health.task_files import changed, table

MOUNTINFO = "/proc/self/mountinfo"
DATA = FileSystemSize(4096, 1000, 300, 200, 100, 25, 25)


def with_mounts(*lines: str) -> Dict[str, bytes]:
    quiet = quiet_files()[0][MOUNTINFO]
    assert isinstance(quiet, bytes)
    return {MOUNTINFO: quiet + "".join(f"{line}\n" for line in lines).encode()}


def test_file_systems_of_the_quiet_host_are_shown_as_df_does() -> None:
    shown = table(changed(file_systems={"/data": DATA}), "file_systems")
    quiet = (107374182400, 100 - 100 * 19000000 / 25214400, 77824000000, 100 - 100 * 6000000 / 6553600, "")
    assert shown.rows == [
        # 700 used of the 900 blocks that users have; 75 inodes of 100.
        FileSystemRow("/data", "xfs", 4096000, 100 - 100 * 200 / 900, 819200, 75.0, "", "/dev/vdb"),
        FileSystemRow("/", "ext4", *quiet, "/dev/vda"),
        FileSystemRow("/dev/shm", "tmpfs", *quiet, "tmpfs"),
    ]
    assert (shown.basis, shown.notes) == ("instant", ())


def states(answers: Dict[str, Union[FileSystemSize, int]], *lines: str) -> List[Tuple[str, str]]:
    rows = table(changed(with_mounts(*lines), file_systems=answers), "file_systems").rows
    return [(row[0], row[-2]) for row in rows]


def test_what_did_not_answer_comes_first_and_says_so() -> None:
    nas = "100 22 0:50 / /nas rw - nfs4 nas:/ rw"
    secret = "101 22 8:1 / /secret rw - ext4 /dev/sda1 rw"
    assert states({"/nas": 110, "/secret": 13}, nas, secret)[:2] == [
        ("/nas", "did not answer"),
        ("/secret", "not permitted (EACCES)"),
    ]


def test_a_read_only_file_system_is_marked_however_it_became_so() -> None:
    by_hand = "100 22 8:1 / /a ro - ext4 /dev/sda1 rw"
    by_error = "101 22 8:2 / /b rw - ext4 /dev/sda2 rw,errors=remount-ro,emergency_ro"
    told = states({"/a": DATA, "/b": DATA}, by_hand, by_error)
    assert told[:2] == [("/a", "read-only"), ("/b", "read-only")]


def test_what_has_no_number_of_inodes_or_no_blocks_shows_none() -> None:
    empty = FileSystemSize(4096, 0, 0, 0, 0, 0, 0)
    snapshot = changed(with_mounts("100 22 0:50 / /z rw - zfs pool rw"), file_systems={"/z": empty})
    (row,) = [row for row in table(snapshot, "file_systems").rows if row[0] == "/z"]
    assert row == FileSystemRow("/z", "zfs", 0, None, 0, None, "", "pool")


def test_more_than_forty_rows_are_counted() -> None:
    lines = [f"{100 + n} 22 8:{n} / /disk{n:02} rw - ext4 /dev/sd{n} rw" for n in range(50)]
    snapshot = changed(with_mounts(*lines), file_systems={f"/disk{n:02}": DATA for n in range(50)})
    shown = table(snapshot, "file_systems")
    assert (len(shown.rows), shown.notes) == (40, ("13 more are not shown, none of them fuller",))


def test_what_is_left_out_is_explained_on_demand() -> None:
    (note,) = table(changed(options=TableOptions(explain=True)), "file_systems").notes
    assert note == "one mount of each file system; those without space of their own are left out"


def test_without_a_mount_table_the_reason_is_told() -> None:
    assert table(changed({MOUNTINFO: 13}), "file_systems").missing == (
        "/proc/self/mountinfo: not permitted (EACCES)"
    )
