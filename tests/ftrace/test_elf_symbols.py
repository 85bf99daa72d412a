import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdiag.ftrace.elf_symbols import BadElf, functions_of

PROGRAM = os.path.realpath(sys.executable)


@pytest.mark.skipif(shutil.which("readelf") is None, reason="readelf is not installed")
def test_functions_are_those_that_readelf_shows() -> None:
    shown = subprocess.run(["readelf", "-Ws", PROGRAM], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in shown.splitlines()]
    wanted = {
        row[7].partition("@")[0]: (int(row[2], 0), row[3] == "IFUNC")
        for row in rows
        if len(row) > 7 and row[3] in ("FUNC", "IFUNC") and row[6] != "UND"
    }
    found = functions_of(PROGRAM)
    assert {name: (each.size, each.indirect) for name, each in found.items()} == wanted


def test_a_function_is_where_its_code_is_in_the_file(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler is installed")
    source, program = tmp_path / "a.c", tmp_path / "a"
    source.write_text('__attribute__((noinline)) long marked(void) { return 0x1122334455667788; }\n'
                      "int main(void) { return (int)marked(); }\n")  # fmt: skip
    subprocess.run([compiler, "-O1", "-o", program, source], check=True)
    marked = functions_of(str(program))["marked"]
    code = program.read_bytes()[marked.offset : marked.offset + marked.size]
    if os.uname().machine == "x86_64":
        assert (0x1122334455667788).to_bytes(8, "little") in code


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"#!/bin/sh\n", "a script"), (b"", "not an ELF file"), (b"\x7fELF\x09\x01", "unknown")],
)
def test_what_is_no_program_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(BadElf, match=told):
        functions_of(str(path))


HEAD = Path(PROGRAM).read_bytes()[:4096]


@given(st.integers(0, 2**32), st.integers(0, 4096))
def test_a_damaged_file_is_an_error_and_nothing_else(seed: int, length: int) -> None:
    path = f"/dev/shm/kdiag-elf-{os.getpid()}"
    data = bytearray(HEAD[:length])
    choice = random.Random(seed)
    for _ in range(8):
        if data:
            data[choice.randrange(min(len(data), 64))] = choice.randrange(256)
    data[:6] = b"\x7fELF\x02\x01"
    try:
        Path(path).write_bytes(data)
        functions_of(path)
    except BadElf:
        pass
    finally:
        os.unlink(path)
