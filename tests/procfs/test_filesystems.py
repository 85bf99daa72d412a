import pytest

from kdiag.procfs.filesystems import FilesystemType, parse_filesystems
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

REAL_6_18 = b"nodev\tsysfs\nnodev\tcgroup2\n\text4\n\tfuseblk\nnodev\tfuse\n"


def test_types_that_need_no_device_are_marked() -> None:
    parsed = parse_filesystems(REAL_6_18)
    assert parsed.problems == ()
    assert parsed.types == (
        FilesystemType("sysfs", True),
        FilesystemType("cgroup2", True),
        FilesystemType("ext4", False),
        FilesystemType("fuseblk", False),
        FilesystemType("fuse", True),
    )


def test_a_name_may_hold_any_byte() -> None:
    assert parse_filesystems(b"nodev\tmy fs\t\xff\n").types == (FilesystemType("my fs\t\udcff", True),)


@pytest.mark.parametrize("line", ["ext4", "nodev\t", "\t", "rare\text4", ""])
def test_a_bad_line_is_named_and_the_others_survive(line: str) -> None:
    parsed = parse_filesystems(b"nodev\tproc\n" + line.encode() + b"\n\txfs\n")
    assert [found.name for found in parsed.types] == ["proc", "xfs"]
    assert parsed.problems == (Problem("/proc/filesystems", 2, line, "[nodev] TAB NAME"),)


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_filesystems, REAL_6_18)
    holds_for_any_bytes(parse_filesystems, REAL_6_18)
