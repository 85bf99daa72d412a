"""A host in memory, for tests: a dict of files per moment, and any errno for any path."""

from typing import Dict, List, Mapping, Optional, Sequence, Union

from kdiag.host.base import Facts, FileSystemSize, Host, ReadError, Reading

__all__ = ["Content", "MemoryHost"]

#: What a path holds: its bytes, or the errno that reading it gives.
Content = Union[bytes, int]

_ENOENT = 2
_NS_PER_S = 1_000_000_000
_USUAL = Facts(
    clock_ticks_per_s=100,
    page_size_bytes=4096,
    byte_order="little",
    wall_clock_ns=1_700_000_000 * _NS_PER_S,
    reader_pid=1000,
    reader_euid=0,
)


class MemoryHost(Host):
    """Files of one or more moments, each moment ``interval_s`` after the one before.

    >>> host = MemoryHost([{"/proc/uptime": b"10.00 5.00\\n"}, {"/proc/uptime": 13}])
    >>> host.read("/proc/uptime")
    b'10.00 5.00\\n'
    >>> host.advance(1.0)
    True
    >>> host.read("/proc/uptime")
    Traceback (most recent call last):
        ...
    kdiag.host.base.ReadError: /proc/uptime: not permitted (EACCES)
    """

    kind = "memory"
    root = "memory"

    def __init__(
        self,
        moments: Sequence[Mapping[str, Content]],
        *,
        interval_s: float = 1.0,
        facts: Facts = _USUAL,
        sizes: Optional[Mapping[str, int]] = None,
        links: Optional[Mapping[str, str]] = None,
        file_systems: Optional[Mapping[str, Union[FileSystemSize, int]]] = None,
        users: Optional[Mapping[int, str]] = None,
    ) -> None:
        self._moments = list(moments)
        self._interval_ns = round(interval_s * _NS_PER_S)
        self._facts = facts
        self._sizes = dict(sizes or {})
        self._links = dict(links or {})
        self._file_systems = dict(file_systems or {})
        self._users = dict(users or {})
        self._now = 0
        self._folders: Dict[str, List[str]] = _folders(self._moments[0])

    @property
    def facts(self) -> Facts:
        if self._facts.wall_clock_ns is None:
            return self._facts
        return self._facts._replace(wall_clock_ns=self._facts.wall_clock_ns + self._now * self._interval_ns)

    def reading(self, path: str, may_block: bool = False) -> Reading:
        content = self._moments[self._now].get(path, _ENOENT)
        if isinstance(content, int):
            raise ReadError.from_errno(path, content)
        stamp_ns = 1000 * _NS_PER_S + self._now * self._interval_ns
        return Reading(path, content, stamp_ns, stamp_ns)

    def list(self, path: str) -> List[str]:
        names = self._folders.get(path.rstrip("/"))
        if names is None:
            raise ReadError.from_errno(path, _ENOENT)
        return names

    def readlink(self, path: str) -> str:
        if path not in self._links:
            raise ReadError.from_errno(path, _ENOENT)
        return self._links[path]

    def size_bytes(self, path: str) -> int:
        if path not in self._sizes:
            raise ReadError.from_errno(path, _ENOENT)
        return self._sizes[path]

    def statvfs(self, path: str, may_block: bool = True) -> FileSystemSize:
        answer = self._file_systems.get(path, _ENOENT)
        if isinstance(answer, int):
            raise ReadError.from_errno(path, answer)
        return answer

    def user_name(self, uid: int) -> Optional[str]:
        return self._users.get(uid)

    def advance(self, seconds: float) -> bool:
        if self._now + 1 >= len(self._moments):
            return False
        self._now += 1
        self._folders = _folders(self._moments[self._now])
        return True


def _folders(files: Mapping[str, Content]) -> Dict[str, List[str]]:
    """Return the names in each folder that the paths imply."""
    names: Dict[str, set[str]] = {}
    for path in files:
        folder, _, name = path.rpartition("/")
        while name:
            names.setdefault(folder, set()).add(name)
            folder, _, name = folder.rpartition("/")
    return {folder: sorted(found) for folder, found in names.items()}
