import gzip
import json
import lzma
import subprocess
import sys
from pathlib import Path
from typing import Tuple

import pytest

from tests.ftrace.captures import CAPTURES

TRACE = CAPTURES / "6.12-retval" / "raw-missed.trace.txt"


def kdiag(*words: str, given: bytes = b"") -> Tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "kdiag", "read", *words], input=given, capture_output=True, timeout=60
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_a_file_and_standard_input_are_read_alike() -> None:
    code, out, err = kdiag(str(TRACE))
    assert (code, err) == (0, "")
    assert "ENOENT 81" in out
    tables = out[out.index("By event") :]
    assert kdiag("-", given=TRACE.read_bytes())[1].endswith(tables)


def test_a_compressed_file_is_read_as_it_was(tmp_path: Path) -> None:
    plain = kdiag("--json", str(TRACE))[1]
    for name, packed in (
        ("t.gz", gzip.compress(TRACE.read_bytes())),
        ("t.xz", lzma.compress(TRACE.read_bytes())),
    ):
        file = tmp_path / name
        file.write_bytes(packed)
        code, out, _ = kdiag("--json", str(file))
        assert (code, out.replace(str(file), str(TRACE))) == (0, plain)


def test_a_compressed_file_that_is_cut_off_or_damaged_is_no_trace(tmp_path: Path) -> None:
    for name, packed in (
        ("t.gz", gzip.compress(TRACE.read_bytes())),
        ("t.xz", lzma.compress(TRACE.read_bytes())),
    ):
        file = tmp_path / name
        for cut in (len(packed) // 2, len(packed) - 4):
            for content in (packed[:cut], packed[:cut] + b"\xff\xee" + packed[cut + 2 :]):
                file.write_bytes(content)
                code, out, err = kdiag(str(file))
                assert (code, out, err.count("\n")) == (3, "", 1)


def test_json_is_one_document() -> None:
    code, out, _ = kdiag("--json", str(TRACE))
    assert code == 0
    assert json.loads(out)["overwritten"] == 715


@pytest.mark.parametrize("content", [None, b"", b"hello\n", b"\x7fELF\0\1\2"])
def test_what_cannot_be_read_is_one_line_and_code_3(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "trace"
    if content is not None:
        file.write_bytes(content)
    code, out, err = kdiag(str(file))
    assert (code, out) == (3, "")
    assert err.count("\n") == 1
    assert str(file) in err


def test_a_folder_is_no_trace(tmp_path: Path) -> None:
    assert kdiag(str(tmp_path))[0] == 3
