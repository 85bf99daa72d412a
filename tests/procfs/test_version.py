from typing import Tuple

import pytest

from kdiag.procfs.text import Problem
from kdiag.procfs.version import KernelVersion, parse_version
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

VERSION_6_18 = (
    b"Linux version 6.18.44-custom (builder@host) (gcc (GCC) 15.3.0, GNU ld (GNU Binutils) 2.46)"
    b" #1 SMP PREEMPT_DYNAMIC @0\n"
)
# RHEL 7: 3.10, and a compiler that names its vendor.
VERSION_3_10 = (
    b"Linux version 3.10.0-1160.el7.x86_64 (mockbuild@kbuilder.bsys.centos.org)"
    b" (gcc version 4.8.5 20150623 (Red Hat 4.8.5-44) (GCC) ) #1 SMP Mon Oct 19 16:18:59 UTC 2020\n"
)
WANTED = "Linux version RELEASE ..."


def test_the_banner_is_taken_apart() -> None:
    assert parse_version(VERSION_6_18) == KernelVersion(
        "Linux",
        "6.18.44-custom",
        "builder@host",
        "gcc (GCC) 15.3.0, GNU ld (GNU Binutils) 2.46",
        "#1 SMP PREEMPT_DYNAMIC @0",
    )
    assert parse_version(VERSION_3_10) == KernelVersion(
        "Linux",
        "3.10.0-1160.el7.x86_64",
        "mockbuild@kbuilder.bsys.centos.org",
        "gcc version 4.8.5 20150623 (Red Hat 4.8.5-44) (GCC) ",
        "#1 SMP Mon Oct 19 16:18:59 UTC 2020",
    )


def test_a_banner_without_parentheses_still_gives_release_and_build() -> None:
    parsed = parse_version(b"Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016\n")
    assert parsed == KernelVersion("Linux", "4.4.0", None, None, "#1 SMP Sun Jan 10 15:06:54 PST 2016")
    assert parse_version(b"Linux version 4.4.0\n") == KernelVersion("Linux", "4.4.0", None, None, None)


@pytest.mark.parametrize(
    ("release", "numbers"),
    [
        ("6.18.44-custom", (6, 18, 44)),
        ("3.10.0-1160.el7.x86_64", (3, 10, 0)),
        ("6.1-rc3", (6, 1)),
        ("next", ()),
    ],
)
def test_the_numbers_of_a_release_end_where_its_text_begins(release: str, numbers: Tuple[int, ...]) -> None:
    assert parse_version(b"Linux version %s\n" % release.encode()).numbers == numbers


@pytest.mark.parametrize("line", [b"", b"Linux", b"Linux version", b"Linux version 6.1 and more"])
def test_a_bad_line_leaves_nothing_but_its_problem(line: bytes) -> None:
    parsed = parse_version(line + b"\n", "/r/proc/version")
    problems = (Problem("/r/proc/version", 1, line.decode(), WANTED),)
    assert parsed == KernelVersion(None, None, None, None, None, problems)
    assert parsed.numbers == ()


def test_it_survives_any_input() -> None:
    for sample in (VERSION_6_18, VERSION_3_10):
        holds_when_cut_anywhere(parse_version, sample)
        holds_for_any_bytes(parse_version, sample)
