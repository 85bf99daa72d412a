import pytest

from kdiag.procfs.mountinfo import Mount, parse_mountinfo, split_options
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

WANTED = "ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS [TAG...] - TYPE SOURCE SUPEROPTIONS"
# Made on 6.18 in a mount namespace of its own.
ROOT = b"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard,resuid=65534\n"
SHARED = b"71 63 0:47 / /mnt/sh rw,relatime shared:1 - tmpfs t rw\n"
SLAVE = b"72 63 0:47 / /mnt/sl rw,relatime shared:2 master:1 - tmpfs t rw\n"
UNBINDABLE = b"73 63 0:48 / /mnt/un ro,relatime unbindable - tmpfs t rw\n"
ESCAPED = rb"64 63 0:40 / /mnt/a\040b\011c\012d\134e#f rw,relatime - tmpfs a\040b\043c rw,size=4k" + b"\n"
BLANKS = b"65 63 0:41 / /mnt/cr\rvt\x0bx rw,relatime - tmpfs  rw,size=4k\n"
DASH = b"66 63 0:42 / /mnt/\xff\x1b[31m- ro,relatime - tmpfs - ro,size=4k\n"
OVERLAY = rb"70 63 0:44 / /mnt/ov rw - overlay ov rw,lowerdir=/mnt/lo\134\054w,uuid=on" + b"\n"
ALL = ROOT + SHARED + SLAVE + UNBINDABLE + ESCAPED + BLANKS + DASH + OVERLAY


def only(line: bytes) -> Mount:
    parsed = parse_mountinfo(line)
    assert parsed.problems == ()
    (mount,) = parsed.mounts
    return mount


def test_all_fields_are_read() -> None:
    assert only(ROOT) == Mount(
        mount_id=27,
        parent_id=1,
        major=254,
        minor=0,
        root="/",
        mount_point="/",
        options=("rw", "relatime"),
        optional_fields=(),
        fs_type="ext4",
        source="/dev/vda",
        super_options=("rw", "discard", "resuid=65534"),
    )


@pytest.mark.parametrize(
    ("line", "tags"),
    [
        (ROOT, ()),
        (SHARED, ("shared:1",)),
        (SLAVE, ("shared:2", "master:1")),
        (UNBINDABLE, ("unbindable",)),
        (
            SLAVE.replace(b" -", b" propagate_from:7 new:8 -"),
            ("shared:2", "master:1", "propagate_from:7", "new:8"),
        ),
    ],
)
def test_there_may_be_any_number_of_optional_fields(line: bytes, tags: "tuple[str, ...]") -> None:
    mount = only(line)
    assert mount.optional_fields == tags
    assert mount.super_options[0] == "rw"


def test_escapes_are_undone_in_paths_and_sources() -> None:
    mount = only(ESCAPED)
    assert (mount.mount_point, mount.source) == ("/mnt/a b\tc\nd\\e#f", "a b#c")


def test_a_source_may_be_empty_and_a_path_hold_blank_like_bytes() -> None:
    mount = only(BLANKS)
    assert (mount.mount_point, mount.source, mount.super_options) == (
        "/mnt/cr\rvt\x0bx",
        "",
        ("rw", "size=4k"),
    )


def test_a_source_may_be_a_dash_and_a_path_hold_any_byte() -> None:
    mount = only(DASH)
    assert (mount.mount_point, mount.fs_type, mount.source) == ("/mnt/\udcff\x1b[31m-", "tmpfs", "-")


def test_an_escaped_comma_does_not_end_an_option() -> None:
    assert only(OVERLAY).super_options == ("rw", "lowerdir=/mnt/lo\\,w", "uuid=on")


def test_a_quoted_comma_does_not_end_an_option() -> None:
    assert split_options(b'ro,context="a:c1,c2",x="') == ("ro", 'context="a:c1,c2"', 'x="')


def test_a_blank_that_a_file_system_forgot_to_escape_stays_in_the_options() -> None:
    assert only(ROOT[:-1] + b",name=a b,last\n").super_options[-2:] == ("name=a b", "last")


@pytest.mark.parametrize(
    ("options", "super_options", "read_only"),
    [
        (b"rw,relatime", b"rw", False),
        (b"ro,relatime", b"rw", True),  # a read-only bind mount
        (b"rw,relatime", b"ro,errors=remount-ro", True),  # the file system gave up after an error
        (b"rw,relatime", b"rw,errors=remount-ro", False),
    ],
)
def test_read_only_may_be_the_mount_or_the_file_system(
    options: bytes, super_options: bytes, read_only: bool
) -> None:
    line = b"27 1 254:0 / / %b - ext4 /dev/vda %b\n" % (options, super_options)
    assert only(line).read_only is read_only


def test_ten_thousand_mounts_of_more_than_a_mebibyte_are_all_there() -> None:
    line = b"%d 27 0:%d / /var/lib/storage/overlay/%064x/merged rw,relatime shared:%d - overlay o rw\n"
    data = b"".join(line % (number, number, number, number) for number in range(10_000))
    assert len(data) > 1 << 20
    parsed = parse_mountinfo(data)
    assert (len(parsed.mounts), parsed.problems) == (10_000, ())
    assert parsed.mounts[-1].mount_point == f"/var/lib/storage/overlay/{9_999:064x}/merged"


@pytest.mark.parametrize("value", [2**32 - 1, 2**32, 2**64 - 1, 2**64])
def test_numbers_are_exact_at_the_limits_of_the_kernels_types(value: int) -> None:
    mount = only(b"%d %d %d:%d / / rw - ext4 /dev/vda rw\n" % ((value,) * 4))
    assert (mount.mount_id, mount.parent_id, mount.major, mount.minor) == (value,) * 4


@pytest.mark.parametrize(
    "line",
    [
        b"27 1 254:0 / / rw,relatime ext4 /dev/vda rw",
        b"27 1 254:0 / / rw - ext4 /dev/vda",
        b"27 1 254 / / rw - ext4 /dev/vda rw",
        b"x 1 254:0 / / rw - ext4 /dev/vda rw",
        b"27 1 254:0 / - ext4 /dev/vda rw",
        b"",
    ],
)
def test_a_bad_line_is_named_and_the_others_survive(line: bytes) -> None:
    parsed = parse_mountinfo(ROOT + line + b"\n" + SHARED, "/proc/1/mountinfo")
    assert [mount.mount_point for mount in parsed.mounts] == ["/", "/mnt/sh"]
    assert parsed.problems == (Problem("/proc/1/mountinfo", 2, line.decode(), WANTED),)


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_mountinfo, ALL)
    holds_for_any_bytes(parse_mountinfo, ALL)
