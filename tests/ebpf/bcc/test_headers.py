import re

import pytest

from kdiag.ebpf.bcc.headers import MACHINES, stub_headers, version_code


@pytest.mark.parametrize("machine", MACHINES)
def test_all_that_is_included_is_there(machine: str) -> None:
    headers = stub_headers(machine, "6.1.0-56-amd64", 4096)
    for path, text in headers.items():
        folder = path.rpartition("/")[0]
        for quote, name in re.findall(r'^#include (["<])(.*)[">]$', text, re.MULTILINE):
            assert (f"{folder}/{name}" if quote == '"' else f"include/{name}") in headers


def test_the_test_of_bcc_for_headers_is_met() -> None:
    assert "include/linux/kconfig.h" in stub_headers("x86_64", "6.1.0", 4096)


def test_registers_stand_where_the_kernel_has_them() -> None:
    text = stub_headers("x86_64", "6.1.0", 4096)["include/linux/ptrace.h"]
    names = re.findall(r"\b[a-z_0-9]+(?=[,;])", text.partition("{")[2].partition("}")[0])
    at = {name: 8 * index for index, name in enumerate(names)}
    assert (at["ax"], at["di"], at["orig_ax"], at["sp"], at["ss"]) == (80, 112, 120, 152, 160)


def test_the_version_and_the_page_are_those_of_the_kernel() -> None:
    headers = stub_headers("aarch64", "5.10.0-43-arm64", 65536)
    assert f"#define LINUX_VERSION_CODE {5 << 16 | 10 << 8}\n" in headers["include/linux/version.h"]
    assert headers["include/asm/page.h"] == "#define PAGE_SIZE 65536UL\n"


def test_the_third_number_of_a_version_has_eight_bits() -> None:
    assert version_code("4.19.325-1") == (4, 19, 255)


@pytest.mark.parametrize("release", ["", "linux", "6", "6.x"])
def test_what_is_no_release(release: str) -> None:
    with pytest.raises(ValueError, match="does not begin with two numbers"):
        version_code(release)


def test_another_machine() -> None:
    with pytest.raises(KeyError):
        stub_headers("s390x", "6.1.0", 4096)
