"""Space and inodes of mounted file systems, as df shows them: used shares leave out the root reserve."""

from typing import List, Optional

from kdiag.health.figures.vfs import cannot_be_written, inode_room, space_room, was_asked
from kdiag.health.sample import MountedFileSystem
from kdiag.health.table import Rows, Table, TableOptions
from kdiag.health.window import CannotJudge, Window
from kdiag.records import NamedTuple

__all__ = ["TABLES", "FileSystemRow"]

_MOUNTINFO = "/proc/self/mountinfo"
_MOST_ROWS = 40


class FileSystemRow(NamedTuple):
    """A file system at one of its mounts; ``state`` says why it has no numbers, or that it is read-only."""

    mount: str
    fs_type: str
    size_bytes: Optional[int]
    used_pct: Optional[float]
    available_bytes: Optional[int]
    inodes_used_pct: Optional[float]
    state: str
    device: str


def _rows(window: Window, options: TableOptions) -> Rows:
    after = window.after
    if after.mountinfo is None:
        raise CannotJudge(_MOUNTINFO, after.why_missing(_MOUNTINFO))
    rows = [_row(each) for each in after.file_systems]
    # What did not answer comes first, then the fullest.
    rows.sort(key=lambda row: (row.size_bytes is not None, -_fullness(row), row.mount))
    notes: List[str] = []
    if len(rows) > _MOST_ROWS:
        notes.append(f"{len(rows) - _MOST_ROWS} more are not shown, none of them fuller")
    if options.explain:
        notes.append("one mount of each file system; those without space of their own are left out")
    return Rows(rows[:_MOST_ROWS], notes=tuple(notes))


def _fullness(row: FileSystemRow) -> float:
    return max(row.used_pct or 0.0, row.inodes_used_pct or 0.0)


def _row(each: MountedFileSystem) -> FileSystemRow:
    mount, size = each.mount, each.size
    state = "read-only" if cannot_be_written(mount) else ""
    if size is None:
        state = _why_unknown(each)
        return FileSystemRow(mount.mount_point, mount.fs_type, None, None, None, None, state, mount.source)
    room, of_inodes = space_room(size), inode_room(size)
    return FileSystemRow(
        mount.mount_point,
        mount.fs_type,
        size.blocks * size.block_size_bytes,
        100 - room.available_pct if room is not None else None,
        size.available_blocks * size.block_size_bytes,
        100 - of_inodes.available_pct if of_inodes is not None else None,
        state,
        mount.source,
    )


def _why_unknown(each: MountedFileSystem) -> str:
    if each.failure is None or each.failure.kind != "timed_out":
        return str(each.failure).partition(": ")[2]
    return "did not answer" if was_asked(each) else "not asked"


TABLES = (
    Table(
        "file_systems",
        "File systems",
        FileSystemRow,
        _rows,
        {"fs_type": "type", "used_pct": "%used", "available_bytes": "avail", "inodes_used_pct": "%inodes"},
    ),
)
