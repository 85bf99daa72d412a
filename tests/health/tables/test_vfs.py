from typing import Dict

from kdiag.health.table import TableOptions
from kdiag.health.tables.vfs import VfsRow
from kdiag.host.memory import Content
from tests.health.task_files import changed, table

NOT_TOLD = "this kernel does not tell negative dentries from none"


def test_the_quiet_host() -> None:
    shown = table(changed(), "vfs")
    assert shown.rows == [
        VfsRow("open files", 476, 2466177, 100 * 476 / 2466177),
        VfsRow("inodes", 14855, None, None),
        VfsRow("free inodes", 0, None, None),
        VfsRow("dentries", 19900, None, None),
        VfsRow("unused dentries", 18475, None, None),
        VfsRow("negative dentries", 4886, None, None),
        VfsRow("async I/O events", 0, 65536, 0.0),
    ]
    assert (shown.basis, shown.notes) == ("instant", ())


def test_a_dummy_is_not_shown_as_a_count() -> None:
    # Linux 3.10 prints a dummy 0 in the fifth column.
    older: Dict[str, Content] = {
        "/proc/version": b"Linux version 3.10.0-1160.el7.x86_64 (b@h) (gcc) #1 SMP Mon Oct 19\n",
        "/proc/sys/fs/dentry-state": b"19900\t18475\t45\t0\t0\t0\n",
    }
    shown = table(changed(older), "vfs")
    assert shown.rows[5] == VfsRow("negative dentries", None, None, None)
    assert shown.notes == (NOT_TOLD,)


def test_a_limit_that_nobody_wants_is_none() -> None:
    shown = table(changed({"/proc/sys/fs/file-nr": b"476\t0\t9223372036854775807\n"}), "vfs")
    assert shown.rows[0] == VfsRow("open files", 476, None, None)


def test_what_cannot_be_read_has_no_row() -> None:
    gone: Dict[str, Content] = {
        "/proc/sys/fs/inode-state": 13,
        "/proc/sys/fs/aio-nr": 2,
        "/proc/sys/fs/aio-max-nr": 2,
    }
    assert [row[0] for row in table(changed(gone), "vfs").rows] == [
        "open files",
        "dentries",
        "unused dentries",
        "negative dentries",
    ]


def test_without_any_of_them_the_reason_is_told() -> None:
    names = ("file-nr", "inode-state", "dentry-state", "aio-nr")
    gone: Dict[str, Content] = {f"/proc/sys/fs/{name}": 13 for name in names}
    assert table(changed(gone), "vfs").missing == "/proc/sys/fs/file-nr: not permitted (EACCES)"


def test_the_caches_are_explained_on_demand() -> None:
    notes = table(changed(options=TableOptions(explain=True)), "vfs").notes
    assert notes == (
        "unused dentries and free inodes are a cache: the kernel gives them back under pressure",
        "negative dentries, of names that do not exist, are among the unused",
    )
