"""Files, inodes and dentries that the kernel holds, and asynchronous I/O, against what may be."""

from typing import List, Optional

from kdiag.health.figures.vfs import negative_dentries, no_limit
from kdiag.health.sample import Sample
from kdiag.health.table import Rows, Table, TableOptions
from kdiag.health.window import CannotJudge, Window
from kdiag.records import NamedTuple

__all__ = ["TABLES", "VfsRow"]

_FILE_NR = "/proc/sys/fs/file-nr"
_AIO_NR, _AIO_MAX = "/proc/sys/fs/aio-nr", "/proc/sys/fs/aio-max-nr"


class VfsRow(NamedTuple):
    """One number of ``/proc/sys/fs``; ``limit`` is ``None`` where there is none, or it is not known."""

    what: str
    value: Optional[int]
    limit: Optional[int]
    used_pct: Optional[float]


def _rows(window: Window, options: TableOptions) -> Rows:
    after = window.after
    rows = [*_files(after), *_inodes(after), *_dentries(after), *_aio(after)]
    if not rows:
        raise CannotJudge(_FILE_NR, after.why_missing(_FILE_NR))
    notes = []
    if options.explain:
        notes.append("unused dentries and free inodes are a cache: the kernel gives them back under pressure")
        notes.append("negative dentries, of names that do not exist, are among the unused")
    if after.dentry_state is not None and negative_dentries(after) is None:
        notes.append("this kernel does not tell negative dentries from none")
    return Rows(rows, notes=tuple(notes))


def _files(sample: Sample) -> List[VfsRow]:
    read = sample.file_nr
    if read is None:
        return []
    limit = None if read.max is None or no_limit(read.max) else read.max
    return [_row("open files", read.allocated, limit)]


def _inodes(sample: Sample) -> List[VfsRow]:
    read = sample.inode_state
    return [] if read is None else [_row("inodes", read.nr_inodes), _row("free inodes", read.nr_free)]


def _dentries(sample: Sample) -> List[VfsRow]:
    read = sample.dentry_state
    if read is None:
        return []
    return [
        _row("dentries", read.nr_dentry),
        _row("unused dentries", read.nr_unused),
        _row("negative dentries", negative_dentries(sample)),
    ]


def _aio(sample: Sample) -> List[VfsRow]:
    if _AIO_NR not in sample.integers:
        return []
    return [_row("async I/O events", sample.integers[_AIO_NR], sample.integers.get(_AIO_MAX))]


def _row(what: str, value: Optional[int], limit: Optional[int] = None) -> VfsRow:
    used_pct = None if value is None or not limit else 100 * value / limit
    return VfsRow(what, value, limit, used_pct)


TABLES = (Table("vfs", "VFS: files, inodes, dentries", VfsRow, _rows, {"used_pct": "%used"}),)
