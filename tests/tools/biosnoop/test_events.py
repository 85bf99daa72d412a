import struct
from typing import Any

from kdiag.tools.biosnoop import BlockRow
from kdiag.tools.biosnoop.events import EVENT_BYTES, row_of
from kdiag.tools.block_operations import OperationBits
from kdiag.tools.block_programs import NO_SECTOR, RequestLayout

LAYOUT = RequestLayout(
    0, 0, 0, 0, (0,), 0, (), False, OperationBits({0: "R", 1: "W", 2: "F"}, ((11, "S"),), 18)
)


def event(**changed: Any) -> bytes:
    fields = {
        "done": 5_000_900,
        "sector": 64,
        "cmd_flags": 1 | 1 << 11,
        "error": 0,
        "disk": b"sd\xff",
        "queued": 5_000_100,
        "issued": 5_000_300,
        "bytes": 4096,
        "watched": 1,
        "tid": 12,
        "tgid": 11,
        "comm": b"a\nb",
    }
    return struct.pack("=QQII32sQQQQII16s", *{**fields, **changed}.values())


def row(data: bytes, layout: RequestLayout = LAYOUT, with_queue: bool = True) -> BlockRow:
    return row_of(data, layout, 5_000_000, with_queue=with_queue)


def test_an_event_is_a_row() -> None:
    expected = BlockRow(9e-7, 11, 12, "a\nb", "sd\udcff", "WS", 64, 4096, 200, 600, "")
    assert row(event()) == expected
    # Buffers of old kernels pad.
    assert row(event() + bytes(4)) == expected
    assert len(event()) == EVENT_BYTES


def test_the_queue_is_told_to_those_who_ask() -> None:
    assert row(event(), with_queue=False).queue_ns is None


def test_what_has_no_disk_and_no_sector_says_so() -> None:
    found = row(event(sector=NO_SECTOR, disk=b"", cmd_flags=2 | 1 << 18))
    assert (found.disk, found.sector, found.operation) == (None, None, "FF")


def test_errors_have_the_names_of_an_errno_on_all_kernels() -> None:
    assert row(event(error=10)).error == "EIO"
    old = LAYOUT._replace(error_is_errno=True)
    assert row(event(error=(1 << 32) - 5), old).error == "EIO"
