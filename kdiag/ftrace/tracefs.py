"""Finding tracefs, and reading and writing its control files, with the kernel's words on errors.

Documented in Documentation/trace/ftrace.rst. tracefs is one for the whole machine: not of a namespace, and
process ids in it are those of the initial PID namespace.

Traps. Opening ``kprobe_events``, ``uprobe_events``, ``synthetic_events``, ``dynamic_events`` with O_TRUNC
removes everybody's definitions, and opening an event's ``trigger`` with it removes all hist triggers there:
:meth:`TraceFs.write` refuses those names, :meth:`TraceFs.append` is for them. A refused command is explained
in ``error_log`` (since 5.2) of the instance for filters and triggers, of the top level for dynamic events;
the errno alone differs between kernels. Kernels locked down for confidentiality show an empty tracefs.
"""

import errno
import os
from typing import List, Optional, Tuple

from kdiag.ftrace.error_log import explanation
from kdiag.host.base import Host, ReadError
from kdiag.procfs.mountinfo import parse_mountinfo
from kdiag.records import NamedTuple

__all__ = ["NoTraceFs", "PlannedTraceFs", "TraceFs", "TraceFsError", "Write", "find_tracefs"]

_USUAL = "/sys/kernel/tracing"
#: Truncating one of these at open destroys what belongs to others; every event has a ``trigger``.
_NEVER_TRUNCATED = ("kprobe_events", "uprobe_events", "synthetic_events", "dynamic_events", "trigger")
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
#: One read(2) of a seq_file gives a page or so; the biggest (available_filter_functions) has some MiB.
_CHUNK_BYTES = 64 << 10
_CONFIDENTIALITY = "the kernel is locked down for confidentiality, which leaves tracefs empty"
_LOCKDOWN_REMEDY = "boot with lockdown=integrity or without lockdown; the choice cannot be undone at run time"


class NoTraceFs(Exception):
    """There is no tracefs to be had: why, and what would help."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason + (f" ({remedy})" if remedy else ""))
        self.reason = reason
        self.remedy = remedy


class TraceFsError(Exception):
    """The kernel refused an access: which file, what was written, its own explanation, and what to try."""

    def __init__(
        self,
        path: str,
        number: int,
        written: Optional[str] = None,
        kernel_log: str = "",
        remedy: str = "",
    ) -> None:
        self.path = path
        self.errno = number
        self.written = written
        self.kernel_log = kernel_log
        self.remedy = remedy
        super().__init__(path, number, written, kernel_log, remedy)

    def __str__(self) -> str:
        name = errno.errorcode.get(self.errno, str(self.errno))
        what = "" if self.written is None else f": the kernel refused {self.written.rstrip()!r}"
        parts = [f"{self.path}{what}: {os.strerror(self.errno)} ({name})"]
        if self.kernel_log:
            parts.append(self.kernel_log)
        if self.remedy:
            parts.append(self.remedy)
        return "\n".join(parts)


class Write(NamedTuple):
    """One change to tracefs, as ``--dry-run`` shows it.

    ``how``: ``<-`` write, ``+=`` append, ``mkdir``, ``rmdir``, ``hold`` (a descriptor that is kept open).
    """

    path: str
    how: str
    text: str = ""

    def __str__(self) -> str:
        if self.how in ("<-", "+="):
            return f"{self.path} {self.how} {self.text.rstrip()}".rstrip()
        return f"{self.how} {self.path}"


class TraceFs:
    """The root of tracefs, or of an instance; names are relative to it.

    ``root`` is where its files can be opened, ``shown`` how users and the kernel's documents call it.
    Text is UTF-8 with surrogates for what is not.
    """

    planned = False

    def __init__(
        self, root: str, *, shown: str = "", top: "Optional[TraceFs]" = None, descriptor: Optional[int] = None
    ) -> None:
        self.root = root
        self.shown = shown or root
        self._top = top
        #: Keeps a private mount alive; it ends with the process.
        self._descriptor = descriptor

    @property
    def top(self) -> "TraceFs":
        """The root of tracefs: this one, or that which the instance belongs to."""
        return self._top or self

    @property
    def is_private_mount(self) -> bool:
        """Whether kdiag mounted tracefs itself, where nobody else sees it."""
        return self.top._descriptor is not None

    def path(self, name: str) -> str:
        """Return the path of a file as users know it."""
        return f"{self.shown}/{name}" if name else self.shown

    def open_path(self, name: str) -> str:
        """Return the path by which this process can open a file."""
        return self._place(name)

    def read_bytes(self, name: str) -> bytes:
        """Read a whole control file (not a pipe)."""
        try:
            descriptor = os.open(self._place(name), _READ)
            try:
                chunks = [os.read(descriptor, _CHUNK_BYTES)]
                while chunks[-1]:
                    chunks.append(os.read(descriptor, _CHUNK_BYTES))
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._failed(name, error) from None
        return b"".join(chunks)

    def read(self, name: str) -> str:
        """Read a whole control file as text."""
        return self.read_bytes(name).decode("utf-8", "surrogateescape")

    def exists(self, name: str) -> bool:
        """Tell whether there is such a file or folder, whoever may open it."""
        return os.path.exists(self._place(name))

    def list(self, name: str = "") -> List[str]:
        """Return the names in a folder, sorted."""
        try:
            return sorted(os.listdir(self._place(name)))
        except OSError as error:
            raise self._failed(name, error) from None

    def write(self, name: str, text: str) -> None:
        """Open with O_TRUNC and write once; refused for files where that would take what others defined."""
        if name.rpartition("/")[2] in _NEVER_TRUNCATED:
            raise ValueError(f"{name} must be appended to: O_TRUNC removes what others have defined")
        self._write(name, os.O_TRUNC, text)

    def append(self, name: str, text: str) -> None:
        """Open with O_APPEND and write once: one command."""
        self._write(name, os.O_APPEND, text)

    def clear(self, name: str) -> None:
        """Open with O_TRUNC and write nothing, which empties lists of pids, functions, filters."""
        if name.rpartition("/")[2] in _NEVER_TRUNCATED:
            raise ValueError(f"{name} must not be cleared: O_TRUNC removes what others have defined")
        self._write(name, os.O_TRUNC, "")

    def clear_triggers(self, name: str) -> None:
        """Remove all triggers of an event, whoever set them: in an instance of kdiag's own only.

        A histogram whose variables another uses stays, without an error.
        """
        if "/instances/kdiag-" not in self.path(name):
            raise ValueError(f"{self.path(name)} may hold triggers of others")
        self._write(name, os.O_TRUNC, "")

    def mkdir(self, name: str) -> None:
        """Make an instance (below ``instances``)."""
        try:
            os.mkdir(self._place(name), 0o750)
        except OSError as error:
            raise self._failed(name, error) from None

    def rmdir(self, name: str) -> None:
        """Remove an instance: the kernel frees all that it held, unless somebody has a file of it open."""
        try:
            os.rmdir(self._place(name))
        except OSError as error:
            raise self._failed(name, error) from None

    def open(self, name: str, flags: int) -> int:
        """Open a file that is kept open (a pipe, ``free_buffer``); closed on exec."""
        try:
            return os.open(self._place(name), flags | os.O_CLOEXEC)
        except OSError as error:
            raise self._failed(name, error) from None

    def below(self, name: str) -> "TraceFs":
        """Return the instance ``name`` (``instances/NAME``) with the same interface."""
        return TraceFs(self._place(name), shown=self.path(name), top=self.top)

    def _place(self, name: str) -> str:
        where = f"{self.root}/{name}" if name else self.root
        return where if where.isascii() else os.fsdecode(where.encode("utf-8", "surrogateescape"))

    def _write(self, name: str, flag: int, text: str) -> None:
        data = text.encode("utf-8", "surrogateescape")
        try:
            descriptor = os.open(self._place(name), os.O_WRONLY | os.O_CLOEXEC | flag)
            try:
                # Lists of words take one at each write(2) and say how far they came; others take all.
                while data:
                    data = data[os.write(descriptor, data) :]
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._failed(name, error, text) from None

    def _failed(self, name: str, error: OSError, text: Optional[str] = None) -> TraceFsError:
        number = error.errno or errno.EIO
        told, remedy = self._kernel_log(name, text), ""
        if not told and text is not None and number in (errno.EPERM, errno.EACCES):
            remedy = "this takes root, and a kernel whose lockdown or security module allows it"
        return TraceFsError(self.path(name), number, text, told, remedy)

    def _kernel_log(self, name: str, text: Optional[str]) -> str:
        """Return what the kernel says of the command it just refused, nothing where it says nothing."""
        if not text or not text.strip():
            return ""
        for where in (self,) if self is self.top else (self, self.top):
            try:
                told = explanation(where.read("error_log"), text)
            except TraceFsError:  # before 5.2 there is none; what is reported is the refused write itself
                continue
            if told:
                return told
        return ""


class PlannedTraceFs(TraceFs):
    """tracefs for ``--dry-run``: reads are real, changes are only listed, in order, in :attr:`plan`.

    A folder whose making was planned reads as the one above its ``instances``, whose files it would have.
    """

    planned = True

    def __init__(
        self,
        real: TraceFs,
        *,
        plan: Optional[List[Write]] = None,
        shown: str = "",
        top: Optional[TraceFs] = None,
    ) -> None:
        super().__init__(real.root, shown=shown or real.shown, top=top, descriptor=real._descriptor)
        self._real = real
        self.plan: List[Write] = [] if plan is None else plan

    def mkdir(self, name: str) -> None:
        """Plan it."""
        self.plan.append(Write(self.path(name), "mkdir"))

    def rmdir(self, name: str) -> None:
        """Plan it."""
        self.plan.append(Write(self.path(name), "rmdir"))

    def open(self, name: str, flags: int) -> int:
        """Plan to hold it open, and return a descriptor of nothing; reading is real."""
        if flags & os.O_ACCMODE == os.O_RDONLY:
            return self._real.open(name, flags)
        self.plan.append(Write(self.path(name), "hold"))
        return os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)

    def below(self, name: str) -> TraceFs:
        """Return the instance, existing or planned; its changes go into the same plan."""
        exists = self._real.exists(name)
        real = self._real.below(name) if exists else self._real
        return PlannedTraceFs(real, plan=self.plan, shown=self.path(name), top=self.top)

    def _write(self, name: str, flag: int, text: str) -> None:
        self.plan.append(Write(self.path(name), "<-" if flag & os.O_TRUNC else "+=", text))


def find_tracefs(host: Host, *, mount: bool = True) -> TraceFs:
    """Find tracefs of a live host: where it is mounted, else mounted privately if that may be done.

    Raises :exc:`NoTraceFs` with the reason and a remedy.
    """
    if host.kind != "live":
        raise NoTraceFs("a recording has no tracefs", "run this on the host itself")
    denied: List[str] = []
    read_only: Optional[TraceFs] = None
    for place, writable, device in _mounted(host):
        found = TraceFs(_below_root(host, place), shown=place)
        problem = _what_is_wrong(found, device)
        if problem == errno.EACCES:
            denied.append(place)
        elif problem is None and writable:
            return found
        elif problem is None:
            read_only = read_only or found
    if not _built_in(host):
        raise NoTraceFs("this kernel has no tracefs", "it takes a kernel with CONFIG_TRACING")
    if mount and not denied:
        return _mounted_privately(read_only)
    if denied:
        raise NoTraceFs(f"{denied[0]}: not permitted", "run kdiag as root")
    if read_only is not None:
        raise NoTraceFs(f"{read_only.shown} is mounted read-only", "mount it for writing")
    raise NoTraceFs("tracefs is not mounted", f"mount -t tracefs tracefs {_USUAL}")


def _mounted(host: Host) -> List[Tuple[str, bool, Optional[int]]]:
    """Return where tracefs may be, the usual place first, whether for writing, and its device."""
    try:
        mounts = parse_mountinfo(host.read("/proc/self/mountinfo")).mounts
    except ReadError:
        return [(_USUAL, True, None), ("/sys/kernel/debug/tracing", True, None)]
    places = [
        (mount.mount_point, not mount.read_only, os.makedev(mount.major, mount.minor))
        for mount in mounts
        if mount.fs_type == "tracefs" and mount.root == "/"
    ]
    # Where debugfs is mounted, looking below it makes the kernel mount tracefs there (until that is removed),
    # which would show in the mount table; so only what is mounted there already counts.
    return sorted(places, key=lambda each: (not each[1], each[0] != _USUAL))


def _below_root(host: Host, place: str) -> str:
    prefix = host.root.rstrip("/")
    return prefix + place


def _what_is_wrong(tracefs: TraceFs, device: Optional[int]) -> Optional[int]:
    """Return the errno of looking into it, ENOENT where it is not really there or covered; raise if empty.

    What is mounted in the host's namespace need not be in sight below a root that was bound elsewhere.
    """
    try:
        if device is not None and os.stat(tracefs.root).st_dev != device:
            return errno.ENOENT
        names = tracefs.list()
    except (OSError, TraceFsError) as error:
        return errno.EACCES if error.errno in (errno.EACCES, errno.EPERM) else errno.ENOENT
    if not names:
        raise NoTraceFs(_CONFIDENTIALITY, _LOCKDOWN_REMEDY)
    return None if "trace_clock" in names else errno.ENOENT


def _built_in(host: Host) -> bool:
    try:
        known = host.read("/proc/filesystems")
    except ReadError:
        return True  # not known: trying will tell
    return b"\ttracefs\n" in known


def _mounted_privately(read_only: Optional[TraceFs]) -> TraceFs:
    from kdiag.ftrace.private_mount import mount_privately

    what = "tracefs is not mounted" if read_only is None else f"{read_only.shown} is mounted read-only"
    try:
        descriptor = mount_privately()
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES):
            raise NoTraceFs(
                f"{what}, and mounting it is not permitted",
                "run kdiag as root with CAP_SYS_ADMIN, or let root mount it: "
                f"mount -t tracefs tracefs {_USUAL}",
            ) from None
        if error.errno == errno.ENODEV:
            raise NoTraceFs("this kernel has no tracefs", "it takes a kernel with CONFIG_TRACING") from None
        raise NoTraceFs(f"{what}, and mounting it failed: {error.strerror}") from None
    found = TraceFs(f"/proc/self/fd/{descriptor}", shown=_USUAL, descriptor=descriptor)
    if not found.list():
        raise NoTraceFs(_CONFIDENTIALITY, _LOCKDOWN_REMEDY)
    return found
