"""Starts the process that runs BCC, tells it what to attach, and receives the maps.

What BCC and the compiler print goes to a file without a name, and is quoted when a step fails. A step that
takes too long is a hang, and the process is killed. Its end, however it comes, detaches everything; the
maps live on as long as their descriptors here.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from typing import IO, Any, Dict, Iterator, List, Optional, Tuple

from kdiag.ebpf.bcc.failures import BccError, failure_of
from kdiag.ebpf.bcc.headers import MACHINES, stub_headers
from kdiag.host.kernel_log import KernelLog
from kdiag.records import NamedTuple

__all__ = ["HOOK_KINDS", "BccHook", "BccProcess", "BccProgram", "attach", "load", "pythons"]

#: The Pythons that distributions package BCC for.
_PYTHONS = ("/usr/bin/python3", "/usr/libexec/platform-python")
_CHOSEN = "KDIAG_BCC_PYTHON"
_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "process.py")
#: How many probes are too many is not for BCC to say, whose limit is 1000.
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "BCC_PROBE_LIMIT": "1000000"}

# Reading a hundred megabytes of libraries from a cold disk took an emulated machine 17 s.
_IMPORT_S, _COMPILE_S, _ATTACH_S, _FAREWELL_S = 60.0, 120.0, 20.0, 5.0
#: Attaching and detaching a kprobe waits until no CPU runs the old code.
_PER_HOOK_S = 0.2
#: The flag that tells a program which process BCC runs in, unless it is given one.
_HELPER_TGID = "-DHELPER_TGID="
_MESSAGE_BYTES = 1 << 20
_TEXT_BYTES = 256 << 10
_MAX_DESCRIPTORS = 253  # SCM_MAX_FD

#: What a function can be attached to, and how that is named.
HOOK_KINDS: Dict[str, str] = {
    "raw_tracepoint": "an event's own name: sched_switch",
    "tracepoint": "an event with its category: sched:sched_switch",
    "kprobe": "a function of the kernel",
    "kretprobe": "a function of the kernel",
    "uprobe": "PATH:SYMBOL, or PATH:0x and the address that the file gives it",
    "uretprobe": "PATH:SYMBOL, or PATH:0x and the address that the file gives it",
    "perf_event": "how many times a second on each CPU, by the CPU's clock",
}


class BccHook(NamedTuple):
    """A function of a program and what it is attached to: a key of :data:`HOOK_KINDS`, and the name of it."""

    kind: str
    name: str
    function: str


class BccProgram(NamedTuple):
    """A program: its text in C, the compiler's flags (``-DOFF_PID=1264``), and where its functions go."""

    text: str
    cflags: Tuple[str, ...]
    hooks: Tuple[BccHook, ...]


class BccProcess:
    """A process that has loaded a program; a context manager.

    ``maps`` are descriptors by name. Whoever takes one closes it; :meth:`close` closes those that are still
    there. ``seconds`` tells how long each step took.
    """

    def __init__(
        self, python: str, process: "subprocess.Popen[bytes]", channel: socket.socket, text: IO[bytes]
    ) -> None:
        self.python = python
        self.pid = process.pid
        self.version = ""
        self.maps: Dict[str, int] = {}
        self.seconds: Dict[str, float] = {}
        self._process = process
        self._channel = channel
        self._text = text
        self._folder = ""
        self._patience_s = 0.0
        self._log = KernelLog()

    def __enter__(self) -> "BccProcess":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def attach(self) -> None:
        """Attach every hook; raises :exc:`BccError`, and the process is gone then."""
        with self._ended_if_it_fails():
            self._send({"attach": True}, "attach")
            self._receive("ready", "attach", _ATTACH_S + self._patience_s)

    def detach(self) -> None:
        """End the process, and with it all that is attached; the maps can still be read.

        Raises :exc:`BccError` if it does not end even when it is killed: what it attached may still count.
        """
        self._channel.close()
        try:
            self._process.wait(_FAREWELL_S + self._patience_s)
        except subprocess.TimeoutExpired:
            self._kill()
        self._text.close()
        self._log.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)  # if it was killed before it could
        if self._process.poll() is None:
            raise BccError("detach", None, f"process {self.pid} does not end, and its probes may still count")

    def close(self) -> None:
        """End the process and close the maps that nobody has taken."""
        try:
            self.detach()
        finally:
            for descriptor in self.maps.values():
                os.close(descriptor)
            self.maps.clear()

    def load(self, program: BccProgram, headers: Optional[Dict[str, str]]) -> None:
        """Have it import BCC, compile and load; for :func:`load`."""
        with self._ended_if_it_fails():
            self._patience_s = _PER_HOOK_S * len(program.hooks)
            flags = program.cflags
            if not any(flag.startswith(_HELPER_TGID) for flag in flags):
                flags = (*flags, f"{_HELPER_TGID}{self.pid}")
            request = {"text": program.text, "cflags": flags, "hooks": program.hooks}
            self._send(dict(request, headers=headers), "import")
            told, _ = self._receive("headers", "headers", _IMPORT_S)
            self._folder = str(told["folder"])
            told, _ = self._receive("import", "import", _IMPORT_S)
            self.version = str(told["version"])
            self._receive("compile", "compile", _COMPILE_S)
            self._folder = ""  # it has removed it
            self._receive("load", "load", _COMPILE_S + self._patience_s)
            told, descriptors = self._receive("maps", "maps", _ATTACH_S)
            self.maps = dict(zip(told["names"], descriptors))
            if len(self.maps) != len(told["names"]):
                reason = f"{len(descriptors)} descriptors of {len(told['names'])} maps arrived"
                raise BccError("maps", None, reason, "raise the limit of open files (ulimit -n)")

    @contextlib.contextmanager
    def _ended_if_it_fails(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.close()
            raise

    def _send(self, message: Dict[str, Any], step: str) -> None:
        try:
            self._channel.send(json.dumps(message).encode("utf-8"))
        except OSError as error:
            self._process.wait(_FAREWELL_S)
            raise self._failure(step, f"it took no message ({error.strerror})", error.errno) from None

    def _receive(self, wanted: str, step: str, timeout_s: float) -> Tuple[Dict[str, Any], List[int]]:
        """Return the answer that is waited for, and the descriptors that came with it."""
        if not _readable(self._channel, timeout_s):
            self._kill()
            raise self._failure(step, f"no answer within {timeout_s:g} s: it was killed", None)
        data, ancillary, _, _ = self._channel.recvmsg(
            _MESSAGE_BYTES, socket.CMSG_SPACE(_MAX_DESCRIPTORS * 4), socket.MSG_CMSG_CLOEXEC
        )
        descriptors = [
            each
            for level, kind, content in ancillary
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            for (each,) in struct.iter_unpack("=i", content[: len(content) // 4 * 4])
        ]
        try:
            return self._understood(data, wanted, step), descriptors
        except BaseException:
            for each in descriptors:
                os.close(each)
            raise

    def _understood(self, data: bytes, wanted: str, step: str) -> Dict[str, Any]:
        if not data:
            raise self._failure(step, f"the process ended: {self._how_it_ended()}", None)
        try:
            told = json.loads(data.decode("utf-8"))
            if told["step"] == "failed":
                raise self._failure(str(told["at"]), str(told["error"]), told["errno"])
            if told["step"] != wanted:
                raise ValueError(f"{told['step']} instead of {wanted}")
        except (ValueError, KeyError, TypeError) as error:
            self._kill()
            raise self._failure(step, f"its answer is not to be understood: {error!r}", None) from None
        if "seconds" in told:
            self.seconds[wanted] = float(told["seconds"])
        return dict(told)

    def _failure(self, step: str, error: str, number: Optional[int]) -> BccError:
        text = os.pread(self._text.fileno(), _TEXT_BYTES, 0).decode("utf-8", "replace")
        # Of this process: the log names who was refused by the first 15 bytes of the program's name.
        said = self._log.new_lines(f"Lockdown: {os.path.basename(self.python)[:15]}:")
        return failure_of(step, error, number, text, euid=os.geteuid(), kernel_log=said)

    def _how_it_ended(self) -> str:
        try:
            status = self._process.wait(_FAREWELL_S)
        except subprocess.TimeoutExpired:
            self._kill()
            return "it closed its socket"
        return f"killed by {signal.Signals(-status).name}" if status < 0 else f"status {status}"

    def _kill(self) -> None:
        # Its whole group, which is its own: looking for the kernel's headers, BCC starts modprobe and tar.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_FAREWELL_S + self._patience_s)


def pythons() -> Tuple[str, ...]:
    """Return the Pythons that may have BCC: ``$KDIAG_BCC_PYTHON``, else those that have packages of it."""
    chosen = os.environ.get(_CHOSEN)
    if chosen:
        return (os.path.abspath(chosen),)
    return tuple(each for each in _PYTHONS if os.access(each, os.X_OK))


def load(program: BccProgram, *, headers: str = "stub", script: str = _SCRIPT) -> BccProcess:
    """Compile and load a program; nothing is attached yet.

    ``headers`` are kdiag's own few (``stub``) or the kernel's, if they are there (``kernel``). Raises
    :exc:`BccError`; nothing is left then.
    """
    uname = os.uname()
    texts: Optional[Dict[str, str]] = None
    if headers == "stub":
        if uname.machine not in MACHINES:
            reason = f"kdiag has headers for {' and '.join(MACHINES)} alone, this is {uname.machine}"
            raise BccError("headers", None, reason, "install the kernel's headers")
        texts = stub_headers(uname.machine, uname.release, os.sysconf("SC_PAGE_SIZE"))
    failed: List[BccError] = []
    for python in pythons():
        process = _start(python, script)
        try:
            process.load(program, texts)
        except BccError as error:
            failed.append(error)
            if error.step == "import":
                continue  # the next one may have it
            raise
        return process
    if failed:
        raise failed[0]
    raise BccError("import", None, f"there is no {_PYTHONS[0]}", f"name the Python that has BCC in {_CHOSEN}")


def attach(program: BccProgram, *, headers: str = "stub") -> BccProcess:
    """Load a program and attach it at once; raises :exc:`BccError`."""
    process = load(program, headers=headers)
    process.attach()
    return process


def _start(python: str, script: str) -> BccProcess:
    try:
        text = tempfile.TemporaryFile()  # noqa: SIM115 - it is open as long as the process
    except OSError as error:
        raise BccError("headers", error.errno, f"no temporary file: {error.strerror}", "set TMPDIR") from None
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = dict(_ENVIRONMENT)
    if "TMPDIR" in os.environ:
        environment["TMPDIR"] = os.environ["TMPDIR"]
    try:
        process = subprocess.Popen(  # noqa: S603 - a fixed command, no shell
            [python, "-I", "-B", script, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=text,
            stderr=text,
            cwd="/",
            env=environment,
            pass_fds=(theirs.fileno(),),
            # The terminal's Ctrl-C is for kdiag, which reads the maps and then ends the process.
            start_new_session=True,
        )
    except OSError as error:
        ours.close()
        text.close()
        remedy = f"name the Python that has BCC in {_CHOSEN}"
        raise BccError("import", error.errno, f"{python}: {error.strerror}", remedy) from None
    finally:
        theirs.close()
    return BccProcess(python, process, ours, text)


def _readable(channel: socket.socket, timeout_s: float) -> bool:
    poller = select.poll()
    poller.register(channel, select.POLLIN)
    end_s = time.monotonic() + timeout_s
    while True:
        left_s = end_s - time.monotonic()
        if left_s <= 0:
            return False
        if poller.poll(left_s * 1000):
            return True
