"""The journal of global writes: what was there before, on disk before it is changed.

A file ``/run/kdiag/NAME.json`` of JSON lines: the boot, then for each file of tracefs its old content before
the first write, and after each write what the kernel shows of it. A kdiag that was killed is undone from it
(:func:`replay`), but only where the file still is as the dead one left it: what somebody changed since is
theirs. /run does not survive a boot; where it does (a container's), the boot id tells.

Trap: a kdiag that was killed in a container has its journal in that container's /run.
"""

import errno
import json
import os
import stat
from contextlib import suppress
from typing import Any, Dict, List

from kdiag.ftrace.tracefs import TraceFs, TraceFsError
from kdiag.host.base import Host, ReadError

__all__ = ["FOLDER", "Journal", "UnsafeFolder", "leftovers", "replay", "restore"]

FOLDER = "/run/kdiag"
_SUFFIX = ".json"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Lists of functions or pids: comments aside, what is read is what can be written, a word at a time.
_LISTS = frozenset(
    "set_graph_function set_graph_notrace set_ftrace_filter set_ftrace_notrace set_ftrace_pid "
    "set_ftrace_notrace_pid set_event_pid set_event_notrace_pid".split()
)
_NO_PIDS = "no pid"


class UnsafeFolder(Exception):
    """The folder of journals is not root's alone, so what lies in it cannot be trusted."""


class Journal:
    """An open journal; :meth:`old` before a change, :meth:`now` after it, :meth:`remove` at the end."""

    def __init__(self, host: Host, name: str, folder: str = FOLDER) -> None:
        self._folder = _open_folder(folder, make=True)
        self._name = name + _SUFFIX
        try:
            self._file = os.open(self._name, _NEW, 0o600, dir_fd=self._folder)
            self._add({"boot_id": _boot_id(host), "name": name})
            os.fsync(self._folder)
        except BaseException:
            os.close(self._folder)
            raise

    def old(self, path: str, content: str) -> None:
        """Note what a file holds, and see it on disk."""
        self._add({"path": path, "old": content})

    def now(self, path: str, content: str) -> None:
        """Note what the kernel shows after the write."""
        self._add({"path": path, "now": content})

    def remove(self) -> None:
        """Everything is as it was."""
        os.unlink(self._name, dir_fd=self._folder)
        self.close()

    def close(self) -> None:
        """Leave the journal for the next kdiag."""
        os.close(self._file)
        os.close(self._folder)

    def _add(self, entry: Dict[str, str]) -> None:
        data = (json.dumps(entry) + "\n").encode()
        written = os.write(self._file, data)
        if written != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(self._file)


def leftovers(folder: str = FOLDER) -> List[str]:
    """Return the names of journals that there are."""
    try:
        opened = _open_folder(folder, make=False)
    except FileNotFoundError:
        return []
    try:
        return sorted(name for name in os.listdir(opened) if name.endswith(_SUFFIX))
    finally:
        os.close(opened)


def replay(tracefs: TraceFs, host: Host, folder: str = FOLDER) -> List[str]:
    """Undo what the journals of dead sessions say, and remove them; return in words what was done.

    Only whoever holds the lock of all that is global may do this: then no journal is anybody's who lives.
    """
    notes: List[str] = []
    for name in leftovers(folder):
        opened = _open_folder(folder, make=False)
        try:
            entries = _read(opened, name)
            boot = _boot_id(host)
            same_boot = bool(boot) and any(entry.get("boot_id") == boot for entry in entries)
            failed = _undo(tracefs, entries, notes) if same_boot else False
            if not failed and not tracefs.planned:
                os.unlink(name, dir_fd=opened)
        finally:
            os.close(opened)
    return notes


def restore(tracefs: TraceFs, path: str, old: str) -> None:
    """Write back what was read from a file, in the form that the file takes."""
    base = path.rpartition("/")[2]
    if base in _LISTS:
        tracefs.clear(path)
        for line in old.split("\n"):
            word = line.split(" ")[0]
            # Comments say that the list is empty; with ":" it is a command, which clearing did not remove.
            if word and not word.startswith("#") and ":" not in word and line != _NO_PIDS:
                tracefs.append(path, word + "\n")
        return
    text = old.strip()
    if base == "trace_clock":
        text = text.partition("[")[2].partition("]")[0]
    elif "(expanded:" in text:
        # Never used before, it would have got that size at its first use.
        text = text.partition("(expanded:")[2].strip(" )")
    if text:
        tracefs.write(path, text + "\n")
    else:
        tracefs.clear(path)


def _undo(tracefs: TraceFs, entries: List[Dict[str, Any]], notes: List[str]) -> bool:
    """Restore the files of one journal, last changed first; return whether something could not be."""
    first: Dict[str, str] = {}
    last: Dict[str, str] = {}
    for entry in entries:
        path = entry.get("path")
        if isinstance(path, str) and _is_plain(path):
            if isinstance(entry.get("old"), str):
                first.setdefault(path, entry["old"])
            if isinstance(entry.get("now"), str):
                last[path] = entry["now"]
    failed = False
    for path, old in reversed(list(first.items())):
        shown = tracefs.path(path)
        try:
            current = tracefs.read(path)
            if current == old:
                continue
            if path in last and current != last[path] and not _by_dead_man(path, current):
                notes.append(f"{shown}: somebody changed it since a kdiag that was killed; left as it is")
                continue
            restore(tracefs, path, old)
            notes.append(f"{shown}: put back to what it was before a kdiag that was killed")
        except TraceFsError as error:
            failed = True
            notes.append(f"{shown}: could not be put back: {error}")
    return failed


def _by_dead_man(path: str, current: str) -> bool:
    """Tell whether the kernel itself made the change, when the dead one's ``free_buffer`` was closed."""
    return (path == "tracing_on" and current.strip() == "0") or path == "buffer_size_kb"


def _is_plain(path: str) -> bool:
    return not path.startswith("/") and ".." not in path.split("/")


def _read(folder: int, name: str) -> List[Dict[str, Any]]:
    opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    with open(opened, encoding="utf-8", errors="replace") as file:
        text = file.read()
    entries: List[Dict[str, Any]] = []
    for line in text.split("\n")[:-1]:  # without its newline, a line was cut off: what it is for was not done
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            entries.append(entry)
    return entries


def _open_folder(folder: str, make: bool) -> int:
    if make:
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    opened = os.open(folder, _FOLDER)
    found = os.fstat(opened)
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        os.close(opened)
        raise UnsafeFolder(
            f"{folder} must be a folder that belongs to root and is closed to all others (mode 0700): "
            "what is in it says what kdiag writes to tracefs"
        )
    return opened


def _boot_id(host: Host) -> str:
    try:
        return host.read("/proc/sys/kernel/random/boot_id").decode("ascii", "replace").strip()
    except ReadError:
        return ""
