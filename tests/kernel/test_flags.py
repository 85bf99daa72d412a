import errno
import fcntl
import mmap
import os
import platform
import signal
import socket
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdiag.kernel.flags import ARGUMENTS, TABLES, decode, table_of_argument

MACHINE = platform.machine()


@pytest.mark.skipif(sys.platform != "linux", reason="values of Linux")
@pytest.mark.parametrize("table", sorted(TABLES))
def test_values_are_those_of_this_machine_where_python_knows_them(table: str) -> None:
    name, _, machine = table.partition("@")
    if machine not in ("", MACHINE) or (not machine and f"{name}@{MACHINE}" in TABLES):
        pytest.skip("of another machine")
    seen = 0
    for value, word in (*TABLES[table].flags, *TABLES[table].choices):
        for module in (os, mmap, socket, fcntl, signal, errno):
            known = getattr(module, word, None)
            if known is None or word == "O_LARGEFILE":  # 0 to 64-bit programs, though the kernel sets it
                continue
            assert (word, int(known) & 0xFFFFFFFF) == (word, value)
            seen += 1
    if table in ("access", "family", "flock", "msg", "open", "prot", "signal", "socket_type", "whence"):
        assert seen > 2


def test_flags_of_several_bits_are_told_by_their_one_name() -> None:
    assert decode("open", os.O_RDWR | os.O_SYNC) == "O_RDWR|O_SYNC"
    assert decode("open", os.O_WRONLY | os.O_DSYNC) == "O_WRONLY|O_DSYNC"
    assert decode("open", 0o20200000 | 2) == "O_RDWR|O_TMPFILE"


def test_bits_without_a_name_stay_a_number() -> None:
    assert decode("open", 0x80000000) == "O_RDONLY|0x80000000"
    assert decode("socket_type", 15) == "0xf"
    assert decode("madvise", 77) == "77"


def test_nothing_is_told_by_its_name() -> None:
    assert decode("prot", 0) == "PROT_NONE"
    assert decode("access", 0) == "F_OK"
    assert decode("at_flags", 0) == "0"
    assert decode("clone", 0) == "0"


def test_descriptors_are_signed_whatever_their_width() -> None:
    assert decode("fd", -100) == decode("fd", 0xFFFFFF9C) == decode("fd", 2**64 - 100) == "AT_FDCWD"
    assert decode("fd", 0xFFFFFFFF) == "-1"


def test_every_argument_leads_to_a_table() -> None:
    assert set(ARGUMENTS.values()) - set(TABLES) == {"fd", "mode"}
    assert table_of_argument("access", "mode") == "access"
    assert table_of_argument("mkdirat", "mode") == "mode"


@given(st.sampled_from(sorted(TABLES)), st.integers(-(2**63), 2**64 - 1))
def test_any_value_is_told(table: str, value: int) -> None:
    assert decode(table.partition("@")[0], value, table.partition("@")[2] or "x86_64")
