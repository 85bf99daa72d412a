"""What runs BCC: a script for the distribution's own Python, started by :mod:`kdiag.ebpf.bcc.client`.

BCC is packaged for that Python alone, prints what it likes to descriptors 1 and 2, changes the working
directory and may hang in the compiler: all of that stays in this process. It compiles, loads and attaches,
and hands the descriptors of the maps over. When its client closes the socket or dies, it ends, and with it
all that it attached.

It imports nothing of kdiag and keeps to the syntax of Python 3.6, which platform-python of RHEL 8 is.

Run as ``PYTHON -I -B process.py SOCKET``. A message on that socket (SOCK_SEQPACKET) is a JSON object. The
client sends ``{"text", "cflags", "hooks": [[kind, name, function]], "headers": {path: text} or null}`` and
later ``{"attach": true}``; the answers are ``{"step": ...}``, with headers, import, compile, load, maps,
ready, or failed.
"""

import array
import contextlib
import ctypes
import json
import os
import resource
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from typing import Any, Dict, List

_MESSAGE_BYTES = 1 << 20
_FAREWELL_S = 5.0
_PR_SET_PDEATHSIG = 1
_CLONE_NEWNS, _MS_REC, _MS_SLAVE = 0x20000, 1 << 14, 1 << 19
_TRACEFS = "/sys/kernel/tracing"
#: perf_event.h: PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK.
_SOFTWARE, _CPU_CLOCK = 1, 0


class _Folder:
    """The folder of the stub headers, which is there while the compiler runs and goes in any case."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.path = ""

    def make(self, headers: Dict[str, str]) -> str:
        with self.lock:
            self.path = tempfile.mkdtemp(prefix="kdiag-headers-")
            for name, text in headers.items():
                path = os.path.join(self.path, name)
                os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
                with open(path, "w") as file:
                    file.write(text)
            return self.path

    def remove(self) -> None:
        with self.lock:
            if self.path:
                shutil.rmtree(self.path, ignore_errors=True)


class _Channel:
    """The socket to the client."""

    def __init__(self, descriptor: int) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=descriptor)

    def receive(self) -> Dict[str, Any]:
        data = self.socket.recv(_MESSAGE_BYTES)
        if not data:
            raise EOFError
        return dict(json.loads(data.decode("utf-8")))

    def send(self, message: Dict[str, Any], descriptors: Any = ()) -> None:
        rights = []
        if descriptors:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        self.socket.sendmsg([json.dumps(message).encode("utf-8")], rights)


class _Work:
    """Compiles, loads and attaches; ``step`` is what is being done."""

    def __init__(self, channel: _Channel, folder: _Folder) -> None:
        self.channel = channel
        self.folder = folder
        self.step = "request"
        self.idle = False
        self._started_s = 0.0
        self._program: Any = None
        self._lib: Any = None
        self._types: Dict[str, int] = {}

    def run(self) -> None:
        request = self._next()
        bcc = self._import(request)
        self._compile(bcc, request)
        self._load(request["hooks"])
        self._hand_over_maps()
        if self._next().get("attach"):
            self._begin("attach")
            for kind, name, function in request["hooks"]:
                self.step = f"attach {kind} {name}"
                _ATTACH[kind](self._program, self._lib, name, function)
            self._done("ready")
            self._next()

    def end(self) -> None:
        if self._program is not None:
            # It complains where tracefs cannot be read; the end of the process detaches everything anyway.
            with contextlib.suppress(Exception):
                self._program.cleanup()

    def _next(self) -> Dict[str, Any]:
        self.idle = True
        message = self.channel.receive()
        self.idle = False
        return message

    def _begin(self, step: str) -> None:
        self.step = step
        self._started_s = time.monotonic()
        ctypes.set_errno(0)

    def _done(self, step: str, **more: Any) -> None:
        self.channel.send(dict(more, step=step, seconds=time.monotonic() - self._started_s))

    def _import(self, request: Dict[str, Any]) -> Any:
        self._begin("headers")
        if request["headers"] is not None:
            # It is looked at when BCC is imported, and BCC changes the working directory.
            os.environ["BCC_KERNEL_SOURCE"] = self.folder.make(request["headers"])
        self._done("headers", folder=self.folder.path)
        self._begin("import")
        import bcc  # type: ignore[import-not-found,unused-ignore]
        from bcc.libbcc import lib  # type: ignore[import-not-found,unused-ignore]

        self._lib = lib
        self._done("import", version=str(getattr(bcc, "__version__", "")))
        return bcc

    def _compile(self, bcc: Any, request: Dict[str, Any]) -> None:
        _raise_memlock()
        self._begin("compile")
        try:
            self._program = bcc.BPF(text=request["text"], cflags=request["cflags"])
        finally:
            self.folder.remove()
        _die_with_parent()
        self._done("compile")
        bpf = bcc.BPF
        self._types = {
            "raw_tracepoint": bpf.RAW_TRACEPOINT,
            "tracepoint": bpf.TRACEPOINT,
            "kprobe": bpf.KPROBE,
            "kretprobe": bpf.KPROBE,
            "uprobe": bpf.KPROBE,
            "uretprobe": bpf.KPROBE,
            "perf_event": bpf.PERF_EVENT,
        }

    def _load(self, hooks: List[List[str]]) -> None:
        self._begin("load")
        for kind, _, function in hooks:
            self.step = "load " + function
            self._program.load_func(function.encode("ascii"), self._types[kind])
        self._done("load")

    def _hand_over_maps(self) -> None:
        self._begin("maps")
        # BCC's Python does not declare these functions (bcc_common.h); undeclared pointers would be cut off.
        count, name, descriptor = (
            self._lib.bpf_num_tables,
            self._lib.bpf_table_name,
            self._lib.bpf_table_fd_id,
        )
        count.argtypes, count.restype = [ctypes.c_void_p], ctypes.c_size_t
        name.argtypes, name.restype = [ctypes.c_void_p, ctypes.c_size_t], ctypes.c_char_p
        descriptor.argtypes, descriptor.restype = [ctypes.c_void_p, ctypes.c_size_t], ctypes.c_int
        module = self._program.module
        names, descriptors = [], []
        for index in range(count(module)):
            names.append(name(module, index).decode("ascii", "replace"))
            descriptors.append(descriptor(module, index))
        self.channel.send({"step": "maps", "names": names}, descriptors)


def _raw_tracepoint(program: Any, lib: Any, name: str, function: str) -> None:
    # Not BPF.attach_raw_tracepoint, which allows one program a tracepoint.
    loaded = program.funcs[function.encode("ascii")]
    if lib.bpf_attach_raw_tracepoint(loaded.fd, name.encode("ascii")) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _tracepoint(program: Any, lib: Any, name: str, function: str) -> None:
    program.attach_tracepoint(tp=name.encode("ascii"), fn_name=function.encode("ascii"))


def _kprobe(program: Any, lib: Any, name: str, function: str) -> None:
    program.attach_kprobe(event=name.encode("ascii"), fn_name=function.encode("ascii"))


def _kretprobe(program: Any, lib: Any, name: str, function: str) -> None:
    program.attach_kretprobe(event=name.encode("ascii"), fn_name=function.encode("ascii"))


def _uprobe(program: Any, lib: Any, name: str, function: str) -> None:
    program.attach_uprobe(fn_name=function.encode("ascii"), **_place(name))


def _uretprobe(program: Any, lib: Any, name: str, function: str) -> None:
    program.attach_uretprobe(fn_name=function.encode("ascii"), **_place(name))


def _place(name: str) -> Dict[str, Any]:
    path, _, symbol = name.rpartition(":")
    place: Dict[str, Any] = {"name": _as_bytes(path)}
    if symbol.startswith("0x"):
        place["addr"] = int(symbol, 16)
    else:
        place["sym"] = _as_bytes(symbol)
    return place


def _as_bytes(name: str) -> bytes:
    # Not os.fsencode, which is ASCII in the C locale of Python 3.6.
    return name.encode("utf-8", "surrogateescape")


def _perf_event(program: Any, lib: Any, name: str, function: str) -> None:
    program.attach_perf_event(
        ev_type=_SOFTWARE, ev_config=_CPU_CLOCK, fn_name=function.encode("ascii"), sample_freq=int(name)
    )


_ATTACH = {
    "raw_tracepoint": _raw_tracepoint,
    "tracepoint": _tracepoint,
    "kprobe": _kprobe,
    "kretprobe": _kretprobe,
    "uprobe": _uprobe,
    "uretprobe": _uretprobe,
    "perf_event": _perf_event,
}


def _keep_mounts_to_itself() -> None:
    """See tracefs, which BCC finds at its usual place alone, and leave no mount behind.

    BCC looks into debugfs, where the kernel then mounts tracefs, for everybody. Who may not do this is not
    served tracefs by the kernel either.
    """
    libc = ctypes.CDLL(None)
    # Not private: what others unmount meanwhile would stay busy here.
    if libc.unshare(_CLONE_NEWNS) == 0 and libc.mount(b"none", b"/", None, _MS_REC | _MS_SLAVE, None) == 0:
        with contextlib.suppress(OSError):
            if not os.listdir(_TRACEFS):
                libc.mount(b"tracefs", _TRACEFS.encode("ascii"), b"tracefs", 0, None)


def _raise_memlock() -> None:
    """Before 5.11 maps and programs count against it, and BCC itself raises it for some of them only."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _die_with_parent() -> None:
    """Have the kernel end this process if another one keeps the client's end of the socket open."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _watch(channel: _Channel, work: _Work) -> None:
    """End this process when the client is gone; the compiler lets this thread run meanwhile."""
    poller = select.poll()
    poller.register(channel.socket, 0)  # POLLHUP is told unasked
    poller.poll()
    if work.idle:
        time.sleep(_FAREWELL_S)
    with work.folder.lock:  # so that it is not made just now
        work.folder.remove()
        os._exit(1)


def main() -> None:
    """Serve one client."""
    _keep_mounts_to_itself()
    channel, folder = _Channel(int(sys.argv[1])), _Folder()
    work = _Work(channel, folder)
    threading.Thread(target=_watch, args=(channel, work), daemon=True).start()
    status = 0
    try:
        work.run()
    except EOFError:
        pass
    except Exception as error:  # noqa: BLE001 - whatever BCC raises is told to the client
        status = 1
        number = ctypes.get_errno() or getattr(error, "errno", None)
        said = f"{type(error).__name__}: {error}"
        told = {"step": "failed", "at": work.step, "errno": number, "error": said}
        ctypes.CDLL(None).fflush(None)  # what BCC has printed, so that the client can quote it
        with contextlib.suppress(OSError):
            channel.send(told)
    folder.remove()
    work.end()
    # Not sys.exit: BCC's own clean-up at exit would do all of it again.
    os._exit(status)


if __name__ == "__main__":
    main()
