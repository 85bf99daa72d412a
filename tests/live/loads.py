"""Loads of known size: what was really done is returned, for kdiag's figures to be held against.

A load that lasts is a context manager; at its end its processes are killed and waited for. Children are made
by fork alone: starting another interpreter takes seconds where the processor is emulated.
"""

import contextlib
import ctypes
import mmap
import os
import resource
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Callable, Iterator, List, NamedTuple, Tuple

__all__ = [
    "CLONE_NUMBERS",
    "PAGE",
    "Child",
    "Ready",
    "anonymous",
    "burning",
    "child",
    "forks",
    "full_tmpfs",
    "listen_overflows",
    "lost_datagrams",
    "major_faults",
    "minor_faults",
    "opens",
    "overflowing",
    "switches",
    "tmpfs",
    "vfork_parent",
    "write_around_the_cache",
    "writing",
    "zombies",
]

_PR_SET_NAME, _PR_SET_PDEATHSIG = 15, 1
_CLONE_VFORK = 0x4000
_CLONE = {"x86_64": 56, "aarch64": 220}
#: clone(2), by the machine.
CLONE_NUMBERS = tuple(_CLONE.values())
_MADV_NOHUGEPAGE, _MADV_RANDOM = 15, 1
PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None, use_errno=True)


#: What a child's work calls when its load is there.
Ready = Callable[[str], None]


class Child(NamedTuple):
    """A process that holds a load until it is killed; ``said`` is what it reported when it was ready."""

    pid: int
    said: str

    def cpu_ticks(self) -> Tuple[int, int]:
        """Return its user and system time, in clock ticks, as the kernel has it now."""
        fields = Path(f"/proc/{self.pid}/stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[11]), int(fields[12])


@contextlib.contextmanager
def child(work: Callable[[Ready], None], name: str = "kd-load") -> Iterator[Child]:
    """Fork a process that does ``work``, which says when it is ready, and then goes on or sleeps.

    It is named ``name`` (15 bytes at most), leads a process group of its own, and dies with this process.
    """
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        _as_child(work, name, write_end)
    os.close(write_end)
    with contextlib.suppress(PermissionError):  # it may have come first
        os.setpgid(pid, pid)
    try:
        with os.fdopen(read_end) as told:
            said = told.readline()
        assert said.endswith("\n") and not said.startswith("!"), f"the load {name!r} failed: {said}"
        yield Child(pid, said.rstrip("\n"))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _as_child(work: Callable[[Ready], None], name: str, write_end: int) -> None:
    code = 1

    def ready(said: str = "") -> None:
        os.write(write_end, f"{said}\n".encode())
        os.close(write_end)

    try:
        os.setpgid(0, 0)
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _libc.prctl(_PR_SET_NAME, name.encode())
        work(ready)
        while True:
            signal.pause()
    except BaseException as error:  # noqa: BLE001 - nothing may leave a forked child but its exit
        with contextlib.suppress(OSError):
            os.write(write_end, f"!{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(code)


# Loads that last


@contextlib.contextmanager
def burning(tasks: int, nice: int = 0, name: str = "kd-burn") -> Iterator[List[Child]]:
    """Keep CPUs busy in user mode, each of some processes as much as it gets."""

    def burn(ready: Ready) -> None:
        os.nice(nice)
        ready("")
        while True:
            pass

    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(child(burn, name)) for _ in range(tasks)]


@contextlib.contextmanager
def vfork_parent(name: str = "kd-vfork") -> Iterator[Child]:
    """Hold a process in state D: the caller of vfork(2) waits so until its child ends.

    clone(2) with CLONE_VFORK alone waits alike and gives the child memory of its own, so that both are safe.
    The sleep can be killed (TASK_KILLABLE), and is shown as D all the same.
    """

    def wait_for_child(ready: Ready) -> None:
        flags = _CLONE_VFORK | signal.SIGCHLD
        before = os.getpid()
        _libc.syscall(_CLONE[os.uname().machine], flags, 0, 0, 0, 0)
        assert os.getpid() != before  # the child alone comes here: its parent waits
        ready("")
        while True:
            signal.pause()

    with child(wait_for_child, name) as parent:
        wait_for_state(parent.pid, "D")
        yield parent


@contextlib.contextmanager
def stopped(name: str = "kd-stop") -> Iterator[Child]:
    """Hold a process stopped (state T)."""
    with child(lambda ready: ready(""), name) as held:
        os.kill(held.pid, signal.SIGSTOP)
        wait_for_state(held.pid, "T")
        yield held


@contextlib.contextmanager
def zombies(count: int, name: str = "kd-parent") -> Iterator[Child]:
    """Make a process with dead children that it does not wait for."""

    def bear(ready: Ready) -> None:
        for _ in range(count):
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            wait_for_state(pid, "Z")
        ready("")

    with child(bear, name) as parent:
        yield parent


@contextlib.contextmanager
def open_files(count: int, limit: int, name: str = "kd-files") -> Iterator[Child]:
    """Make a process that has so many descriptors open, under a limit of its own."""

    def fill(ready: Ready) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        # The descriptors that it got from its parent count too; `ready` closes one more.
        held = len(os.listdir("/proc/self/fd")) - 1
        for _ in range(count - held + 1):
            os.open("/dev/null", os.O_RDONLY)
        ready("")

    with child(fill, name) as holder:
        yield holder


@contextlib.contextmanager
def threads(count: int, name: str = "kd-threads") -> Iterator[Child]:
    """Make a process with so many threads (the first one counts), of which the first uses the CPU."""

    def spawn(ready: Ready) -> None:
        import threading

        threading.stack_size(64 << 10)
        for _ in range(count - 1):
            threading.Thread(target=signal.pause, daemon=True).start()
        ready("")
        while True:
            pass

    with child(spawn, name) as holder:
        yield holder


@contextlib.contextmanager
def anonymous(size_bytes: int, name: str = "kd-anon") -> Iterator[Child]:
    """Make a process with so much memory of its own, all of it touched; it uses the CPU as well."""

    def hold(ready: Ready) -> None:
        area = mmap.mmap(-1, size_bytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for offset in range(0, size_bytes, PAGE):
            area[offset] = 1
        ready("")
        while True:
            pass

    with child(hold, name) as holder:
        yield holder


@contextlib.contextmanager
def overflowing(name: str = "kd-listen") -> Iterator[Child]:
    """Let the accept queue of a socket run over, again and again."""

    def overflow(ready: Ready) -> None:
        ready("")
        while True:
            listen_overflows(6)
            time.sleep(0.05)

    with child(overflow, name) as holder:
        yield holder


@contextlib.contextmanager
def writing(path: str, name: str = "kd-write") -> Iterator[Child]:
    """Write 16 KiB around the page cache, every 10 ms or as fast as it goes, to a file that is there."""

    def write(ready: Ready) -> None:
        write_around_the_cache(path, 1, 16 << 10)
        ready("")
        while True:
            write_around_the_cache(path, 1, 16 << 10)
            time.sleep(0.01)

    with child(write, name) as writer:
        yield writer


@contextlib.contextmanager
def tmpfs(options: str, folder: str = "") -> Iterator[str]:
    """Mount a tmpfs of its own."""
    place = folder or tempfile.mkdtemp(prefix="kdiag-live-")
    if folder:
        os.mkdir(folder)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "kdiag-live", place], check=True, timeout=60)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True, timeout=60)
        os.rmdir(place)


@contextlib.contextmanager
def full_tmpfs(folder: str = "", size_bytes: int = 48 << 20) -> Iterator[str]:
    """Fill a tmpfs to its last byte."""
    with tmpfs(f"size={size_bytes}", folder) as place:
        with open(f"{place}/fill", "wb", buffering=0) as fill, contextlib.suppress(OSError):
            while fill.write(b"x" * (1 << 20)):
                pass
        yield place


def wait_for_state(pid: int, wanted: str) -> None:
    """Wait until a process is in a state, as its stat file has it."""
    deadline_s = time.monotonic() + 30
    while True:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0].decode()
        if state == wanted:
            return
        assert time.monotonic() < deadline_s, f"process {pid} is in state {state}, not {wanted}"
        time.sleep(0.005)


# Loads of a known number


def forks(count: int) -> int:
    """Fork, and wait for the child, so many times."""
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    return count


def switches(round_trips: int) -> int:
    """Pass a byte to and fro between two processes of one CPU: two context switches each time, at least."""
    allowed = os.sched_getaffinity(0)
    there, back = os.pipe(), os.pipe()
    os.sched_setaffinity(0, {min(allowed)})
    try:
        pid = os.fork()
        if pid == 0:
            for _ in range(round_trips):
                os.read(there[0], 1)
                os.write(back[1], b"x")
            os._exit(0)
        for _ in range(round_trips):
            os.write(there[1], b"x")
            os.read(back[0], 1)
        os.waitpid(pid, 0)
    finally:
        os.sched_setaffinity(0, allowed)
        for end in (*there, *back):
            os.close(end)
    return 2 * round_trips


def minor_faults(pages: int) -> int:
    """Touch pages of fresh memory, each for the first time; huge pages would take many at once."""
    area = mmap.mmap(-1, pages * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.madvise(_MADV_NOHUGEPAGE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for page in range(pages):
        area[page * PAGE] = 1
    done = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    area.close()
    assert done >= pages
    return done


def major_faults(folder: str, pages: int) -> int:
    """Read pages of a mapped file that is not in memory; return the process's own count of major faults."""
    path = f"{folder}/kdiag-live-{os.getpid()}"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, os.urandom(pages * PAGE))
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        with mmap.mmap(handle, pages * PAGE, mmap.MAP_SHARED, mmap.PROT_READ) as area:
            area.madvise(_MADV_RANDOM)  # no reading ahead
            before = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
            for page in range(pages):
                area[page * PAGE]
            return resource.getrusage(resource.RUSAGE_SELF).ru_majflt - before
    finally:
        os.close(handle)
        os.unlink(path)


def write_around_the_cache(path: str, writes: int, size_bytes: int) -> int:
    """Write so many times, a request to the disk each; return the bytes. The file or disk must be there."""
    buffer = mmap.mmap(-1, size_bytes)  # aligned as O_DIRECT wants it
    handle = os.open(path, os.O_WRONLY | os.O_DIRECT)
    try:
        return sum(os.pwrite(handle, buffer, number * size_bytes) for number in range(writes))
    finally:
        os.close(handle)


def listen_overflows(connections: int) -> int:
    """Connect to a socket that never accepts and has room for few; return how many were too many.

    The kernel lets one more wait than the backlog says (sk_acceptq_is_full, include/net/sock.h).
    """
    backlog = 1
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(backlog)
        for _ in range(connections):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(server.getsockname())
            time.sleep(0.001)
    return connections - (backlog + 1)


def lost_datagrams(count: int) -> int:
    """Send datagrams to a socket that is not read; return how many it had no room for."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        receiver.bind(("127.0.0.1", 0))
        for _ in range(count):
            sender.sendto(b"x" * 512, receiver.getsockname())
        receiver.setblocking(False)
        received = 0
        with contextlib.suppress(BlockingIOError):
            while receiver.recv(1024):
                received += 1
    return count - received


def opens(path: str, count: int) -> int:
    """Open a file and close it, so many times."""
    for _ in range(count):
        os.close(os.open(path, os.O_RDONLY))
    return count


def look_up_missing(folder: str, count: int) -> int:
    """Ask for names that do not exist: each leaves a negative dentry on a file system that keeps them."""
    for number in range(count):
        with contextlib.suppress(FileNotFoundError):
            os.stat(f"{folder}/missing-{number}")
    return count
