import contextlib
import struct
from typing import Dict, List, Sequence, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdiag.ebpf.btf import Btf, NoBtf

_INT, _PTR, _STRUCT, _UNION, _TYPEDEF, _FUNC, _FUNC_PROTO = 1, 2, 4, 5, 8, 12, 13


class Builder:
    """Writes BTF: records in the order of their ids, from 1."""

    def __init__(self) -> None:
        self.strings = bytearray(b"\0")
        self.types = bytearray()
        self.names: Dict[str, int] = {"": 0}
        self.count = 0

    def name(self, text: str) -> int:
        if text not in self.names:
            self.names[text] = len(self.strings)
            self.strings += text.encode() + b"\0"
        return self.names[text]

    def record(
        self, name: str, kind: int, target: int, tail: bytes = b"", vlen: int = 0, flag: int = 0
    ) -> int:
        self.types += struct.pack("=III", self.name(name), kind << 24 | vlen | flag << 31, target) + tail
        self.count += 1
        return self.count

    def integer(self, name: str, size: int) -> int:
        return self.record(name, _INT, size, struct.pack("=I", size * 8))

    def struct(
        self,
        name: str,
        size: int,
        members: Sequence[Tuple[str, int, int]],
        kind: int = _STRUCT,
        flag: int = 0,
    ) -> int:
        tail = b"".join(struct.pack("=III", self.name(each), of, bit) for each, of, bit in members)
        return self.record(name, kind, size, tail, len(members), flag)

    def data(self) -> bytes:
        header = struct.pack(
            "=HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self.types), len(self.types), len(self.strings)
        )
        return header + bytes(self.types) + bytes(self.strings)


def built() -> Builder:
    b = Builder()
    u32, u64 = b.integer("unsigned int", 4), b.integer("unsigned long", 8)
    path = b.struct("path", 16, [("mnt", u64, 0), ("dentry", u64, 64)])
    alias = b.record("path_t", _TYPEDEF, path)
    inner = b.struct("", 24, [("f_path", alias, 64), ("count", u32, 0)], _UNION)
    b.struct("file", 40, [("mode", u32, 0), ("", inner, 64)])
    b.struct("task", 16, [("__state", u32, 0), ("bits", u32, 3 << 24 | 37)], flag=1)
    b.record("task_old", 7, 0)  # a declaration
    proto = b.record("", _FUNC_PROTO, 0, struct.pack("=II", 0, u32), 1)
    b.record("vfs_read", _FUNC, proto)
    b.record("btf_trace_sys_enter", _TYPEDEF, b.record("", _PTR, proto))
    return b


BTF = built().data()


def test_a_field_is_found_in_unnamed_members_and_behind_typedefs() -> None:
    btf = Btf(BTF)
    assert btf.field("file", "mode")[:2] == (0, 4)
    assert btf.offset("file", "f_path") == 16
    assert btf.offset("file", "f_path.dentry") == 24
    assert btf.offset("file", "nosuch", "count") == 8


def test_a_field_of_bits_has_a_width_and_a_shift() -> None:
    field = Btf(BTF).field("task", "bits")
    assert (field.offset_bytes, field.bits, field.shift) == (4, 3, 5)
    assert Btf(BTF).field("task", "state", "__state").size_bytes == 4


def test_functions_and_events_have_ids() -> None:
    btf = Btf(BTF)
    assert btf.func_id("vfs_read") == 10
    assert btf.tracepoint_id("sys_enter") == 12
    assert (btf.has_func("vfs_read"), btf.has_func("file")) == (True, False)


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda btf: btf.offset("nosuch", "x"), "no struct nosuch"),
        (lambda btf: btf.offset("file", "x", "y"), "has no x or y"),
        (lambda btf: btf.func_id("nosuch"), "no function nosuch"),
        (lambda btf: btf.tracepoint_id("nosuch"), "btf_trace_nosuch|nosuch"),
    ],
)
def test_what_is_missing_is_told(ask: "object", told: str) -> None:
    with pytest.raises(NoBtf, match=told):
        ask(Btf(BTF))  # type: ignore[operator]


def _ask_everything(data: bytes) -> List[object]:
    btf = Btf(data)
    return [
        btf.field("file", "f_path.dentry"),
        btf.field("task", "bits"),
        btf.func_id("vfs_read"),
        btf.tracepoint_id("sys_enter"),
    ]


@given(st.integers(0, len(BTF) - 1), st.integers(0, 255))
def test_a_damaged_byte_never_gives_more_than_a_refusal(at: int, value: int) -> None:
    data = bytearray(BTF)
    data[at] = value
    with contextlib.suppress(NoBtf):
        _ask_everything(bytes(data))


@given(st.integers(0, len(BTF)))
def test_a_cut_never_gives_more_than_a_refusal(size: int) -> None:
    with contextlib.suppress(NoBtf):
        _ask_everything(BTF[:size])
