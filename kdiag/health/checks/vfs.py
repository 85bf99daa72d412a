"""VFS: files, dentries, asynchronous I/O, and the space, inodes and health of mounted file systems.

Space is what the reader of df sees: ``f_bavail`` leaves out what is reserved for root. A file system that
cannot be written to cannot fill up and is not judged for space; one that should be writable and is not is
``fs.readonly``. One that does not answer statvfs(2) is ``fs.stuck``, and nothing else is said of it.
"""

from typing import TYPE_CHECKING, Callable, Iterator, List, Optional, Tuple

from kdiag.health.acquire.file_systems import LOCAL_TYPES, visible
from kdiag.health.check import Case, DoesNotApply, check
from kdiag.health.figures.vfs import (
    FORCED_READ_ONLY,
    Room,
    cannot_be_written,
    inode_room,
    negative_dentries,
    no_limit,
    space_room,
    was_asked,
)
from kdiag.health.finding import INSTANT, Evidence, Finding
from kdiag.health.sample import MountedFileSystem
from kdiag.health.subjects import worst_subjects
from kdiag.health.window import CannotJudge, known
from kdiag.host.base import FileSystemSize

if TYPE_CHECKING:
    from kdiag.procfs.fstab import FstabEntry
    from kdiag.procfs.mountinfo import Mount

__all__ = ["CHECKS"]

_FILE_NR = "/proc/sys/fs/file-nr"
_DENTRY_STATE = "/proc/sys/fs/dentry-state"
_AIO_NR, _AIO_MAX = "/proc/sys/fs/aio-nr", "/proc/sys/fs/aio-max-nr"
_MOUNTINFO, _FSTAB = "/proc/self/mountinfo", "/etc/fstab"
_MEMINFO = "/proc/meminfo"

#: struct dentry of a 64-bit kernel built without lock debugging (the objsize in /proc/slabinfo, 6.18).
_DENTRY_BYTES = 192
_BYTES_PER_GIB = 1 << 30
_UNITS = ((_BYTES_PER_GIB, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_BYTES_PER_KIB = 1 << 10

#: Local types in which ``ro`` of the file system alone, under a mount with ``rw``, is the mark of an error.
#: An overlay without an upper layer looks the same and is well.
_DISK_TYPES = LOCAL_TYPES - {"overlay", "tmpfs"}


@check(
    "fs.file_nr",
    title="Open files of the whole kernel",
    formula="allocated / max of /proc/sys/fs/file-nr",
    unit="%",
    thresholds={"warning_pct": 70, "critical_pct": 90},
    source="node-mixin 70/90 %",
    because="At fs.file-max every open(2) of every user but root fails with ENFILE.",
    next="kdiag snapshot --section vfs",
)
def file_nr(case: Case) -> Iterator[Finding]:
    """Judge the open file descriptions of the kernel; those of one process are proc.fd_limit."""
    after = case.window.after
    read = after.file_nr
    if read is None or read.allocated is None or read.max is None:
        raise CannotJudge(_FILE_NR, after.why_missing(_FILE_NR))
    if no_limit(read.max):
        raise DoesNotApply(f"fs.file-max is {read.max}: there is no limit to judge by")
    yield _share(case, read.allocated, read.max, "files are open", case.evidence(_FILE_NR))


@check(
    "fs.dentry_negative",
    title="Memory held by names that do not exist",
    formula=f"nr_negative * {_DENTRY_BYTES} bytes / MemTotal",
    unit="%",
    thresholds={"warning_pct": 5, "critical_pct": 20},
    source="kdiag's own; a dentry takes 192 bytes on a 64-bit kernel",
    because="Each look-up of a missing file leaves a negative dentry. Very many of them make unmounting, "
    "memory reclaim and inotify slow, up to soft lockups.",
    next="strace -f -Z -e trace=%file -p PID, on whoever looks up many missing files",
)
def dentry_negative(case: Case) -> Iterator[Finding]:
    """Judge the memory that negative dentries take."""
    after = case.window.after
    state = after.dentry_state
    if state is None or state.nr_dentry is None or state.nr_negative_or_dummy is None:
        raise CannotJudge(_DENTRY_STATE, after.why_missing(_DENTRY_STATE))
    count = negative_dentries(after)
    if count is None:
        raise CannotJudge(_DENTRY_STATE, "its fifth number is 0, which before 5.0 is a dummy and no count")
    total_kib = after.meminfo.mem_total_kib if after.meminfo is not None else None
    if not total_kib:
        raise CannotJudge(_MEMINFO, after.why_missing(_MEMINFO, "MemTotal"))
    held_kib = count * _DENTRY_BYTES / _BYTES_PER_KIB
    pct = 100 * held_kib / total_kib
    share_pct = 100 * count / state.nr_dentry if state.nr_dentry else 0.0
    yield case.finding(
        case.above(pct),
        pct,
        f"{count} negative dentries ({share_pct:.0f}% of all) hold about {held_kib / 1024:.0f} MiB, "
        f"{pct:.1f}% of memory",
        case.evidence(_DENTRY_STATE),
        case.evidence(_MEMINFO, "MemTotal"),
        basis=INSTANT,
    )


@check(
    "fs.space",
    title="Space of file systems",
    formula="f_bavail / (f_blocks - f_bfree + f_bavail), as df has it",
    unit="%",
    thresholds={"warning_pct": 10, "critical_pct": 3, "critical_gib": 5},
    source="awesome-prometheus-alerts 10 %, node-mixin 3 %; netdata: not critical with 5 GB and more left",
    because="Writes fail with ENOSPC; databases and logs stop, or lose what they write.",
    next="df -h; du -xh --max-depth=1 MOUNT | sort -h",
)
def space(case: Case) -> Iterator[Finding]:
    """Judge the space that is left to ordinary users on each file system that can be written to."""

    def status(size: FileSystemSize, room: Room) -> str:
        found = case.below(room.available_pct)
        left_gib = size.available_blocks * size.block_size_bytes / _BYTES_PER_GIB
        return "warning" if found == "critical" and left_gib >= case.limit("critical_gib") else found

    def told(size: FileSystemSize, room: Room) -> str:
        left, whole = (_amount(blocks * size.block_size_bytes) for blocks in room)
        return f"{left} of {whole} available"

    yield from _rooms(case, space_room, status, told)


def _amount(size_bytes: int) -> str:
    unit_bytes, unit = next((each for each in _UNITS if size_bytes >= each[0]), _UNITS[-1])
    return f"{size_bytes / unit_bytes:.1f} {unit}"


@check(
    "fs.inodes",
    title="Inodes of file systems",
    formula="f_favail / f_files",
    unit="%",
    thresholds={"warning_pct": 10, "critical_pct": 3},
    source="awesome-prometheus-alerts 10 %, node-mixin 3 %",
    because="Without a free inode no file can be made (ENOSPC), however much space is left.",
    next="df -i; du -x --inodes --max-depth=1 MOUNT | sort -n",
)
def inodes(case: Case) -> Iterator[Finding]:
    """Judge the inodes that are left; a file system that makes them as needed (btrfs) has no number."""

    def status(size: FileSystemSize, room: Room) -> str:
        return case.below(room.available_pct)

    def told(size: FileSystemSize, room: Room) -> str:
        return f"{room.available} of {room.total} inodes free"

    yield from _rooms(case, inode_room, status, told)


def _rooms(
    case: Case,
    room_of: Callable[[FileSystemSize], Optional[Room]],
    status_of: Callable[[FileSystemSize, Room], str],
    told: Callable[[FileSystemSize, Room], str],
) -> Iterator[Finding]:
    asked = _file_systems(case)
    judged: List[Tuple[float, Finding]] = []
    for each in asked:
        room = room_of(each.size) if each.size is not None else None
        if each.size is None or room is None or cannot_be_written(each.mount):
            continue
        place = each.mount.mount_point
        finding = case.finding(
            status_of(each.size, room),
            room.available_pct,
            f"{place}: {told(each.size, room)} ({room.available_pct:.1f}%)",
            _statvfs_evidence(place, each.size),
            subject=place,
            basis=INSTANT,
        )
        judged.append((room.available_pct, finding))
    judged.sort(key=lambda entry: entry[0])
    bad = [finding for _, finding in judged if finding.status != "ok"]
    yield from worst_subjects(case, bad)
    if judged and not bad:
        fullest = judged[0][1]
        yield fullest._replace(
            subject="", summary=f"{len(judged)} file systems; the least left has {fullest.summary}"
        )
    failed = [each for each in asked if each.failure is not None]
    # What does not answer is fs.stuck's, as long as there is something else to judge here.
    unknown = [each for each in failed if each.failure is not None and each.failure.kind != "timed_out"]
    if unknown or (failed and not judged):
        raise CannotJudge(*_told_unknown(unknown or failed))
    if not judged:
        raise DoesNotApply("no file system here can be written to and has a number of them", _MOUNTINFO)


def _told_unknown(unknown: List[MountedFileSystem]) -> Tuple[str, str]:
    """Return the first place that was not answered for, and the reason of all."""
    first = unknown[0]
    more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
    return first.mount.mount_point, f"statvfs: {str(first.failure).partition(': ')[2]}{more}"


def _file_systems(case: Case) -> List[MountedFileSystem]:
    after = case.window.after
    if after.mountinfo is None:
        raise CannotJudge(_MOUNTINFO, after.why_missing(_MOUNTINFO))
    if not after.file_systems:
        raise DoesNotApply("no file system with space of its own is mounted here", _MOUNTINFO)
    return after.file_systems


def _statvfs_evidence(place: str, size: FileSystemSize) -> Evidence:
    return Evidence(
        place,
        None,
        f"statvfs: block size {size.block_size_bytes}, blocks {size.blocks} free {size.free_blocks} "
        f"available {size.available_blocks}, inodes {size.files} free {size.free_files}",
    )


@check(
    "fs.stuck",
    title="File systems that do not answer",
    formula="statvfs(2) in a child process, given up after about a second",
    unit="",
    thresholds={},
    source="node_exporter gives up on a mount after 5 s; kdiag's own",
    because="Whoever touches it hangs in state D until its server or device answers again.",
    next="kdiag snapshot --section blocked",
)
def stuck(case: Case) -> Iterator[Finding]:
    """Find mounted file systems that let the caller of statvfs(2) wait."""
    asked = _file_systems(case)
    silent = [each for each in asked if each.failure is not None and each.failure.kind == "timed_out"]
    bad = [_silent(case, each) for each in silent if was_asked(each)]
    yield from worst_subjects(case, bad)
    left = [each for each in silent if not was_asked(each)]
    if left:
        raise CannotJudge(*_told_unknown(left))
    answered = [each for each in asked if each.failure is None]
    if not answered and not bad:
        raise CannotJudge(*_told_unknown(asked))
    if not bad:
        yield case.finding("ok", None, f"{len(answered)} file systems answered", basis=INSTANT)


def _silent(case: Case, each: MountedFileSystem) -> Finding:
    mount = each.mount
    detail = each.failure.detail if each.failure is not None else ""
    return case.finding(
        "critical",
        None,
        f"{mount.mount_point} ({mount.fs_type} from {mount.source}) did not answer: {detail}",
        case.evidence(_MOUNTINFO, str(mount.mount_id)),
        subject=mount.mount_point,
        basis=INSTANT,
    )


@check(
    "fs.readonly",
    title="File systems that became read-only",
    formula="read-only now, but rw in /etc/fstab; or made so by the kernel after an error",
    unit="",
    thresholds={},
    source="kdiag's own",
    because="The kernel makes a file system read-only when it finds it damaged or its device failing.",
    next="dmesg | grep -iE 'remount|error|aborted journal'",
)
def readonly(case: Case) -> Iterator[Finding]:
    """Find file systems that are read-only against the administrator's will."""
    after = case.window.after
    mounts = visible(list(known(after, after.mountinfo, _MOUNTINFO).mounts))
    if not mounts:
        raise CannotJudge(_MOUNTINFO, "it names no mount")
    entries = after.fstab.entries if after.fstab is not None else ()
    wanted = {entry.mount_point: entry for entry in entries}
    bad = []
    for mount in mounts:
        entry = wanted.get(mount.mount_point)
        why = _why_read_only(mount, entry)
        if why:
            evidence = [case.evidence(_MOUNTINFO, str(mount.mount_id))]
            if entry is not None:
                evidence.append(case.evidence(_FSTAB, entry.source))
            told = f"{mount.mount_point} ({mount.fs_type} on {mount.source}) cannot be written: {why}"
            bad.append(
                case.finding("critical", None, told, *evidence, subject=mount.mount_point, basis=INSTANT)
            )
    yield from worst_subjects(case, bad)
    if after.fstab is None and not after.absent(_FSTAB):
        raise CannotJudge(_FSTAB, after.why_missing(_FSTAB))
    if not bad:
        compared = "" if after.fstab is not None else " (there is no /etc/fstab to compare with)"
        yield case.finding(
            "ok", None, f"none of {len(mounts)} mounts is read-only against its wish{compared}", basis=INSTANT
        )


def _why_read_only(mount: "Mount", entry: "Optional[FstabEntry]") -> str:
    """Say why a mount is read-only though it should not be; nothing if all is well."""
    forced = [option for option in mount.super_options if option in FORCED_READ_ONLY]
    if forced:
        return f"the kernel says {forced[0]}"
    if entry is not None and (entry.read_only or any(option.startswith("ro=") for option in entry.options)):
        return ""
    if mount.fs_type in _DISK_TYPES and "ro" in mount.super_options and "rw" in mount.options:
        return "the file system is ro under a mount that is rw, as after an error"
    # What is noauto was mounted by hand. Another type than the administrator's is another file system: the
    # overlay of a live system or of a container.
    if entry is None or "noauto" in entry.options or entry.fs_type not in (mount.fs_type, "auto"):
        return ""
    return "/etc/fstab wants it writable" if mount.read_only else ""


@check(
    "fs.aio",
    title="Asynchronous I/O requests",
    formula="/proc/sys/fs/aio-nr / aio-max-nr",
    unit="%",
    thresholds={"warning_pct": 80, "critical_pct": 95},
    source="fs.rst: io_setup fails at the limit; the numbers are kdiag's own",
    because="At fs.aio-max-nr io_setup(2) fails with EAGAIN; databases and virtual machines do not start.",
    next="kdiag snapshot --section vfs",
)
def aio(case: Case) -> Iterator[Finding]:
    """Judge the events that were reserved with io_setup(2) against how many there may be."""
    after = case.window.after
    if after.absent(_AIO_NR):
        raise DoesNotApply("this kernel has no asynchronous I/O (CONFIG_AIO)")
    used, most = after.integers.get(_AIO_NR), after.integers.get(_AIO_MAX)
    for path, value in ((_AIO_NR, used), (_AIO_MAX, most)):
        if value is None:
            raise CannotJudge(path, after.why_missing(path))
    evidence = (case.evidence(_AIO_NR), case.evidence(_AIO_MAX))
    yield _share(case, used or 0, most or 0, "asynchronous I/O events are reserved", *evidence)


def _share(case: Case, used: int, most: int, what: str, *evidence: Evidence) -> Finding:
    pct = 100 * used / most if most > 0 else 100.0 if used else 0.0
    return case.finding(
        case.above(pct), pct, f"{used} of {most} {what} ({pct:.1f}%)", *evidence, basis=INSTANT
    )


CHECKS = (file_nr, dentry_negative, space, inodes, stuck, readonly, aio)
