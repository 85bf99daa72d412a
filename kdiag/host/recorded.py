"""A recorded host: a folder or a tar that kdiag made, or a bare copy of /proc that anybody made.

A recording of kdiag answers what it was asked when it was made, failures included, and nothing else: any
other path is ``not_recorded``, which is not the same as absent. A bare copy (a folder that holds ``proc``,
or the files of /proc themselves) has no manifest. So its facts are unknown, its files have no time stamps,
and a missing file is ``not_recorded``, since nobody knows whether the kernel lacked it. So is an empty file
of /proc: their size is 0 until they are read, and whatever copies by size (tar, rsync) leaves them empty.
Nothing of the machine on which kdiag runs is asked for: no page size, no clock, no user name.
"""

import os
from typing import Dict, List, Optional, Tuple, Union

from kdiag.host.archive import Archive
from kdiag.host.base import Facts, Failure, FileSystemSize, Host, ReadError, Reading
from kdiag.host.folder import OPERATIONS, Folder
from kdiag.host.guard import Guard
from kdiag.host.manifest import Entry, load_header, load_manifest
from kdiag.host.recording import BUNDLE, MANIFEST, BadRecording, place

__all__ = ["RecordedHost"]

_REMEDY = (
    "give a folder or tar that `kdiag record` made, a copy of /proc or a folder that holds one, "
    "or a root below which proc is mounted"
)


class RecordedHost(Host):
    """A host as a recording shows it, one sample after the other."""

    kind = "recorded"

    def __init__(self, path: str, *, timeout_s: float = 1.0, budget_s: float = 5.0) -> None:
        self.root = path
        #: Why the recording is not whole, if it is not.
        self.incomplete: Optional[str] = None
        self._now = 0
        self._facts: Tuple[Facts, ...] = (Facts(),)
        self._users: Dict[int, Optional[str]] = {}
        self._links: Dict[str, str] = {}
        #: What the host was asked, by operation, path and sample; ``None`` if only the files are there.
        self._entries: Optional[Dict[Tuple[str, str, int], Entry]] = None
        self._guard = Guard(OPERATIONS, timeout_s=timeout_s, budget_s=budget_s)
        try:
            self._files = self._open()
            self._layout, self._top = self._recognize()
            if self._layout == "bundle":
                self._load()
        except BaseException as error:
            self._guard.close()
            if isinstance(error, ReadError):
                raise BadRecording.from_failure(error.failure, _REMEDY) from None
            raise

    @property
    def facts(self) -> Facts:
        return self._facts[self._now]

    @property
    def notes(self) -> Tuple[str, ...]:
        return () if self.incomplete is None else (f"the recording is not whole: {self.incomplete}",)

    def reading(self, path: str, may_block: bool = False) -> Reading:
        if self._entries is None:
            data = self._files.read(self._name(path), path)
            if not data and path.startswith("/proc/"):
                raise ReadError(Failure(path, "not_recorded", None, "it is empty, as if copied by its size"))
            return Reading(path, data, None, None)
        entry = self._entry("read", path)
        sample = self._now if entry.stored_in is None else entry.stored_in
        try:
            data = self._files.read(self._top + place(path, sample), path)
        except ReadError as error:
            if error.failure.kind == "not_recorded":
                raise _damaged(path, "its bytes are missing") from None
            raise
        if len(data) != entry.size_bytes:
            raise _damaged(path, f"it has {len(data)} bytes, of {entry.size_bytes} that were recorded")
        return Reading(path, data, entry.started_ns, entry.ended_ns)

    def list(self, path: str) -> List[str]:
        path = path.rstrip("/") or "/"
        if self._entries is None:
            return self._files.list(self._name(path), path)
        names: List[str] = self._entry("list", path).value
        return names

    def readlink(self, path: str) -> str:
        if self._entries is None:
            return self._files.readlink(self._name(path), path)
        text: str = self._entry("link", path).value
        return text

    def size_bytes(self, path: str) -> int:
        size: int = self._entry("size", path).value
        return size

    def statvfs(self, path: str, may_block: bool = True) -> FileSystemSize:
        sizes: FileSystemSize = self._entry("statvfs", path).value
        return sizes

    def user_name(self, uid: int) -> Optional[str]:
        return self._users.get(uid)

    def advance(self, seconds: float) -> bool:
        if self._now + 1 >= len(self._facts):
            return False
        self._now += 1
        return True

    def close(self) -> None:
        self._guard.close()

    def _open(self) -> Union[Folder, Archive]:
        if not self.root:
            raise BadRecording("''", "an empty path", _REMEDY)
        where = os.path.abspath(self.root)
        if self._guard.call(self.root, "look", where) == "folder":
            return Folder(self._guard, where)
        archive = Archive(self._guard, self.root, where)
        self.incomplete = archive.damage
        return archive

    def _recognize(self) -> Tuple[str, str]:
        """Return the layout and the folder that it is in."""
        for top in ("", self._files.top):
            names = self._files.list(top.rstrip("/"), self.root)
            if BUNDLE in names:
                return "bundle", top
            if "proc" in names and self._files.list(f"{top}proc", self.root):
                return "tree", top
            if "stat" in names and ("meminfo" in names or "loadavg" in names):
                return "proc", top
        what = self.incomplete or "neither a recording nor a copy of /proc"
        raise BadRecording(self.root, what, _REMEDY)

    def _load(self) -> None:
        header = load_header(self._files.read(self._top + BUNDLE, self.root), self.root)
        if MANIFEST not in self._files.list(self._top.rstrip("/"), self.root):
            self.incomplete = self.incomplete or f"{MANIFEST} is missing: the recording was cut off"
            later = header.facts._replace(wall_clock_ns=None)
            self._facts = (header.facts, *(later for _ in range(self._count_later_samples())))
            return
        manifest = load_manifest(self._files.read(self._top + MANIFEST, self.root), self.root)
        if manifest.end_reason != "done":
            self.incomplete = f"the recording ended early: {manifest.end_reason}"
        self._facts = manifest.facts
        self._users = manifest.users
        self._entries = {(entry.op, entry.path, entry.sample): entry for entry in manifest.entries}

    def _count_later_samples(self) -> int:
        try:
            names = self._files.list(f"{self._top}samples", self.root)
        except ReadError:
            return 0
        count = 0
        while str(count + 1) in names:
            count += 1
        return count

    def _name(self, path: str) -> str:
        """Return where a path of the host lies in a recording without a manifest."""
        if self._layout == "bundle":
            return self._top + place(path, self._now)
        path = self._unlinked(path)
        if self._layout == "tree":
            return self._top + path[1:]
        if path != "/proc" and not path.startswith("/proc/"):
            raise ReadError(Failure(path, "not_recorded"))
        return (self._top + path[len("/proc/") :]).rstrip("/")

    def _unlinked(self, path: str) -> str:
        """Take the two ways that links of /proc itself lead, if the copy kept them: to a PID, and its net."""
        words = path.split("/")
        if words[1:3] == ["proc", "net"] and self._link("net") == "self/net":
            words[2:3] = ["self", "net"]
        if words[1:3] == ["proc", "self"]:
            pid = self._link("self")
            if pid.isascii() and pid.isdigit():
                words[2] = pid
        return "/".join(words)

    def _link(self, name: str) -> str:
        """Return where a link of /proc points in a bare copy, nothing if it is none there."""
        if name not in self._links:
            below = "proc/" if self._layout == "tree" else ""
            try:
                self._links[name] = self._files.readlink(f"{self._top}{below}{name}", f"/proc/{name}")
            except ReadError:
                self._links[name] = ""
        return self._links[name]

    def _entry(self, op: str, path: str) -> Entry:
        """Return what the host answered then, or raise as it failed then."""
        entry = (self._entries or {}).get((op, path, self._now))
        if entry is None:
            raise ReadError(Failure(path, "not_recorded"))
        if entry.status != "ok":
            raise ReadError(Failure(path, entry.status, entry.errno, entry.detail))
        return entry


def _damaged(path: str, what: str) -> ReadError:
    return ReadError(Failure(path, "error", None, f"the recording is damaged: {what}"))
