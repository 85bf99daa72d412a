import struct
from typing import Any, Dict

from hypothesis import given
from hypothesis import strategies as st

from kdiag.ftrace.event import Fields, RecordReader
from kdiag.ftrace.event_format import EventFormat, Field

COMMON = (
    Field("common_type", "unsigned short", 0, 2, False, "integer", None, 2),
    Field("common_pid", "int", 4, 4, True, "integer", None, 4),
)


def read(record: bytes, *fields: Field, big_endian: bool = False) -> Dict[str, Any]:
    return RecordReader(EventFormat("some", "thing", 7, COMMON, fields), big_endian).read(record)


def number(name: str, offset: int, size: int, signed: bool) -> Field:
    return Field(name, "int", offset, size, signed, "integer", None, size)


def test_numbers_have_their_width_sign_and_byte_order() -> None:
    fields = [
        number("a", 8, 1, True),
        number("b", 9, 8, False),
        number("c", 20, 4, True),
        number("d", 24, 2, False),
    ]
    for order, big in (("<", False), (">", True)):
        record = bytes(8) + struct.pack(order + "bQxxxiH", -3, (1 << 64) - 1, -100, 65535)
        assert read(record, *fields, big_endian=big) == {"a": -3, "b": (1 << 64) - 1, "c": -100, "d": 65535}


def test_fields_that_share_their_bytes_are_all_read() -> None:
    fields = [number("whole", 8, 8, False), number("low", 8, 4, False), number("high", 12, 4, False)]
    assert read(bytes(8) + struct.pack("<II", 1, 2), *fields) == {"whole": (2 << 32) + 1, "low": 1, "high": 2}


def test_text_ends_at_its_first_nul_and_loses_no_byte() -> None:
    comm = Field("comm", "char[16]", 8, 16, False, "string", 16, 1)
    assert read(bytes(8) + b"a\xff b\0junk".ljust(16, b"\0"), comm) == {"comm": "a\udcff b"}
    assert read(bytes(8) + b"x" * 16, comm) == {"comm": "x" * 16}


def test_arrays_are_numbers_and_arrays_of_bytes_bytes() -> None:
    args = Field("args", "unsigned long[6]", 8, 48, False, "array", 6, 8)
    address = Field("saddr", "__u8[4]", 56, 4, False, "array", 4, 1)
    signed = Field("s", "s32[2]", 60, 8, True, "array", 2, 4)
    record = bytes(8) + struct.pack("<6Q4B2i", 1, 2, 3, 4, 5, (1 << 64) - 1, 127, 0, 0, 1, -1, 2)
    assert read(record, args, address, signed) == {
        "args": (1, 2, 3, 4, 5, (1 << 64) - 1),
        "saddr": b"\x7f\0\0\1",
        "s": (-1, 2),
    }


def located(kind: str, c_type: str, offset: int = 8, width: int = 1) -> Field:
    return Field("x", c_type, offset, 4, False, kind, None, width)


def test_data_are_found_from_the_begin_of_the_record_or_the_end_of_the_field() -> None:
    text = b"/etc/hostname\0"
    for kind, base in (("dynamic", 0), ("relative", 12)):
        record = bytes(8) + struct.pack("<I", len(text) << 16 | (16 - base)) + b"####" + text
        assert read(record, located(kind, f"__{kind} char[]")) == {"x": "/etc/hostname"}
    numbers = bytes(8) + struct.pack("<I3Q", 24 << 16 | 12, 1, 2, 3)
    assert read(numbers, located("dynamic", "__data_loc u64[]", width=8)) == {"x": (1, 2, 3)}


def test_a_string_that_the_kernel_could_not_read_is_none() -> None:
    assert read(bytes(8) + struct.pack("<I", 12), located("dynamic", "__data_loc char[]")) == {"x": None}


def test_data_outside_of_the_record_are_none() -> None:
    for begin, length in ((12, 9), (400, 1), (20, 1), (0, 65535)):
        record = bytes(8) + struct.pack("<I", length << 16 | begin) + b"8 bytes."
        assert read(record, located("dynamic", "__data_loc char[]")) == {"x": None}


def test_fields_are_decoded_when_one_is_asked_for() -> None:
    reader = RecordReader(EventFormat("some", "thing", 7, COMMON, (number("a", 8, 4, True),)), False)
    fields = Fields(reader, bytes(8) + struct.pack("<i", -7))
    assert (list(fields), len(fields), "a" in fields, "b" in fields) == (["a"], 1, True, False)
    assert fields["a"] == -7
    assert fields == {"a": -7}


@given(st.binary(min_size=12, max_size=40), st.booleans())
def test_any_bytes_can_be_read(record: bytes, big_endian: bool) -> None:
    for kind in ("dynamic", "relative"):
        for c_type, width in (("__data_loc char[]", 1), ("__data_loc u64[]", 8), ("__data_loc u8[]", 1)):
            read(record, located(kind, c_type, width=width), big_endian=big_endian)
