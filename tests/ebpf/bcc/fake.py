"""A Python that has a BCC of the test's own: a few lines tell what it does where the real one compiles."""

import sys
from pathlib import Path
from textwrap import dedent

__all__ = ["make_python", "make_script"]

_BCC = """
import ctypes, os, signal, sys, time

__version__ = "0.99"


class _Function:
    fd = 42


class BPF:
    RAW_TRACEPOINT, TRACEPOINT, KPROBE, PERF_EVENT = 17, 5, 2, 7
    module = 7

    def __init__(self, text, cflags):
        self.funcs = {}
        self.read, self.write = os.pipe()
        headers = os.environ.get("BCC_KERNEL_SOURCE", "")
        compile(text, cflags, headers)

    def load_func(self, name, kind):
        self.funcs[name] = _Function()
        load(name, kind)

    def attach_kprobe(self, event, fn_name):
        attach("kprobe", event, fn_name)

    def attach_uprobe(self, fn_name, **place):
        attach("uprobe", place, fn_name)

    def attach_perf_event(self, **what):
        attach("perf_event", what, what["fn_name"])

    def cleanup(self):
        raise Exception("Failed to detach BPF from kprobe")


def compile(text, cflags, headers):
    pass


def load(name, kind):
    pass


def attach(kind, name, function):
    os.write(2, ("attached %s %s %s\\n" % (kind, name, function)).encode())


exec(os.environ["FAKE_BCC"])
"""
_LIB = """
import os

import bcc


class lib:
    def bpf_num_tables(module):
        return 2

    def bpf_table_name(module, index):
        return [b"counts", b"losses"][index]

    def bpf_table_fd_id(module, index):
        return os.open("/dev/null" if index else "/dev/zero", os.O_RDONLY)

    def bpf_attach_raw_tracepoint(fd, name):
        bcc.attach("raw_tracepoint", fd, name)
        return 3
"""


def make_python(folder: Path, behaviour: str = "") -> str:
    """Return a Python whose ``bcc`` does what it does unless ``behaviour`` defines it anew."""
    package = folder / "packages" / "bcc"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(_BCC)
    (package / "libbcc.py").write_text(_LIB)
    text = f"""\
#!{sys.executable}
import os, runpy, sys
assert sys.argv[1:3] == ["-I", "-B"]
sys.path.insert(0, {str(package.parent)!r})
sys.dont_write_bytecode = True
os.environ["FAKE_BCC"] = {dedent(behaviour)!r}
sys.argv = sys.argv[3:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    return _executable(folder / "python", text)


def make_script(folder: Path, body: str) -> str:
    """Return a script to run in the place of the one that runs BCC; ``say(...)`` sends a message."""
    start = """\
    import json, os, signal, socket, sys, time
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=int(sys.argv[1]))
    def say(**message):
        channel.send(json.dumps(message).encode())
    request = json.loads(channel.recv(1 << 20))
    """
    path = folder / "script.py"
    path.write_text(dedent(start) + dedent(body))
    return str(path)


def _executable(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)
