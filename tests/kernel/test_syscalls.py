import re
from pathlib import Path

import pytest

from kdiag.kernel.syscall_symbol import symbol_of_syscall, symbols_of_syscall, syscall_of_symbol
from kdiag.kernel.syscalls import SYSCALLS, entry_name, meant_by, name_of, number_of

HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
#: In the generic header, but for other machines alone.
NOT_OF_ARM64 = {"sync_file_range2", "syscalls", "arch_specific_syscall"}


@pytest.mark.parametrize("machine", sorted(HEADERS))
def test_numbers_are_those_of_the_kernel_s_headers(machine: str) -> None:
    if not HEADERS[machine].exists():
        pytest.skip("no kernel headers here")
    text = HEADERS[machine].read_text()
    rows = re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)$", text, re.MULTILINE)
    assert len(rows) > 300
    told = {name: int(number) for name, number in rows if name not in NOT_OF_ARM64}
    if machine == "aarch64":
        told = {name: number for name, number in told.items() if not 403 <= number <= 423}
        told["newfstatat"] = told.pop("fstatat")
    for name, number in told.items():
        assert name_of(number, machine) == name


def test_numbers_of_each_machine_are_told_apart() -> None:
    assert (number_of("openat", "x86_64"), number_of("openat", "aarch64")) == (257, 56)
    assert (number_of("read", "x86_64"), number_of("read", "riscv64")) == (0, 63)
    assert name_of(0, "mips") is None
    assert number_of("open", "aarch64") is None


def test_numbers_since_424_are_the_same_everywhere() -> None:
    for number in range(424, 471):
        if number != 447:  # memfd_secret
            assert len({name_of(number, machine) for machine in SYSCALLS}) == 1


def test_every_entry_name_leads_to_its_number() -> None:
    for machine, table in SYSCALLS.items():
        for number, name in table.items():
            assert number_of(name, machine) == number
            entry = entry_name(name, machine)
            if entry not in table.values():
                assert number_of(entry, machine) == number


@pytest.mark.parametrize(
    ("word", "machine", "meant"),
    [
        ("open", "x86_64", ("openat", "open")),
        ("open", "aarch64", ("openat",)),
        ("stat", "x86_64", ("newfstatat", "newstat")),
        ("sys_openat", "x86_64", ("openat",)),
        ("pread", "x86_64", ("pread64",)),
        ("sendfile", "x86_64", ("sendfile64",)),
        ("uname", "x86_64", ("newuname",)),
        ("posix_fadvise", "aarch64", ("fadvise64_64",)),
        ("mkdir", "aarch64", ("mkdirat",)),
        ("wait", "x86_64", ("wait4",)),
        ("opnat", "x86_64", ()),
        ("read", "sparc", ()),
    ],
)
def test_what_users_call_a_system_call_leads_to_its_entry_points(
    word: str, machine: str, meant: "tuple[str, ...]"
) -> None:
    assert meant_by(word, machine) == meant


def test_the_wrapper_is_sought_by_the_names_of_the_machine() -> None:
    assert symbols_of_syscall("read", "aarch64")[:2] == ("__arm64_sys_read", "sys_read")
    assert symbols_of_syscall("read", "x86_64", compat=True)[1] == "__ia32_sys_read"
    assert symbol_of_syscall("read", "x86_64", {"ksys_read", "__se_sys_read"}) == "__se_sys_read"
    assert symbol_of_syscall("read", "x86_64", set()) is None


def test_a_wrapper_s_name_leads_back() -> None:
    for machine in ("x86_64", "aarch64", "s390x", "riscv64", "ppc64le"):
        for symbol in symbols_of_syscall("openat", machine, compat=True)[:-1]:
            assert syscall_of_symbol(symbol) == "openat"
    assert syscall_of_symbol("do_sys_openat2") is None
