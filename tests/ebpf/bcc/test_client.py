import ast
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, List, Tuple

import pytest

from kdiag.ebpf.bcc import client
from kdiag.ebpf.bcc.client import BccHook, BccProcess, BccProgram, attach, load, pythons
from kdiag.ebpf.bcc.failures import BccError
from kdiag.host.kernel_log import KernelLog
from tests.ebpf.bcc.fake import make_python, make_script

HOOKS = (BccHook("raw_tracepoint", "sys_enter", "enter"),)
PROGRAM = BccProgram("int enter(void *ctx) { return 0; }", ("-DA=1",), HOOKS)


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))


def left_behind(tmp_path: Path) -> List[str]:
    return os.listdir(tmp_path / "tmp")


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def until(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        if condition():
            return True
        time.sleep(0.01)
    return False


class TestWithABcc:
    @pytest.fixture
    def python(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
        def make(behaviour: str) -> None:
            monkeypatch.setenv("KDIAG_BCC_PYTHON", make_python(tmp_path, behaviour))

        return make

    def test_the_maps_come_over_and_outlive_the_process(
        self, python: Callable[[str], None], tmp_path: Path
    ) -> None:
        python("")
        process = load(PROGRAM)
        assert process.version == "0.99"
        assert sorted(process.maps) == ["counts", "losses"]
        process.attach()
        assert set(process.seconds) == {"headers", "import", "compile", "load", "ready"}
        process.detach()
        assert not is_there(process.pid)
        assert os.read(process.maps["counts"], 1) == b"\0"
        assert os.read(process.maps["losses"], 1) == b""
        descriptors = tuple(process.maps.values())
        process.close()
        for descriptor in descriptors:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(descriptor)
        assert left_behind(tmp_path) == []

    def test_what_it_prints_disturbs_nothing(self, python: Callable[[str], None]) -> None:
        python("""
            def compile(text, cflags, headers):
                os.write(1, b'{"step": "failed"}\\n' * 1000)
                os.write(2, b'warning: ' * 1000)
            """)
        with attach(PROGRAM) as process:
            assert len(process.maps) == 2

    def test_the_headers_are_its_own_and_gone_when_it_has_compiled(
        self, python: Callable[[str], None], tmp_path: Path
    ) -> None:
        python(f"""
            def compile(text, cflags, headers):
                assert os.stat(headers).st_mode & 0o777 == 0o700
                assert "struct pt_regs" in open(headers + "/include/linux/ptrace.h").read()
                assert cflags == ["-DA=1", "-DHELPER_TGID=%d" % os.getpid()]
                assert os.path.dirname(headers) == {str(tmp_path / "tmp")!r}
            """)
        with load(PROGRAM):
            assert left_behind(tmp_path) == []

    def test_what_the_caller_knows_of_its_id_counts(self, python: Callable[[str], None]) -> None:
        python("""
            def compile(text, cflags, headers):
                assert cflags == ["-DHELPER_TGID=7"]
            """)
        load(PROGRAM._replace(cflags=("-DHELPER_TGID=7",))).close()

    def test_the_kernels_headers_are_left_to_bcc(self, python: Callable[[str], None]) -> None:
        python("""
            def compile(text, cflags, headers):
                assert not headers
            """)
        load(PROGRAM, headers="kernel").close()

    def test_each_kind_of_hook(self, python: Callable[[str], None], tmp_path: Path) -> None:
        hooks = (
            BccHook("raw_tracepoint", "sys_enter", "f"),
            BccHook("kprobe", "vfs_read", "g"),
            BccHook("uprobe", "/lib/with:colon.so:malloc", "h"),
            BccHook("uprobe", "/bin/bash:0x1f0", "h"),
            BccHook("uprobe", "/lib/\u00e9\udcff.so:malloc", "h"),
            BccHook("perf_event", "49", "i"),
        )
        python(f"""
            def load(name, kind):
                os.write(2, ("loaded %s %s\\n" % (name, kind)).encode())

            told = open({str(tmp_path / "told")!r}, "w")
            os.dup2(told.fileno(), 2)
            """)
        with attach(PROGRAM._replace(hooks=hooks)):
            assert (tmp_path / "told").read_text().splitlines() == [
                "loaded b'f' 17",
                "loaded b'g' 2",
                "loaded b'h' 2",
                "loaded b'h' 2",
                "loaded b'h' 2",
                "loaded b'i' 7",
                "attached raw_tracepoint 42 b'sys_enter'",
                "attached kprobe b'vfs_read' b'g'",
                "attached uprobe {'name': b'/lib/with:colon.so', 'sym': b'malloc'} b'h'",
                "attached uprobe {'name': b'/bin/bash', 'addr': 496} b'h'",
                "attached uprobe {'name': b'/lib/\\xc3\\xa9\\xff.so', 'sym': b'malloc'} b'h'",
                "attached perf_event {'ev_type': 1, 'ev_config': 0, 'fn_name': b'i', 'sample_freq': 49} b'i'",
            ]

    def test_an_error_of_the_compiler_is_quoted(self, python: Callable[[str], None], tmp_path: Path) -> None:
        python("""
            def compile(text, cflags, headers):
                os.write(2, b"/virtual/main.c:1:9: error: use of undeclared identifier 'x'\\n  x\\n")
                raise Exception("Failed to compile BPF module <text>")
            """)
        with pytest.raises(BccError) as raised:
            load(PROGRAM)
        assert (raised.value.step, raised.value.reason) == (
            "compile",
            "the program does not compile: use of undeclared identifier 'x'",
        )
        assert "undeclared identifier 'x'" in raised.value.text
        assert left_behind(tmp_path) == []

    def test_a_hook_that_is_refused_is_named(self, python: Callable[[str], None]) -> None:
        python("""
            def attach(kind, name, function):
                os.write(2, b"cannot attach kprobe, Invalid argument\\n")
                raise Exception("Failed to attach BPF program to kprobe, it's not traceable")
            """)
        process = load(PROGRAM._replace(hooks=(BccHook("kprobe", "vfs_read", "f"),)))
        descriptors = tuple(process.maps.values())
        with pytest.raises(BccError) as raised:
            process.attach()
        assert raised.value.step == "attach kprobe vfs_read"
        assert "no such function" in raised.value.reason
        assert not is_there(process.pid)
        for descriptor in descriptors:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(descriptor)

    def test_the_kernels_own_reason_is_that_of_this_process(
        self, python: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said = [
            "Lockdown: bpftrace: use of kprobes is restricted",
            "Lockdown: python: use of kprobes is restricted",
        ]

        def new_lines(log: KernelLog, start: str = "") -> Tuple[str, ...]:
            return tuple(line for line in said if line.startswith(start))

        monkeypatch.setattr(KernelLog, "new_lines", new_lines)
        python("""
            def load(name, kind):
                raise Exception("Need super-user privileges to run")
            """)
        with pytest.raises(BccError) as raised:
            load(PROGRAM)
        assert raised.value.kernel_log == tuple(said[1:])

    def test_a_compiler_that_dies_leaves_no_headers(
        self, python: Callable[[str], None], tmp_path: Path
    ) -> None:
        python("""
            def compile(text, cflags, headers):
                os.write(2, b"LLVM ERROR: Cannot select\\n")
                os.kill(os.getpid(), signal.SIGABRT)
            """)
        with pytest.raises(BccError) as raised:
            load(PROGRAM)
        assert raised.value.reason == "the compiler failed"
        assert "killed by SIGABRT" in raised.value.text
        assert left_behind(tmp_path) == []

    def test_a_compiler_that_hangs_is_killed(
        self, python: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client, "_COMPILE_S", 0.5)
        python("""
            def compile(text, cflags, headers):
                signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
                time.sleep(600)
            """)
        with pytest.raises(BccError, match=r"compile: no answer within 0\.5 s: it was killed"):
            load(PROGRAM)
        assert left_behind(tmp_path) == []

    @pytest.mark.parametrize("when", ["compiling", "attached"])
    def test_it_ends_when_its_client_is_killed(
        self, python: Callable[[str], None], tmp_path: Path, when: str
    ) -> None:
        pid_file = tmp_path / "pid"
        python(f"""
            def at_work():
                with open({str(pid_file)!r} + ".new", "w") as file:
                    file.write(str(os.getpid()))
                os.rename({str(pid_file)!r} + ".new", {str(pid_file)!r})

            def compile(text, cflags, headers):
                if {when == "compiling"}:
                    at_work()
                    time.sleep(600)

            def attach(kind, name, function):
                at_work()
            """)
        program = "from tests.ebpf.bcc.test_client import *; process = attach(PROGRAM); time.sleep(600)"
        user = subprocess.Popen([sys.executable, "-c", program])
        try:
            assert until(pid_file.exists)
            pid = int(pid_file.read_text())
            assert is_there(pid)
            if when == "compiling":
                assert left_behind(tmp_path) != []
        finally:
            user.send_signal(signal.SIGKILL)
            user.wait()
        assert until(lambda: not is_there(pid), 10)
        assert left_behind(tmp_path) == []


def test_the_script_is_one_for_older_pythons() -> None:
    ast.parse(Path(client._SCRIPT).read_text(), feature_version=(3, 6))


class TestWithSomethingElse:
    @pytest.fixture(autouse=True)
    def _python(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KDIAG_BCC_PYTHON", sys.executable)

    @pytest.mark.parametrize(
        ("body", "step", "reason"),
        [
            ("channel.send(b'{')", "headers", "its answer is not to be understood: .*"),
            ("channel.send(b'[]')", "headers", "its answer is not to be understood: .*"),
            ("channel.send(bytes(range(256)))", "headers", "its answer is not to be understood: .*"),
            ("say(step='ready')", "headers", ".*'ready instead of headers'.*"),
            ("say(step='failed')", "headers", "its answer is not to be understood: KeyError.*"),
            ("say(step='failed', at='import', errno=1, error='E: x')", "import", "E: x"),
            ("sys.exit(3)", "headers", "the process ended: status 3"),
            ("os.kill(os.getpid(), signal.SIGSEGV)", "headers", "the process ended: killed by SIGSEGV"),
            ("say(step='headers', folder=''); sys.exit(3)", "import", "the process ended: status 3"),
            ("say(step='headers', folder=''); time.sleep(60)", "import", "no answer within 2 s: .*"),
            ("channel.close(); time.sleep(60)", "headers", "the process ended: it closed its socket"),
        ],
    )
    def test_what_is_not_to_be_understood_ends_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, step: str, reason: str
    ) -> None:
        monkeypatch.setattr(client, "_IMPORT_S", 2.0)
        monkeypatch.setattr(client, "_FAREWELL_S", 1.0)
        started: List[BccProcess] = []
        start = client._start

        def noted(python: str, script: str) -> BccProcess:
            started.append(start(python, script))
            return started[-1]

        monkeypatch.setattr(client, "_start", noted)
        with pytest.raises(BccError) as raised:
            load(PROGRAM, script=make_script(tmp_path, body))
        assert raised.value.step == step
        assert re.fullmatch(reason, raised.value.reason)
        assert not is_there(started[0].pid)

    def test_fewer_descriptors_than_maps(self, tmp_path: Path) -> None:
        script = make_script(
            tmp_path,
            """
            for step in "headers", "import", "compile", "load":
                say(step=step, folder="", version="1")
            say(step="maps", names=["counts", "losses"])
            channel.recv(1)
            """,
        )
        with pytest.raises(BccError, match="0 descriptors of 2 maps arrived"):
            load(PROGRAM, script=script)


def test_a_python_without_bcc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDIAG_BCC_PYTHON", sys.executable)
    with pytest.raises(BccError) as raised:
        load(PROGRAM)
    assert raised.value.step == "import"
    assert raised.value.reason == "it is not installed for this Python"
    assert "python3-bpfcc" in raised.value.remedy


def test_no_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDIAG_BCC_PYTHON", sys.executable)
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    with pytest.raises(BccError, match="no temporary file: No such file") as raised:
        load(PROGRAM)
    assert raised.value.remedy == "set TMPDIR"


def test_no_such_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDIAG_BCC_PYTHON", "/nonexistent")
    with pytest.raises(BccError, match="/nonexistent: No such file") as raised:
        load(PROGRAM)
    assert "KDIAG_BCC_PYTHON" in raised.value.remedy


def test_a_relative_name_is_taken_from_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KDIAG_BCC_PYTHON", "bin/python")
    assert pythons() == (str(tmp_path / "bin/python"),)


def test_without_any_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KDIAG_BCC_PYTHON", raising=False)
    monkeypatch.setattr(client, "_PYTHONS", ("/nonexistent/python3",))
    with pytest.raises(BccError, match="there is no /nonexistent/python3"):
        load(PROGRAM)


def test_the_second_python_is_asked_if_the_first_has_no_bcc(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KDIAG_BCC_PYTHON", raising=False)
    monkeypatch.setattr(client, "_PYTHONS", (sys.executable, make_python(tmp_path)))
    with load(PROGRAM) as process:
        assert process.python == str(tmp_path / "python")


def test_a_machine_without_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    uname = os.uname()
    fields = (uname.sysname, uname.nodename, uname.release, uname.version, "s390x")
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(fields))
    with pytest.raises(BccError, match="this is s390x"):
        load(PROGRAM)
