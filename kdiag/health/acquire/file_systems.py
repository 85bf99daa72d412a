"""The space of mounted file systems, asked once for each, and of those that may hang by a child."""

from typing import Dict, List, Tuple

from kdiag.health.acquire.reader import Reader
from kdiag.health.sample import MountedFileSystem
from kdiag.host.base import ReadError
from kdiag.procfs.mountinfo import Mount

__all__ = ["LOCAL_TYPES", "PSEUDO_TYPES", "read_file_systems", "with_space"]

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


def with_space(mounts: List[Mount]) -> List[Mount]:
    """Return one mount of each file system that has space: the shortest path, the last one mounted on it.

    A path that is mounted over shows only the last mount, so the earlier ones cannot be asked.
    """
    visible: Dict[str, Mount] = {mount.mount_point: mount for mount in mounts}
    chosen: Dict[Tuple[int, int], Mount] = {}
    for mount in visible.values():
        if mount.fs_type in PSEUDO_TYPES:
            continue
        device = (mount.major, mount.minor)
        other = chosen.get(device)
        if other is None or len(mount.mount_point) < len(other.mount_point):
            chosen[device] = mount
    return sorted(chosen.values(), key=lambda mount: mount.mount_point)


def read_file_systems(reader: Reader) -> None:
    """Ask each file system of the mount table for its space."""
    table = reader.sample.mountinfo
    if table is None:
        return
    for mount in with_space(list(table.mounts)):
        try:
            size = reader.host.statvfs(mount.mount_point, mount.fs_type not in LOCAL_TYPES)
        except ReadError as error:
            reader.fail(error.failure)
            reader.sample.file_systems.append(MountedFileSystem(mount, None, error.failure))
        else:
            reader.sample.file_systems.append(MountedFileSystem(mount, size, None))
