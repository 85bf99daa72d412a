import errno
import os
import pwd
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, List

import pytest
from pyfakefs.fake_filesystem import FakeFilesystem
from pyfakefs.helpers import set_uid

from kdiag.host.base import Failure, FileSystemSize, Host, ReadError
from kdiag.host.live import MAX_FILE_BYTES, LiveHost

LOADAVG_6_18 = b"0.05 0.04 0.00 1/155 4072\n"


def _failure(call: Callable[..., Any], *arguments: Any) -> Failure:
    with pytest.raises(ReadError) as caught:
        call(*arguments)
    return caught.value.failure


# On a fake file system.


def test_a_file_is_read_with_the_times_before_and_after(fs: FakeFilesystem) -> None:
    fs.create_file("/proc/loadavg", contents=LOADAVG_6_18)
    before_ns = time.monotonic_ns()
    reading = LiveHost().reading("/proc/loadavg")
    assert reading.path == "/proc/loadavg"
    assert reading.data == LOADAVG_6_18
    assert reading.started_ns is not None and reading.ended_ns is not None
    assert before_ns <= reading.started_ns <= reading.ended_ns <= time.monotonic_ns()


def test_an_empty_file_is_empty_and_no_failure(fs: FakeFilesystem) -> None:
    fs.create_file("/proc/1/cmdline", contents=b"")
    assert LiveHost().read("/proc/1/cmdline") == b""


def test_files_longer_than_one_read_are_read_to_their_end(fs: FakeFilesystem) -> None:
    content = bytes(range(256)) * 1000
    fs.create_file("/proc/slabinfo", contents=content)
    assert LiveHost().read("/proc/slabinfo") == content


def test_a_file_beyond_the_limit_is_an_error_not_a_part_of_it(fs: FakeFilesystem) -> None:
    fs.create_file("/proc/kcore", contents=b"x" * (MAX_FILE_BYTES + 1))
    fs.create_file("/proc/just", contents=b"x" * MAX_FILE_BYTES)
    host = LiveHost()
    assert _failure(host.read, "/proc/kcore") == Failure(
        "/proc/kcore", "error", errno.EFBIG, "longer than 8 MiB"
    )
    assert len(host.read("/proc/just")) == MAX_FILE_BYTES


def test_the_symbols_of_a_kernel_with_many_modules_are_read_whole(fs: FakeFilesystem) -> None:
    fs.create_file("/proc/kallsyms", contents=b"x" * (MAX_FILE_BYTES + 1))
    assert len(LiveHost().read("/proc/kallsyms")) == MAX_FILE_BYTES + 1


def test_folders_are_listed_sorted_and_links_and_sizes_are_told(fs: FakeFilesystem) -> None:
    fs.create_file("/proc/9/stat", contents=b"9 (a) S\n")
    fs.create_file("/proc/10/stat", contents=b"10 (b) S\n")
    fs.create_symlink("/proc/10/exe", "/usr/bin/b (deleted)")
    host = LiveHost()
    assert host.list("/proc") == ["10", "9"]
    assert host.readlink("/proc/10/exe") == "/usr/bin/b (deleted)"
    assert host.size_bytes("/proc/10/stat") == 9


def test_what_the_kernel_lacks_is_told_from_a_process_that_ended(fs: FakeFilesystem) -> None:
    fs.create_file("/proc/1/task/1/stat", contents=b"1 (init) S\n")
    host = LiveHost()
    assert _failure(host.read, "/proc/mdstat") == Failure("/proc/mdstat", "absent", errno.ENOENT)
    assert _failure(host.read, "/proc/1/schedstat").kind == "absent"
    assert _failure(host.read, "/proc/1/task/1/schedstat").kind == "absent"
    assert _failure(host.read, "/proc/2/schedstat") == Failure("/proc/2/schedstat", "vanished", errno.ENOENT)
    assert _failure(host.read, "/proc/1/task/7/stat").kind == "vanished"
    assert _failure(host.list, "/proc/2").kind == "vanished"
    assert _failure(host.readlink, "/proc/2/exe").kind == "vanished"
    assert _failure(host.size_bytes, "/proc/2/fd").kind == "vanished"


def test_a_file_of_another_user_is_denied(fs: FakeFilesystem) -> None:
    fs.create_file("/proc/1/io", contents=b"rchar: 1\n", st_mode=0o100400)
    set_uid(1000)
    assert _failure(LiveHost().read, "/proc/1/io") == Failure("/proc/1/io", "denied", errno.EACCES)


def test_below_another_root_namespaces_are_those_of_pid_1(fs: FakeFilesystem) -> None:
    fs.create_file("/host/proc/loadavg", contents=LOADAVG_6_18)
    fs.create_file("/host/proc/1/net/dev", contents=b"of the host\n")
    fs.create_file("/host/proc/net/dev", contents=b"of the container\n")
    fs.create_file("/host/proc/net/sctp", contents=b"of the container\n")
    fs.create_file("/host/proc/1/mountinfo", contents=b"of the host\n")
    fs.create_file("/host/proc/self/mountinfo", contents=b"of the container\n")
    host = LiveHost("/host/")
    assert host.root == "/host/"
    assert host.read("/proc/loadavg") == LOADAVG_6_18
    assert host.read("/proc/net/dev") == b"of the host\n"
    assert host.list("/proc/net") == ["dev"]
    assert host.read("/proc/self/mountinfo") == b"of the host\n"
    assert _failure(host.read, "/proc/net/sctp") == Failure("/proc/net/sctp", "absent", errno.ENOENT)
    assert host.own_view == []


def test_where_pid_1_is_out_of_reach_its_own_view_is_used_and_named(fs: FakeFilesystem) -> None:
    fs.create_file("/host/proc/net/dev", contents=b"of the container\n")
    fs.create_file("/host/proc/self/mountinfo", contents=b"of the container\n")
    fs.create_file("/host/proc/1/mountinfo", contents=b"of the host\n", st_mode=0o100400)
    set_uid(1000)
    host = LiveHost("/host")
    assert host.read("/proc/net/dev") == b"of the container\n"
    assert host.read("/proc/net/dev") == b"of the container\n"
    assert host.read("/proc/self/mountinfo") == b"of the container\n"
    assert host.own_view == ["/proc/net/dev", "/proc/self/mountinfo"]


def test_what_only_the_readers_namespace_shows_is_named_unless_pid_1_shares_it(fs: FakeFilesystem) -> None:
    for root in ("/apart", "/same"):
        fs.create_file(f"{root}/proc/sys/net/ipv4/tcp_mem", contents=b"1 2 3\n")
        fs.create_file(f"{root}/proc/sys/kernel/hostname", contents=b"name-of-kdiag's-namespace\n")
        fs.create_file(f"{root}/proc/sys/kernel/osrelease", contents=b"6.18.44\n")
        fs.create_file(f"{root}/etc/hostname", contents=b"of-the-root\n")
        for namespace in ("uts", "net"):
            fs.create_file(f"{root}/proc/1/ns/{namespace}")
    for namespace in ("uts", "net"):
        fs.create_symlink(f"/proc/self/ns/{namespace}", f"/same/proc/1/ns/{namespace}")
    apart, same = LiveHost("/apart"), LiveHost("/same")
    for host in (apart, same):
        assert host.read("/proc/sys/net/ipv4/tcp_mem") == b"1 2 3\n"
        assert host.read("/proc/sys/kernel/osrelease") == b"6.18.44\n"
    assert apart.read("/proc/sys/kernel/hostname") == b"of-the-root\n"
    assert same.read("/proc/sys/kernel/hostname") == b"name-of-kdiag's-namespace\n"
    told = "of kdiag's own namespaces, which need not be the host's: /proc/sys/net/ipv4/tcp_mem"
    assert (apart.notes, same.notes) == ((told,), ())
    fs.remove("/apart/etc/hostname")
    assert LiveHost("/apart").read("/proc/sys/kernel/hostname") == b"name-of-kdiag's-namespace\n"


def test_below_another_root_users_and_the_reader_are_those_of_that_root(fs: FakeFilesystem) -> None:
    fs.create_file(
        "/host/etc/passwd",
        contents=b"root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n#bad\nk\xc3\xa4the:x:1000:100::/:/bin/sh\n",
    )
    fs.create_symlink("/host/proc/self", "4711")
    host = LiveHost("/host")
    assert [host.user_name(uid) for uid in (0, 1000, 12345)] == ["root", "k\u00e4the", None]
    assert host.facts.reader_pid == 4711
    assert LiveHost("/elsewhere").facts.reader_pid is None
    fs.create_symlink("/proc/self", "815")  # / can have the procfs of a PID namespace above, too
    assert LiveHost().facts.reader_pid == 815
    assert LiveHost("/elsewhere").user_name(0) is None


# On os.read and os.open replaced.


def _spy(monkeypatch: pytest.MonkeyPatch, name: str, calls: List[str]) -> None:
    original = getattr(os, name)

    def spy(*arguments: Any, **options: Any) -> Any:
        calls.append(name)
        return original(*arguments, **options)

    monkeypatch.setattr(os, name, spy)


def test_a_small_file_takes_one_open_two_reads_and_one_close(monkeypatch: pytest.MonkeyPatch) -> None:
    host, calls = LiveHost(), [""]
    for name in ("open", "read", "close", "stat", "fstat"):
        _spy(monkeypatch, name, calls)
    host.read("/proc/loadavg")
    assert calls[1:] == ["open", "read", "read", "close"]


def test_short_reads_do_not_end_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    # seq_file gives about a page a call for files of many records, whatever is asked for.
    whole = Path("/proc/version").read_bytes()
    original = os.read
    monkeypatch.setattr(os, "read", lambda descriptor, size: original(descriptor, min(size, 7)))
    assert LiveHost().read("/proc/version") == whole


def test_one_page_is_asked_of_a_sysctl_and_more_of_other_files(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: List[int] = []
    original = os.read

    def spy(descriptor: int, size: int) -> bytes:
        sizes.append(size)
        return original(descriptor, size)

    monkeypatch.setattr(os, "read", spy)
    LiveHost().read("/proc/sys/fs/file-nr")
    LiveHost().read("/proc/stat")
    assert sizes[:2] == [4096, 4096]
    assert set(sizes[2:]) == {65536}


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EAGAIN, "error"),
        (errno.EINVAL, "error"),
        (errno.EIO, "error"),
        (errno.ENODATA, "error"),
        (errno.EOPNOTSUPP, "unsupported"),
        (errno.ESRCH, "vanished"),
    ],
)
def test_a_read_that_fails_is_not_repeated_and_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch, number: int, kind: str
) -> None:
    calls: List[int] = []

    def fail(descriptor: int, size: int) -> bytes:
        calls.append(descriptor)
        raise OSError(number, os.strerror(number))

    host = LiveHost()
    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr(os, "read", fail)
    failure = _failure(
        host.read, "/proc/pressure/irq" if os.path.exists("/proc/pressure/irq") else "/proc/stat"
    )
    monkeypatch.undo()
    assert (failure.kind, failure.errno) == (kind, number)
    assert len(calls) == 1
    assert os.listdir("/proc/self/fd") == before


# On the kernel underneath.


@pytest.fixture
def host() -> Any:
    live = LiveHost(timeout_s=0.5)
    yield live
    live.close()


def test_the_kernel_underneath_is_read(host: Host) -> None:
    assert host.kind == "live"
    assert host.read("/proc/version") == Path("/proc/version").read_bytes()
    assert host.read("/proc/sys/kernel/ostype") == b"Linux\n"
    assert str(os.getpid()) in host.list("/proc")
    assert host.readlink("/proc/self") == str(os.getpid())
    assert _failure(host.read, "/proc/no-such-file").kind == "absent"
    assert _failure(host.read, "/proc/self").errno == errno.EISDIR


def test_what_is_no_path_is_an_error(host: Host) -> None:
    for path in ("/proc/a\0b", "/proc/\ud800"):
        for may_block in (False, True):
            assert _failure(host.reading, path, may_block) == Failure(path, "error", None, "not a path")


def test_facts_are_those_of_the_process_and_of_the_moment(host: Host) -> None:
    facts = host.facts
    assert facts.clock_ticks_per_s == os.sysconf("SC_CLK_TCK")
    assert facts.page_size_bytes == os.sysconf("SC_PAGESIZE")
    assert facts.byte_order == sys.byteorder
    assert (facts.reader_pid, facts.reader_euid) == (os.getpid(), os.geteuid())
    assert facts.wall_clock_ns is not None and abs(facts.wall_clock_ns - time.time_ns()) < 60 * 10**9
    assert host.facts == facts
    assert host.advance(0.01)
    assert host.facts.wall_clock_ns is not None
    assert host.facts.wall_clock_ns - facts.wall_clock_ns >= 10**7


def test_file_systems_are_measured_by_the_child_and_in_process_alike(host: Host) -> None:
    told = os.statvfs("/proc")
    expected = FileSystemSize(told.f_frsize, 0, 0, 0, told.f_files, told.f_ffree, told.f_favail)
    assert host.statvfs("/proc") == expected
    assert host.statvfs("/proc", may_block=False) == expected
    assert _failure(host.statvfs, "/no/such/mount") == Failure(
        "/no/such/mount", "error", None, "no such mount is in sight here"
    )


def test_files_that_may_block_are_read_by_the_child(host: Host) -> None:
    path = f"/proc/{os.getpid()}/cmdline"
    assert host.reading(path, may_block=True).data == Path(path).read_bytes()
    # /proc/self is whoever reads, and is not to be the child.
    assert host.reading("/proc/self/stat", may_block=True).data.split()[0] == b"%d" % os.getpid()
    assert _failure(host.reading, "/proc/4194305/cmdline", True).kind == "vanished"
    assert _failure(host.reading, "/proc/no-such-file", True).kind == "absent"


def test_a_file_that_never_answers_ends_in_time(tmp_path: Path) -> None:
    # O_NONBLOCK lets a FIFO be opened; with a writer that is silent, reading it says EAGAIN.
    os.mkfifo(tmp_path / "attribute")
    writer = os.open(tmp_path / "attribute", os.O_RDWR)
    try:
        failure = _failure(LiveHost(str(tmp_path)).read, "/attribute")
    finally:
        os.close(writer)
    assert failure == Failure("/attribute", "error", errno.EAGAIN)


def test_users_of_the_file_are_named_without_a_child(host: LiveHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fork", None)
    assert host.user_name(0) == pwd.getpwuid(0).pw_name
    assert host.user_name(65534) == pwd.getpwuid(65534).pw_name


def test_users_beyond_the_file_are_looked_up_by_the_child(fs: FakeFilesystem) -> None:
    fs.create_file("/etc/passwd", contents=b"toor:x:0:0::/root:/bin/sh\n")
    fs.pause()  # the child needs its pipes
    expected = pwd.getpwuid(65534).pw_name
    fs.resume()
    host = LiveHost()
    assert host.user_name(0) == "toor"
    fs.pause()
    assert host.user_name(65534) == expected
    assert host.user_name(2**32 - 2) is None
    assert host.user_name(2**64) is None
    host.close()
    fs.resume()


def test_importing_it_imports_little_else() -> None:
    script = "import sys; import kdiag.host.live; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = (
        "dataclasses gzip inspect json kdiag.host.guard lzma pathlib select signal socket subprocess tarfile"
    )
    bare = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sorted(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "kdiag.host.live" in run.stdout.split()
    assert (set(run.stdout.split()) - set(bare.stdout.split())) & set(heavy.split()) == set()
