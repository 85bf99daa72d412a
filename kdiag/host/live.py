"""The live machine: the kernel's own files, below ``/`` or below a mount of the host such as ``/host``.

How kernel files want to be read:

- One read(2) is not the file: seq_file gives about a page per call for files of many records. Read on
  until nothing comes.
- A file of /proc/sys gets a kernel buffer of the size asked for, whatever it holds: ask for one page.
- ``O_NONBLOCK`` keeps an open from waiting. A driver's EAGAIN, EINVAL or EIO (hwmon, thermal zones) is an
  answer like any other and never retried.
- Files that take the lock of a task's memory (cmdline, maps), or wait for the end of its execve(2) (stack),
  can block without end. A killable child reads those for whoever says ``may_block``; it asks statvfs(2), and
  it looks up users that are not in ``/etc/passwd`` (a dead LDAP server).

With a root other than ``/``, the files of a namespace would be those of whoever reads them. ``/proc/net``,
``/proc/mounts`` and ``/proc/self/mountinfo`` are then taken from PID 1 of that root; where that is not
permitted, or PID 1 cannot be seen, the reader's own are used, and :attr:`LiveHost.own_view` names them.
Of the host name and of ``/proc/sys/net`` PID 1 has no file: unless it is known to be in the namespace of the
reader, ``/etc/hostname`` stands for the one, and the other is named too. A mount of that root may be out of
sight below it (bound without ``rslave``), and statvfs(2) would then answer for the file system underneath.
User names come from that root's ``/etc/passwd`` alone, and the reader's PID is the one which that root's
procfs shows, as ``/`` may have the procfs of another PID namespace too.
"""

import errno
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Tuple, TypeVar

from kdiag.host.base import Facts, Failure, FileSystemSize, Host, ReadError, Reading, kind_of_errno

if TYPE_CHECKING:
    from kdiag.host.guard import Guard

__all__ = ["MAX_FILE_BYTES", "LiveHost"]

#: A longer file is an error, never cut off in silence.
MAX_FILE_BYTES = 8 << 20
#: What is longer on healthy hosts: with many modules, kallsyms has 300,000 lines.
_LARGE_FILES = {"/proc/kallsyms": 64 << 20}

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_BUFFER_BYTES = 64 << 10
_SYSCTL_BUFFER_BYTES = 4 << 10

#: Whose files show a namespace, and where PID 1 has the same.
_OF_PID_1 = {
    "/proc/mounts": "/proc/1/mounts",
    "/proc/net": "/proc/1/net",
    "/proc/self/mountinfo": "/proc/1/mountinfo",
}
#: What shows the reader's namespace and has no twin of PID 1, by the namespace's name below ``/proc/PID/ns``.
_HOSTNAME = "/proc/sys/kernel/hostname"
_OF_READER = {_HOSTNAME: "uts", "/proc/sys/net": "net"}

_Answer = TypeVar("_Answer")


class LiveHost(Host):
    r"""The machine underneath, as its kernel shows it now.

    >>> LiveHost().read("/proc/sys/kernel/ostype")
    b'Linux\n'
    """

    kind = "live"

    def __init__(self, root: str = "/", *, timeout_s: float = 1.0, budget_s: float = 5.0) -> None:
        self.root = root
        #: Paths that were read from the reader's own namespaces, which need not be those of PID 1.
        self.own_view: List[str] = []
        self._shared: Dict[str, bool] = {}
        self._prefix = os.path.abspath(root).rstrip("/")
        self._timeout_s = timeout_s
        self._budget_s = budget_s
        self._guard: Optional[Guard] = None
        self._users: Optional[Dict[int, Optional[str]]] = None
        self._facts = self._gather_facts()

    @property
    def facts(self) -> Facts:
        return self._facts

    @property
    def notes(self) -> Tuple[str, ...]:
        if not self.own_view:
            return ()
        return (f"of kdiag's own namespaces, which need not be the host's: {', '.join(self.own_view)}",)

    def reading(self, path: str, may_block: bool = False) -> Reading:
        started_ns = time.monotonic_ns()
        if may_block:
            data: bytes = self._ask(path, "read", self._prefix + self._for_child(path))
        else:
            data = self._do(path, _read)
        return Reading(path, data, started_ns, time.monotonic_ns())

    def list(self, path: str) -> List[str]:
        return sorted(self._do(path, _list))

    def readlink(self, path: str) -> str:
        return self._do(path, _readlink)

    def size_bytes(self, path: str) -> int:
        return self._do(path, _size_bytes)

    def statvfs(self, path: str, may_block: bool = True) -> FileSystemSize:
        name = "statvfs_of_mount" if self._prefix and path != "/" else "statvfs"
        try:
            if may_block:
                return FileSystemSize(*self._ask(path, name, self._prefix + path))
            return FileSystemSize(*self._do(path, _GUARDED[name]))
        except ReadError as error:
            if error.failure.errno != errno.ENOENT:
                raise
        # That is not the kernel's want of a file, so it must not count as absent.
        what = "no such mount is in sight here"
        if self._prefix:
            what = (
                f"its mount is not in sight below {self.root}: bind / there recursively, as a slave (rslave)"
            )
        raise ReadError(Failure(path, "error", None, what))

    def user_name(self, uid: int) -> Optional[str]:
        if self._users is None:
            self._users = self._users_in_file()
        if uid not in self._users and not self._prefix:
            try:
                self._users[uid] = self._ask("/etc/passwd", "user_name", uid)
            except ReadError:  # a name is for show; the uid is shown where there is none
                self._users[uid] = None
        return self._users.get(uid)

    def advance(self, seconds: float) -> bool:
        time.sleep(seconds)
        if self._guard is not None:
            self._guard.earn(seconds)
        self._facts = self._gather_facts()
        return True

    def close(self) -> None:
        if self._guard is not None:
            self._guard.close()

    def _do(self, path: str, operation: Callable[[str], _Answer]) -> _Answer:
        try:
            if self._prefix and _base(path) in _OF_PID_1:
                return self._do_as_pid_1(path, operation)
            if self._prefix and _base(path) in _OF_READER:
                return self._do_as_reader(path, operation)
            return operation(self._prefix + path)
        except OSError as error:
            raise self._failed(path, error.errno) from None
        except ValueError:  # a NUL in it, or surrogates that stand for no byte
            raise ReadError(Failure(path, "error", None, "not a path")) from None

    def _do_as_pid_1(self, path: str, operation: Callable[[str], _Answer]) -> _Answer:
        try:
            return operation(self._prefix + _as_pid_1(path))
        except OSError as error:
            kind = kind_of_errno(error.errno)
            seen = os.path.exists(self._prefix + _OF_PID_1[_base(path)])
            if kind != "denied" and (kind != "absent" or seen):
                raise
        return self._do_in_own_view(path, operation)

    def _do_as_reader(self, path: str, operation: Callable[[str], _Answer]) -> _Answer:
        namespace = _OF_READER[_base(path)]
        if namespace not in self._shared:
            self._shared[namespace] = self._shares(namespace)
        if self._shared[namespace]:
            return operation(self._prefix + path)
        if path == _HOSTNAME and os.path.exists(f"{self._prefix}/etc/hostname"):
            return operation(f"{self._prefix}/etc/hostname")
        return self._do_in_own_view(path, operation)

    def _do_in_own_view(self, path: str, operation: Callable[[str], _Answer]) -> _Answer:
        answer = operation(self._prefix + path)
        if path not in self.own_view:
            self.own_view.append(path)
        return answer

    def _shares(self, namespace: str) -> bool:
        """Tell whether the reader is known to be in the same namespace as PID 1 of this root."""
        try:
            return os.path.samefile(f"{self._prefix}/proc/1/ns/{namespace}", f"/proc/self/ns/{namespace}")
        except OSError:  # only who may trace PID 1 is told
            return False

    def _for_child(self, path: str) -> str:
        """Return the path that shows a child what this one shows us: it has a /proc/self of its own."""
        if self._prefix and _base(path) in _OF_PID_1:
            return _as_pid_1(path)
        if path.startswith("/proc/self/") and self._facts.reader_pid is not None:
            return f"/proc/{self._facts.reader_pid}{path[len('/proc/self') :]}"
        return path

    def _ask(self, path: str, operation: str, *arguments: Any) -> Any:
        """Let the child do it."""
        if self._guard is None:
            from kdiag.host.guard import Guard

            self._guard = Guard(_GUARDED, timeout_s=self._timeout_s, budget_s=self._budget_s)
        try:
            return self._guard.call(path, operation, *arguments)
        except ReadError as error:
            if error.failure.errno is None or error.failure.detail:
                raise
            raise self._failed(path, error.failure.errno) from None

    def _failed(self, path: str, number: Optional[int]) -> ReadError:
        if number == errno.ENOENT and self._has_ended(path):
            return ReadError(Failure(path, "vanished", number))
        if number == errno.EFBIG:
            return ReadError.from_errno(path, number, f"longer than {_max_bytes(path) >> 20} MiB")
        return ReadError.from_errno(path, number)

    def _has_ended(self, path: str) -> bool:
        """Tell a file that this kernel lacks from one whose process (or thread) is gone: both are ENOENT."""
        parts = path.split("/")
        if parts[1:2] != ["proc"] or not "".join(parts[2:3]).isdigit():
            return False
        task = parts[: 5 if parts[3:4] == ["task"] else 3]
        return not os.path.exists(self._prefix + "/".join(task))

    def _gather_facts(self) -> Facts:
        return Facts(
            clock_ticks_per_s=os.sysconf("SC_CLK_TCK"),
            page_size_bytes=os.sysconf("SC_PAGESIZE"),
            byte_order=sys.byteorder,
            wall_clock_ns=time.time_ns(),
            reader_pid=self._own_pid(),
            reader_euid=os.geteuid(),
        )

    def _own_pid(self) -> Optional[int]:
        try:
            return int(os.readlink(self._prefix + "/proc/self"))
        except (OSError, ValueError):  # a procfs of a PID namespace that we are not in
            return None

    def _users_in_file(self) -> Dict[int, Optional[str]]:
        try:
            lines = self.read("/etc/passwd").split(b"\n")
        except ReadError:
            return {}
        fields = [line.split(b":") for line in lines]
        # The first entry of a uid is the one that getpwuid(3) finds.
        return {
            int(entry[2]): entry[0].decode("utf-8", "surrogateescape")
            for entry in reversed(fields)
            if len(entry) > 2 and entry[2].isdigit()
        }


def _base(path: str) -> str:
    """Return the part of a path that :data:`_OF_PID_1` or :data:`_OF_READER` may know."""
    for folder in ("/proc/net", "/proc/sys/net"):
        if path.startswith(f"{folder}/"):
            return folder
    return path


def _as_pid_1(path: str) -> str:
    base = _base(path)
    return _OF_PID_1[base] + path[len(base) :]


def _read(where: str) -> bytes:
    size = _SYSCTL_BUFFER_BYTES if "/proc/sys/" in where else _BUFFER_BYTES
    descriptor = os.open(_local(where), _FLAGS)
    try:
        data = os.read(descriptor, size)
        more = os.read(descriptor, size) if data else b""
        return data if not more else _read_on(descriptor, size, [data, more], _max_bytes(where))
    finally:
        os.close(descriptor)


def _max_bytes(where: str) -> int:
    return next((limit for name, limit in _LARGE_FILES.items() if where.endswith(name)), MAX_FILE_BYTES)


def _read_on(descriptor: int, size: int, chunks: List[bytes], max_bytes: int) -> bytes:
    total = sum(map(len, chunks))
    while chunks[-1]:
        if total > max_bytes:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        chunks.append(os.read(descriptor, size))
        total += len(chunks[-1])
    return b"".join(chunks)


def _list(where: str) -> List[str]:
    return [_decoded(name) for name in os.listdir(_local(where))]


def _readlink(where: str) -> str:
    return _decoded(os.readlink(_local(where)))


def _size_bytes(where: str) -> int:
    return os.stat(_local(where)).st_size


def _statvfs(where: str) -> Tuple[int, ...]:
    told = os.statvfs(_local(where))
    return (
        told.f_frsize or told.f_bsize,
        told.f_blocks,
        told.f_bfree,
        told.f_bavail,
        told.f_files,
        told.f_ffree,
        told.f_favail,
    )


def _statvfs_of_mount(where: str) -> Tuple[int, ...]:
    """Ask a mount that may not be there: a folder on the device of its parent folder is none."""
    if os.stat(_local(where)).st_dev == os.stat(_local(os.path.dirname(where))).st_dev:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return _statvfs(where)


def _user_name(uid: int) -> Optional[str]:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return None


def _local(where: str) -> str:
    """Return a path that Python encodes to the kernel's bytes, whatever the locale; ASCII does already."""
    return where if where.isascii() else os.fsdecode(where.encode("utf-8", "surrogateescape"))


def _decoded(name: str) -> str:
    """Return a name that Python decoded by the locale as the rest of kdiag decodes names."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "surrogateescape")


_GUARDED: Dict[str, Callable[..., Any]] = {
    "read": _read,
    "statvfs": _statvfs,
    "statvfs_of_mount": _statvfs_of_mount,
    "user_name": _user_name,
}
