from pathlib import Path

import pytest

from lab.kernels import KERNELS
from lab.packages import CannotFetch, Mirror, mirrors, mirrors_in, newest, uri_of

SEARCHED = """\
linux-image-6.1-amd64 - Linux for 64-bit PCs (meta-package)
linux-image-6.1.0-9-amd64-unsigned - Linux 6.1 for 64-bit PCs
linux-image-6.1.0-56-amd64-unsigned - Linux 6.1 for 64-bit PCs
linux-image-6.1.0-56-amd64 - Linux 6.1 for 64-bit PCs (signed)
linux-image-6.1.0-57-amd64 - Linux 6.1 for 64-bit PCs (signed)
linux-image-6.1.0-56-cloud-amd64-unsigned - Linux 6.1 for x86-64 cloud
linux-image-6.1.0-56-rt-amd64-unsigned - Linux 6.1 for 64-bit PCs, PREEMPT_RT
linux-image-6.1.0-56-amd64-dbg - Debug symbols for linux-image-6.1.0-56-amd64
linux-image-6.12.99+deb12-amd64-unsigned - Linux 6.12 for 64-bit PCs
linux-image-6.12.117+deb12-amd64-unsigned - Linux 6.12 for 64-bit PCs
"""


def test_the_newest_release_is_the_highest_number_and_not_the_last_of_the_alphabet() -> None:
    assert newest(KERNELS["6.1"], SEARCHED) == (
        "linux-image-6.1.0-56-amd64-unsigned",
        "6.1.0-56-amd64",
    )
    assert newest(KERNELS["6.12"], SEARCHED) == (
        "linux-image-6.12.117+deb12-amd64-unsigned",
        "6.12.117+deb12-amd64",
    )


def test_a_suite_without_the_kernel_has_no_newest() -> None:
    assert newest(KERNELS["5.10"], SEARCHED) is None
    assert newest(KERNELS["6.1"], "") is None


def test_a_kernel_whose_modules_are_a_package_apart_is_found_by_its_image() -> None:
    searched = (
        "linux-binary-7.2.9+deb14-amd64 - Linux\n"
        "linux-binary-7.2.13+deb14-amd64 - Linux\n"
        "linux-image-7.2.13+deb14-amd64 - Linux\n"
    )
    kernel = KERNELS["7.2"]
    found = newest(kernel, searched)
    assert found == ("linux-binary-7.2.13+deb14-amd64", "7.2.13+deb14-amd64")
    assert [more.format(release=found[1]) for more in kernel.more] == [
        "linux-modules-7.2.13+deb14-amd64",
        "linux-base-7.2.13+deb14-amd64",
    ]


DEB822 = """\
# A comment
Types: deb deb-src
URIs: http://one.example/debian
Suites: bookworm
 bookworm-updates
Components: main

Types: deb
URIs: http://one.example/debian-security
Suites: bookworm-security

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: sid

Types: deb-src
URIs: http://source.example/debian
Suites: sid
"""


def test_mirrors_are_read_from_deb822_without_what_is_switched_off_or_holds_sources() -> None:
    assert mirrors_in("debian.sources", DEB822) == [
        Mirror("http://one.example/debian", ("bookworm", "bookworm-updates")),
        Mirror("http://one.example/debian-security", ("bookworm-security",)),
    ]


def test_mirrors_are_read_from_one_line_style() -> None:
    text = (
        "# deb http://off.example/debian sid main\n"
        "deb [arch=amd64 signed-by=/k.gpg] https://two.example/debian/ trixie main contrib\n"
        "deb-src http://source.example/debian trixie main\n"
    )
    assert mirrors_in("sources.list", text) == [Mirror("https://two.example/debian/", ("trixie",))]


def test_the_files_of_both_styles_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "sources.list.d"
    folder.mkdir()
    (folder / "debian.sources").write_text(DEB822)
    (folder / "debian.sources.save").write_text("nonsense")
    (tmp_path / "sources.list").write_text("deb http://list.example/debian bookworm main\n")
    assert [mirror.uri for mirror in mirrors(str(tmp_path))] == [
        "http://list.example/debian",
        "http://one.example/debian",
        "http://one.example/debian-security",
    ]


def test_security_suites_come_from_the_archive_of_security_updates() -> None:
    known = mirrors_in("debian.sources", DEB822)
    assert uri_of("sid", known) == "http://one.example/debian"
    assert uri_of("bullseye-security", known) == "http://one.example/debian-security"
    assert uri_of("bullseye-security", known[:1]) == "http://one.example/debian-security"


def test_a_machine_without_a_mirror_of_debian_is_told_so() -> None:
    with pytest.raises(CannotFetch, match="no mirror of Debian"):
        uri_of("sid", [Mirror("http://archive.example/ubuntu", ("noble",))])
