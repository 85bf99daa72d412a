import os
from pathlib import Path
from typing import List, Union

import pytest

from kdiag.host.kernel_log import KernelLog


class Records:
    """A log whose reads give one record each, as /dev/kmsg does."""

    def __init__(self, *records: Union[bytes, OSError]) -> None:
        self.records: List[Union[bytes, OSError]] = list(records)

    def read(self, descriptor: int, size: int) -> bytes:
        if not self.records:
            raise BlockingIOError
        record = self.records.pop(0)
        if isinstance(record, OSError):
            raise record
        return record


def test_only_what_begins_so_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "kmsg").write_bytes(b"")
    records = Records(
        b"6,1,10,-;eth0: link up\n",
        BrokenPipeError(),
        b"5,3,30,-;Lockdown: bpftool: use of kprobes is restricted; see man kernel_lockdown.7\n DEVICE=+x\n",
    )
    with KernelLog(str(tmp_path / "kmsg")) as log:
        monkeypatch.setattr(os, "read", records.read)
        assert log.new_lines("Lockdown:") == (
            "Lockdown: bpftool: use of kprobes is restricted; see man kernel_lockdown.7",
        )
        assert log.new_lines("Lockdown:") == ()


def test_what_was_there_before_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "kmsg").write_bytes(b"5,1,10,-;Lockdown: old\n")
    with KernelLog(str(tmp_path / "kmsg")) as log:
        with open(tmp_path / "kmsg", "ab") as file:
            file.write(b"5,2,20,-;Lockdown: new\n")
        assert log.new_lines() == ("Lockdown: new",)


def test_a_log_that_may_not_be_read_has_no_lines(tmp_path: Path) -> None:
    with KernelLog(str(tmp_path / "none")) as log:
        assert log.new_lines() == ()
