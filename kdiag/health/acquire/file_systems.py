"""The space of mounted file systems, asked once for each, and of those that may hang by a child.

Traps. The table still lists a mount that a later one covers further up its path, and statvfs(2) of that path
then answers for another file system (6.18). In a container single files are mounted, and the root is an
overlay. An overlay answers for the file system of its upper layer (ovl_statfs), so on a host with a hundred
containers the same numbers would come a hundred times.
"""

from typing import Dict, Iterator, List, Optional, Set, Tuple

from kdiag.health.acquire.reader import Reader
from kdiag.health.sample import MountedFileSystem
from kdiag.host.base import ReadError
from kdiag.procfs.mountinfo import Mount

__all__ = ["LOCAL_TYPES", "PSEUDO_TYPES", "may_block", "read_file_systems", "visible", "with_space"]

#: Types without space of their own, or (autofs) whose mere look-up mounts something.
#: After node_exporter's list for its filesystem collector.
PSEUDO_TYPES = frozenset(
    (
        "autofs binder binfmt_misc bpf cgroup cgroup2 configfs debugfs devfs devpts devtmpfs efivarfs "
        "erofs fuse.gvfsd-fuse fuse.lxcfs fuse.portal fusectl hugetlbfs iso9660 mqueue nsfs proc procfs "
        "pstore ramfs rpc_pipefs securityfs selinuxfs smackfs squashfs sysfs tracefs udev"
    ).split()
)

#: Types whose statvfs(2) is answered from the superblock in memory. Every other type (nfs, cifs, fuse, an
#: unknown one) may wait for somebody who is gone, so a killable child asks it.
LOCAL_TYPES = frozenset(
    (
        "bcachefs btrfs exfat ext2 ext3 ext4 f2fs jfs msdos nilfs2 ntfs3 overlay reiserfs tmpfs vfat xfs zfs"
    ).split()
)

#: A path that leads through one of these waits for nobody.
_PASSABLE_TYPES = LOCAL_TYPES | {fs_type for fs_type in PSEUDO_TYPES if not fs_type.startswith("fuse.")} - {
    "autofs"
}

#: Mounts nested deeper than this are taken for visible and for local.
_DEEPEST = 100


def visible(mounts: List[Mount]) -> List[Mount]:
    """Return the mounts that a path still leads to, one for each place, in the table's order.

    A mount is covered by one on its own root, or by one further up its path that hangs on the same parent;
    with it goes all that hangs on it.
    """
    by_id = {mount.mount_id: mount for mount in mounts}
    siblings: Dict[int, Set[str]] = {}
    topped: Set[int] = set()
    for mount in mounts:
        siblings.setdefault(mount.parent_id, set()).add(mount.mount_point)
        parent = by_id.get(mount.parent_id)
        if parent is not None and parent is not mount and parent.mount_point == mount.mount_point:
            topped.add(parent.mount_id)
    covered = {
        mount.mount_id
        for mount in mounts
        if any(place in siblings[mount.parent_id] for place in _places_above(mount.mount_point))
    }
    found: Dict[str, Mount] = {}
    for mount in mounts:
        hidden = any(each.mount_id in covered for each in _lineage(mount, by_id))
        if not hidden and mount.mount_id not in topped:
            found[mount.mount_point] = mount
    return list(found.values())


def with_space(mounts: List[Mount]) -> List[Mount]:
    """Return one visible mount of each file system that has space, by its place.

    Of several mounts of one file system it is one that can be written to, that shows the whole of it, and
    has a short path. An overlay whose upper layer lies on another of the mounts is left out, unless it is
    the root.
    """
    seen = visible(mounts)
    places = {mount.mount_point: mount for mount in seen}
    chosen: Dict[Tuple[int, int], Mount] = {}
    for mount in seen:
        if mount.fs_type in PSEUDO_TYPES or _shows_another(mount, places):
            continue
        device = (mount.major, mount.minor)
        if device not in chosen or _preference(mount) < _preference(chosen[device]):
            chosen[device] = mount
    return sorted(chosen.values(), key=lambda mount: mount.mount_point)


def may_block(mount: Mount, mounts: Dict[int, Mount]) -> bool:
    """Return whether asking it can wait without end: its own type, or one on the way to it, is not local."""
    lineage = _lineage(mount, mounts)
    next(lineage)
    return mount.fs_type not in LOCAL_TYPES or any(each.fs_type not in _PASSABLE_TYPES for each in lineage)


def read_file_systems(reader: Reader) -> None:
    """Ask each file system of the mount table for its space."""
    table = reader.sample.mountinfo
    if table is None:
        return
    by_id = {mount.mount_id: mount for mount in table.mounts}
    answers: List[MountedFileSystem] = []
    for mount in with_space(list(table.mounts)):
        try:
            size = reader.host.statvfs(mount.mount_point, may_block(mount, by_id))
        except ReadError as error:
            reader.fail(error.failure)
            answers.append(MountedFileSystem(mount, None, error.failure))
        else:
            answers.append(MountedFileSystem(mount, size, None))
    reader.sample.file_systems.extend(_without_twins_of_root(answers))


def _without_twins_of_root(answers: List[MountedFileSystem]) -> List[MountedFileSystem]:
    """Leave out what gave the very answer of an overlay at the root.

    It is the disk below a container, of which /etc/hosts and its like are mounted on their own.
    """
    roots = [each for each in answers if each.mount.mount_point == "/" and each.mount.fs_type == "overlay"]
    if not roots or roots[0].size is None:
        return answers
    return [each for each in answers if each is roots[0] or each.size != roots[0].size]


def _preference(mount: Mount) -> Tuple[bool, bool, int, str]:
    return (mount.read_only, mount.root != "/", len(mount.mount_point), mount.mount_point)


def _shows_another(mount: Mount, places: Dict[str, Mount]) -> bool:
    """Return whether it is an overlay on top of a mount that is in the table itself."""
    if mount.fs_type != "overlay" or mount.mount_point == "/":
        return False
    upper = _upper_layer(mount)
    if upper is None:
        return False
    below = next((places[place] for place in (upper, *_places_above(upper)) if place in places), None)
    return below is not None and below is not mount and below.fs_type not in PSEUDO_TYPES


def _upper_layer(mount: Mount) -> Optional[str]:
    for option in mount.super_options:
        key, _, path = option.partition("=")
        if key == "upperdir" and path.startswith("/"):
            return path
    return None


def _places_above(place: str) -> Iterator[str]:
    """Yield the folders above a path, the nearest one first.

    >>> list(_places_above("/srv/data"))
    ['/srv', '/']
    """
    while len(place) > 1:
        place = place[: place.rfind("/")] or "/"
        yield place


def _lineage(mount: Mount, by_id: Dict[int, Mount]) -> Iterator[Mount]:
    """Yield a mount, the one that it hangs on, and so on up to the root."""
    for _ in range(_DEEPEST):
        yield mount
        parent = by_id.get(mount.parent_id)
        if parent is None or parent is mount:
            return
        mount = parent
