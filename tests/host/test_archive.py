import gzip
import io
import lzma
import os
import resource
import tarfile
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any, Callable, Iterator, List, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdiag.host import archive
from kdiag.host.base import Failure, ReadError
from kdiag.host.recorded import RecordedHost
from kdiag.host.recording import BadRecording

STAT = ("proc/stat", b"btime 1\n")
MEMINFO = ("proc/meminfo", b"MemTotal: 1 kB\n" * 2000)

PACKS: Tuple[Callable[[bytes], bytes], ...] = (bytes, gzip.compress, lzma.compress)

Member = Tuple[str, Any]
OpenTar = Callable[..., RecordedHost]


def _tar(*members: Member, **options: Any) -> bytes:
    """Make a tar of (name, bytes) and (name, TarInfo type)."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", **options) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
            elif isinstance(content, tuple):
                info.type, info.linkname = content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[OpenTar]:
    hosts: List[RecordedHost] = []

    def open_tar(data: bytes) -> RecordedHost:
        path = tmp_path / f"{len(hosts)}.tar"
        path.write_bytes(data)
        hosts.append(RecordedHost(str(path)))
        return hosts[-1]

    yield open_tar
    for host in hosts:
        host.close()


def _failure(call: Callable[..., Any], *arguments: Any) -> Failure:
    with pytest.raises(ReadError) as caught:
        call(*arguments)
    return caught.value.failure


def _refused(opened: OpenTar, data: bytes) -> str:
    with pytest.raises(BadRecording) as caught:
        opened(data)
    assert caught.value.remedy
    return caught.value.what


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("top", ["", "./", "copy-of-host/"])
def test_a_tar_of_a_bare_copy_is_read_however_it_is_packed(
    opened: OpenTar, pack: Callable[[bytes], bytes], top: str
) -> None:
    host = opened(pack(_tar((top + STAT[0], STAT[1]), (top + MEMINFO[0], MEMINFO[1]))))
    assert host.incomplete is None
    assert host.read("/proc/stat") == STAT[1]
    assert host.read("/proc/meminfo") == MEMINFO[1]
    assert host.list("/proc") == ["meminfo", "stat"]
    assert _failure(host.read, "/proc/loadavg") == Failure("/proc/loadavg", "not_recorded")
    assert _failure(host.list, "/proc/1") == Failure("/proc/1", "not_recorded")


def test_packed_data_in_several_members_with_padding_is_one_tar(opened: OpenTar) -> None:
    data = _tar(STAT, MEMINFO)
    for pack in PACKS[1:]:
        host = opened(pack(data[:700]) + pack(data[700:]) + bytes(8))
        assert host.incomplete is None
        assert host.read("/proc/meminfo") == MEMINFO[1]


def test_long_and_odd_names_are_kept(opened: OpenTar) -> None:
    name = "sys/fs/cgroup/" + "/".join(["x" * 120] * 3) + "/b\udce4d k\u00e4se"
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        data = _tar(STAT, (name, b"1\n"), format=form, encoding="utf-8", errors="surrogateescape")
        assert opened(data).read("/" + name) == b"1\n"


def test_of_links_only_the_text_is_kept(opened: OpenTar) -> None:
    host = opened(
        _tar(
            STAT,
            ("proc/1/exe", (tarfile.SYMTYPE, "/sbin/init")),
            ("proc/mounts", (tarfile.SYMTYPE, "/etc/passwd")),
        )
    )
    assert host.readlink("/proc/1/exe") == "/sbin/init"
    assert _failure(host.read, "/proc/mounts") == Failure(
        "/proc/mounts", "error", None, "a symbolic link in the recording, not followed"
    )
    assert host.list("/proc/1") == ["exe"]
    assert _failure(host.readlink, "/proc/stat").kind == "not_recorded"


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../outside",
        "proc/../../outside",
        "proc//stat",
        "./../x",
        "proc/\x1b[2Jx",
        "proc/a\nb",
        "d/" * 32 + "x",
        "x" * 256,
    ],
)
def test_names_that_lead_elsewhere_are_refused(opened: OpenTar, name: str) -> None:
    assert "is not a name that a recording holds" in _refused(opened, _tar(STAT, (name, b"")))


@pytest.mark.parametrize(
    "kind",
    [tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.CONTTYPE, b"?"],
    ids=["hard link", "fifo", "character device", "block device", "contiguous file", "unknown"],
)
def test_what_is_neither_file_nor_folder_nor_link_is_refused(opened: OpenTar, kind: bytes) -> None:
    data = _tar(STAT, ("proc/x", (kind, "proc/stat")))
    assert _refused(opened, data) == "'proc/x' is no regular file, has holes, or is too long"


@pytest.mark.parametrize("length", [1000, 1 << 40])
def test_a_file_of_holes_is_refused_however_long_it_claims_to_be(opened: OpenTar, length: int) -> None:
    sparse = tarfile.TarInfo("proc/kcore")
    sparse.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "proc/kcore",
        "GNU.sparse.realsize": str(length),
    }
    sparse.size = 512
    data = _tar(STAT)[:1024] + sparse.tobuf(tarfile.PAX_FORMAT) + b"0\n".ljust(512, b"\0") + bytes(1024)
    assert _refused(opened, data) == "'proc/kcore' is no regular file, has holes, or is too long"


@pytest.mark.parametrize(
    "members",
    [
        (STAT, STAT),
        (STAT, ("./proc/stat", b"other\n")),
        (STAT, ("proc/stat", (tarfile.SYMTYPE, "x"))),
        (STAT, ("proc", b"")),
        (STAT, ("proc/stat", (tarfile.DIRTYPE, ""))),
    ],
)
def test_a_name_that_occurs_twice_is_refused(opened: OpenTar, members: Tuple[Member, ...]) -> None:
    assert "occurs twice" in _refused(opened, _tar(*members))


def test_a_file_that_is_also_a_folder_is_refused(opened: OpenTar) -> None:
    assert _refused(opened, _tar(STAT, ("proc/stat/x", b""))) == "'proc/stat' is a file and a folder"


def test_a_folder_may_be_named_again(opened: OpenTar) -> None:
    host = opened(_tar(("proc", (tarfile.DIRTYPE, "")), STAT, ("proc/", (tarfile.DIRTYPE, ""))))
    assert host.list("/proc") == ["stat"]


def test_numbers_and_sizes_are_bounded(opened: OpenTar, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(archive, "MAX_FILES", 5)
        assert _refused(opened, _tar(*((f"proc/{n}", b"") for n in range(6)))) == "more than 5 members"
    with monkeypatch.context() as patched:
        patched.setattr(archive, "MAX_FILE_BYTES", 1000)
        assert "too long" in _refused(opened, _tar(STAT, ("proc/x", b"x" * 1001)))
        assert opened(_tar(STAT, ("proc/x", b"x" * 1000))).incomplete is None
    with monkeypatch.context() as patched:
        patched.setattr(archive, "MAX_TOTAL_BYTES", 100_000)
        many = [(f"proc/{n}", b"x" * 9000) for n in range(20)]
        assert _refused(opened, _tar(*many)) == "its files or headers are too long"


def test_a_bomb_of_700_mb_is_refused_without_unpacking_it(opened: OpenTar) -> None:
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        bomb = tarfile.TarInfo("proc/stat")
        bomb.size = 700 << 20
        file.write(bomb.tobuf())
        file.write(bytes(4 << 20))  # refused by what the header says
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "too long" in _refused(opened, packed.getvalue())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 20 << 10


def test_headers_alone_are_bounded(opened: OpenTar) -> None:
    # A PAX header is read before anything is known of its member; this one comes to 8 MiB.
    long = tarfile.TarInfo("proc/x")
    long.pax_headers = {"comment": "x" * (8 << 20)}
    assert _refused(opened, _tar(STAT)[:1024] + long.tobuf(tarfile.PAX_FORMAT)) == (
        "its files or headers are too long"
    )


def test_a_thousand_headers_for_one_member_end_well(opened: OpenTar) -> None:
    header = tarfile.TarInfo("x")
    header.pax_headers = {"comment": "x"}
    pax = header.tobuf(tarfile.PAX_FORMAT)[:1024]
    host = opened(_tar(STAT)[:1024] + pax * 3000)
    assert host.read("/proc/stat") == STAT[1]
    assert (host.incomplete or "").startswith("damaged or cut off after 1 members: ")


def test_a_negative_size_ends_well(opened: OpenTar) -> None:
    header = bytearray(tarfile.TarInfo("proc/x").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + b"\x00\x00"  # base-256 of a negative number
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    started_s = time.monotonic()
    what = _refused(opened, _tar(STAT)[:1024] + bytes(header) + bytes(1024))
    assert what == "'proc/x' is no regular file, has holes, or is too long"
    assert time.monotonic() - started_s < 1


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("length", [3000, 300_000])
def test_a_tar_that_was_cut_off_gives_what_came_before(
    opened: OpenTar, pack: Callable[[bytes], bytes], length: int
) -> None:
    data = pack(_tar(STAT, ("proc/noise", os.urandom(length))))
    host = opened(data[: length // 2 + (1600 if pack is bytes else 300)])
    assert host.read("/proc/stat") == STAT[1]
    assert _failure(host.read, "/proc/noise").kind == "not_recorded"
    assert (host.incomplete or "").startswith("damaged or cut off after 2 members: ")


@pytest.mark.parametrize("pack", PACKS[1:])
def test_packed_data_without_its_check_sum_or_with_a_wrong_one_is_damaged(
    opened: OpenTar, pack: Callable[[bytes], bytes]
) -> None:
    data = pack(_tar(STAT))
    for damaged in (data[:-8], data[:-8] + bytes([data[-8] ^ 1]) + data[-7:]):
        host = opened(damaged)
        assert host.read("/proc/stat") == STAT[1]
        assert (host.incomplete or "").startswith("damaged or cut off after 1 members: ")


def test_xz_that_wants_much_memory_is_refused(opened: OpenTar) -> None:
    # Packing with such a dictionary would take 10 GiB here, so its size is patched into the block's header.
    data = bytearray(lzma.compress(_tar(STAT)))
    end = 12 + (data[12] + 1) * 4 - 4
    data[data.index(b"\x21\x01", 12) + 2] = 36  # a dictionary of 1 GiB
    data[end : end + 4] = zlib.crc32(data[12:end]).to_bytes(4, "little")
    assert "Memory usage limit" in _refused(opened, bytes(data))


_GOOD = _tar(STAT, MEMINFO, ("proc/" + "y" * 150, b"1\n"), ("proc/l", (tarfile.SYMTYPE, "x")))


def _opens_or_refuses(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            RecordedHost(file.name).close()
        except BadRecording as error:
            assert error.what


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_bytes_are_opened_or_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(_GOOD) - 1))
    noise = data.draw(st.binary(min_size=1, max_size=12))
    pack = data.draw(st.sampled_from(PACKS[:2]))
    _opens_or_refuses(pack(_GOOD[:at] + noise + _GOOD[at + len(noise) :]))
    packed = gzip.compress(_GOOD)
    _opens_or_refuses(packed[: at % len(packed)] + noise)
