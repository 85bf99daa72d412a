"""What is to be watched: a command that kdiag starts, or threads that are there already.

A started command waits before its exec until :meth:`Target.release`, so that everything can be set up for its
thread id first. It runs with kdiag's own standard streams, as under strace; all other descriptors of kdiag
are closed on exec. If kdiag dies before the release, the command never runs.
"""

import errno
import os
import shutil
import signal
import sys
import time
from typing import List, NoReturn, Optional, Sequence, Tuple

from kdiag.host.base import Host, ReadError

__all__ = ["CannotRun", "NoSuchTarget", "Target"]

_ENDED_BY_US_S = 2.0
_POLL_S = 0.01
_CGROUP_MOUNT = "/sys/fs/cgroup/"
#: Python ignores these; a command must not inherit that.
_AS_USUAL = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CannotRun(Exception):
    """The command could not be run: its name, and the errno of execve(2)."""

    def __init__(self, command: str, number: int) -> None:
        super().__init__(f"{command}: cannot be run: {os.strerror(number)}")
        self.command = command
        self.errno = number


class NoSuchTarget(Exception):
    """There is no such process, or none of that name."""


class Target:
    """Threads to be watched.

    ``pid`` is the process, ``None`` where several were found by name. Thread ids are those of the procfs that
    the host shows.
    """

    def __init__(self, host: Host, pids: Sequence[int], shown: str) -> None:
        self.host = host
        self.pids = tuple(pids)
        self.shown = shown
        #: The exit status as shells count it (128 + signal), once a started command has ended.
        self.exit_status: Optional[int] = None
        self.started = False
        self._thread_only = False
        #: The command as this process knows it; the host's procfs may be that of another PID namespace.
        self._child = 0
        self._go: Optional[int] = None
        self._told: Optional[int] = None
        self._born = [_start_ticks(host, pid) for pid in pids]

    @classmethod
    def start(cls, host: Host, argv: Sequence[str], *, stdout: Optional[int] = None) -> "Target":
        """Start a command that waits for :meth:`release`; ``stdout`` is a descriptor to write to instead."""
        sys.stdout.flush()
        sys.stderr.flush()
        go_read, go_write = os.pipe()
        told_read, told_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(go_write)
            os.close(told_read)
            _become(argv, go_read, told_write, stdout)
        os.close(go_read)
        os.close(told_write)
        made = cls(host, (_as_host_shows(host, pid),), " ".join(argv))
        made.started, made._child, made._go, made._told = True, pid, go_write, told_read
        return made

    @classmethod
    def attach(cls, host: Host, pid: int) -> "Target":
        """Watch a process (or a single thread, by its id) that is there."""
        try:
            status = host.read(f"/proc/{pid}/status")
        except ReadError as error:
            why = "" if error.failure.kind in ("absent", "vanished") else f": {error.failure}"
            raise NoSuchTarget(f"there is no process {pid}{why}") from None
        fields = dict(line.split(b":", 1) for line in status.split(b"\n") if b":" in line)
        of_process = fields.get(b"Tgid", b"%d" % pid).strip() == b"%d" % pid
        made = cls(host, (pid,), f"process {pid}" if of_process else f"thread {pid}")
        made._thread_only = not of_process
        return made

    @classmethod
    def named(cls, host: Host, comm: str) -> "Target":
        """Watch all processes of which a thread has this name (15 bytes at most), but for kdiag itself."""
        wanted, own = comm.encode("utf-8", "surrogateescape"), host.facts.reader_pid
        pids = [
            int(name)
            for name in host.list("/proc")
            if name.isdigit() and int(name) != own and _has_thread_named(host, int(name), wanted)
        ]
        if not pids:
            raise NoSuchTarget(f"no process is called {comm!r}")
        return cls(host, pids, comm)

    @classmethod
    def thread(cls, host: Host, tid: int) -> "Target":
        """Watch one thread, whatever else its process does."""
        made = cls.attach(host, tid)
        made.shown, made._thread_only = f"thread {tid}", True
        return made

    @classmethod
    def in_cgroup(cls, host: Host, path: str) -> "Target":
        """Watch the processes that are in a control group now, or in one below it.

        ``path`` is as in /proc/PID/cgroup (``/system.slice/ssh.service``), or below /sys/fs/cgroup. Found by
        each process's own file, so that it does not matter where hierarchies are mounted.
        """
        below = path.rstrip("/") + "/"
        below = below[len(_CGROUP_MOUNT) :] if below.startswith(_CGROUP_MOUNT) else path
        wanted = "/" + below.strip("/")
        own = host.facts.reader_pid
        pids = [
            int(name)
            for name in host.list("/proc")
            if name.isdigit() and int(name) != own and _is_in_cgroup(host, int(name), wanted)
        ]
        if not pids:
            raise NoSuchTarget(f"no process is in the control group {wanted} (as /proc/PID/cgroup has it)")
        return cls(host, pids, f"control group {wanted}")

    @property
    def pid(self) -> Optional[int]:
        """The process, if it is one."""
        return self.pids[0] if len(self.pids) == 1 else None

    def pidfd(self) -> Optional[int]:
        """Return a descriptor that poll(2) finds readable when the process ends, or ``None``.

        For a started command only, with Linux 5.3 and Python 3.9; who asks closes it.
        """
        try:
            return os.pidfd_open(self._child) if self.started else None
        except (OSError, AttributeError):
            return None

    def tids(self) -> List[int]:
        """Return the ids of all threads that there are now."""
        if self._thread_only:
            return [] if self.ended() else list(self.pids)
        found: List[int] = []
        for pid in self.pids:
            try:
                found += [int(name) for name in self.host.list(f"/proc/{pid}/task")]
            except ReadError as error:
                if error.failure.kind not in ("absent", "vanished"):
                    raise
        return sorted(found)

    def release(self) -> None:
        """Let a started command run; :exc:`CannotRun` where the kernel cannot."""
        if self._go is None or self._told is None:
            return
        go, told = self._go, self._told
        self._go = self._told = None
        try:
            os.write(go, b"\n")
            os.close(go)
            failed = os.read(told, 16)
        except BrokenPipeError:
            failed = str(errno.ECHILD).encode()  # it was killed while it waited
        finally:
            os.close(told)
        if failed:
            self._reap(block=True)
            raise CannotRun(self.shown, int(failed))

    def ended(self) -> bool:
        """Tell whether all of it is gone; of a started command, its first process counts."""
        if self.started:
            self._reap(block=False)
            return self.exit_status is not None
        return all(
            born is None or _start_ticks(self.host, pid) != born for pid, born in zip(self.pids, self._born)
        )

    def end(self) -> str:
        """End a started command that still runs; return what became of it ("" if it had ended)."""
        if not self.started or self.ended():
            return ""
        if self._go is not None:  # it never ran: it sees the pipe close, and goes
            os.close(self._go)
            if self._told is not None:
                os.close(self._told)
            self._go = self._told = None
            self._reap(block=True)
            return ""
        self._signal(signal.SIGTERM)
        end = time.monotonic() + _ENDED_BY_US_S
        while time.monotonic() < end:
            if self.ended():
                return "it was sent SIGTERM"
            time.sleep(_POLL_S)
        return f"it was sent SIGTERM, and still runs (process {self.pids[0]})"

    def _signal(self, number: signal.Signals) -> None:
        # Not reaped yet, so the id is still the command's.
        os.kill(self._child, number)

    def _reap(self, block: bool) -> None:
        if self.exit_status is not None:
            return
        try:
            pid, status = os.waitpid(self._child, 0 if block else os.WNOHANG)
        except ChildProcessError:
            self.exit_status = 0
            return
        if pid:
            self.exit_status = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _become(argv: Sequence[str], go: int, told: int, stdout: Optional[int]) -> NoReturn:
    """Wait in the child, and become the command."""
    program = shutil.which(argv[0]) or argv[0]
    try:
        for number in _AS_USUAL:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if stdout is not None:
            os.dup2(stdout, 1)
        if os.read(go, 1):
            try:
                # Found beforehand: trying every folder of PATH would be seen as calls of the command.
                os.execv(program, list(argv))  # noqa: S606 - no shell is what is wanted
            except OSError as error:
                os.write(told, str(error.errno or errno.EIO).encode())
            except ValueError:  # a NUL in a word
                os.write(told, str(errno.EINVAL).encode())
    finally:
        os._exit(127)


def _start_ticks(host: Host, pid: int) -> Optional[bytes]:
    """Return the start of a process in clock ticks, which tells it from a later one of the same id."""
    try:
        data = host.read(f"/proc/{pid}/stat")
    except ReadError:
        return None
    fields: Tuple[bytes, ...] = tuple(data.rpartition(b")")[2].split())
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return None
    return fields[19]


def _as_host_shows(host: Host, pid: int) -> int:
    """Return the id that the host's procfs shows for a child of this process.

    In a container that looks at the host's procfs, ids differ; a child is found there by its parent and by
    the last of its ``NSpid``, which is the id in its own namespace.
    """
    own = host.facts.reader_pid
    if own in (None, os.getpid()):
        return pid
    for name in host.list("/proc"):
        if not name.isdigit():
            continue
        try:
            lines = host.read(f"/proc/{name}/status").split(b"\n")
        except ReadError:  # it is gone
            continue
        fields = {key: value.split() for key, _, value in (line.partition(b":") for line in lines)}
        if fields.get(b"PPid") == [b"%d" % own] and fields.get(b"NSpid", [])[-1:] == [b"%d" % pid]:
            return int(name)
    raise NoSuchTarget(f"the command is not to be found in the /proc of {host.root}")


def _has_thread_named(host: Host, pid: int, comm: bytes) -> bool:
    try:
        names = host.list(f"/proc/{pid}/task")
    except ReadError:
        return False  # it is gone
    for tid in names:
        try:
            if host.read(f"/proc/{pid}/task/{tid}/comm").rstrip(b"\n") == comm:
                return True
        except ReadError:  # it is gone
            continue
    return False


def _is_in_cgroup(host: Host, pid: int, wanted: str) -> bool:
    try:
        lines = host.read(f"/proc/{pid}/cgroup").decode("utf-8", "surrogateescape").splitlines()
    except ReadError:
        return False  # it is gone
    paths = [line.split(":", 2)[2] for line in lines if line.count(":") >= 2]
    return any(path == wanted or path.startswith(wanted.rstrip("/") + "/") for path in paths)
