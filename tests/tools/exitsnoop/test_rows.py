"""What a wait status tells of an end."""

import signal
from typing import Any, Optional

import pytest

from kdiag.tools.exitsnoop import ExitRow
from kdiag.tools.exitsnoop.rows import Rows


def row(status: Optional[int], *, failed: bool = False, **more: Any) -> Optional[ExitRow]:
    rows = Rows({"failed": failed}, "x86_64")
    return next(rows.row(500, 10, None, 1, "sh", 40, status, **more), None)


@pytest.mark.parametrize(
    ("status", "code", "signal_name", "core", "how"),
    [
        (0, 0, None, None, "exit 0"),
        (3 << 8, 3, None, None, "exit 3"),
        (255 << 8, 255, None, None, "exit 255"),
        (signal.SIGTERM, None, "SIGTERM", False, "killed by SIGTERM"),
        (signal.SIGSEGV | 0x80, None, "SIGSEGV", True, "killed by SIGSEGV, core dumped"),
        (None, None, None, None, "?"),
    ],
)
def test_a_status_is_a_code_or_a_signal(
    status: Optional[int], code: Optional[int], signal_name: Optional[str], core: Optional[bool], how: str
) -> None:
    told = row(status)
    assert told is not None
    assert (told.exit_code, told.signal, told.core_dumped) == (code, signal_name, core)
    assert told.how == how


def test_where_nobody_tells_of_a_core_there_may_have_been_one() -> None:
    told = row(signal.SIGSEGV, knows_core=False)
    assert told is not None and told.core_dumped is None
    assert told.how == "killed by SIGSEGV"


def test_of_failures_those_are_shown_that_may_be_one() -> None:
    assert row(0, failed=True) is None
    assert row(1 << 8, failed=True) is not None
    assert row(signal.SIGKILL, failed=True) is not None
    assert row(None, failed=True) is not None


def test_times_are_after_the_first_end_shown_or_not() -> None:
    rows = Rows({"failed": True}, "x86_64")
    assert list(rows.row(1000, 1, None, 1, "a", 1, 0)) == []
    (told,) = rows.row(2_001_000, 2, None, 1, "b", 1, 256)
    assert (told.end_ns, told.time) == (2_000_000, "    0.002000")
