import pytest

from kdiag.procfs.fstab import FstabEntry, parse_fstab
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes

FSTAB = b"""\
# /etc/fstab: static file system information.
#
# <file system> <mount point>   <type>  <options>       <dump>  <pass>
UUID=0a3407de-014b-458b-b5c1-848e92a327a3 /               ext4    errors=remount-ro 0       1
\t/dev/sda2\tnone\tswap\tsw\t0\t0

  # indented comment
LABEL=my\\040data /srv/my\\040data xfs defaults,noatime,ro
tmpfs /tmp tmpfs
"""


def test_entries_are_read_and_comments_are_not() -> None:
    parsed = parse_fstab(FSTAB)
    assert parsed.problems == ()
    assert parsed.entries == (
        FstabEntry("UUID=0a3407de-014b-458b-b5c1-848e92a327a3", "/", "ext4", ("errors=remount-ro",), 0, 1),
        FstabEntry("/dev/sda2", "none", "swap", ("sw",), 0, 0),
        FstabEntry("LABEL=my data", "/srv/my data", "xfs", ("defaults", "noatime", "ro"), None, None),
        FstabEntry("tmpfs", "/tmp", "tmpfs", (), None, None),
    )


@pytest.mark.parametrize(
    ("options", "read_only"),
    [
        (b"defaults", False),
        (b"ro", True),
        (b"defaults,ro", True),
        (b"ro,rw", False),
        (b"rw,ro", True),
        (b"errors=remount-ro", False),
    ],
)
def test_read_only_is_what_the_last_of_ro_and_rw_says(options: bytes, read_only: bool) -> None:
    assert parse_fstab(b"/dev/sda1 / ext4 " + options + b" 0 1\n").entries[0].read_only is read_only


def test_a_comment_may_stand_behind_the_options() -> None:
    parsed = parse_fstab(
        b"/dev/sda1 / ext4 rw # root\n/dev/sdb1 /b ext4 rw 0 2 #two words\n/dev/c /c xfs #x\n"
    )
    assert [(entry.mount_point, entry.options, entry.check_pass) for entry in parsed.entries] == [
        ("/", ("rw",), None),
        ("/b", ("rw",), 2),
        ("/c", (), None),
    ]
    assert parsed.problems == ()


def test_a_hash_inside_a_field_is_no_comment() -> None:
    assert parse_fstab(b"//nas/share#1 /n cifs rw 0 0\n").entries[0].source == "//nas/share#1"


def test_names_may_hold_any_byte_and_escapes_are_undone() -> None:
    entry = parse_fstab(b"/dev/\xff /a\\011b\\134c\r ext4 rw\n").entries[0]
    assert (entry.source, entry.mount_point) == ("/dev/\udcff", "/a\tb\\c\r")


def test_a_quoted_comma_does_not_end_an_option() -> None:
    entry = parse_fstab(b'/dev/a / ext4 ro,context="system_u:object_r:tmp_t:s0:c1,c2" 0 0\n').entries[0]
    assert entry.options == ("ro", 'context="system_u:object_r:tmp_t:s0:c1,c2"')


def test_a_last_line_without_a_newline_is_used() -> None:
    parsed = parse_fstab(b"/dev/a / ext4 rw 0 1\n/dev/b /b ext4 ro 0 2")
    assert [entry.mount_point for entry in parsed.entries] == ["/", "/b"]
    assert parsed.problems == ()


@pytest.mark.parametrize("value", [2**32, 2**64])
def test_numbers_are_exact(value: int) -> None:
    entry = parse_fstab(b"/dev/a / ext4 rw %d %d\n" % (value, value)).entries[0]
    assert (entry.dump_frequency, entry.check_pass) == (value, value)


@pytest.mark.parametrize(
    "line",
    ["/dev/b", "/dev/b /b", "/dev/b /b ext4 rw 0 two", "/dev/b /b ext4 rw noatime", "/dev/b /b e rw 0 0 7"],
)
def test_a_bad_line_is_named_and_the_others_survive(line: str) -> None:
    parsed = parse_fstab(b"/dev/a / ext4 rw\n" + line.encode() + b"\n/dev/c /c xfs rw\n")
    assert [entry.mount_point for entry in parsed.entries] == ["/", "/c"]
    assert parsed.problems == (
        Problem("/etc/fstab", 2, line, "SOURCE MOUNTPOINT TYPE [OPTIONS [FREQUENCY [PASS]]]"),
    )


def test_it_survives_any_cut_and_keeps_every_whole_line() -> None:
    # Unlike a kernel file it is not flagged when cut inside a line: people leave out the last newline.
    whole = parse_fstab(FSTAB).entries
    for length in range(len(FSTAB)):
        entries = parse_fstab(FSTAB[:length]).entries
        kept = len(parse_fstab(FSTAB[: FSTAB[:length].rfind(b"\n") + 1]).entries)
        assert entries[:kept] == whole[:kept]
    holds_for_any_bytes(parse_fstab, FSTAB)
