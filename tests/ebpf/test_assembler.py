import operator
from typing import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdiag.ebpf.assembler import R0, R1, R2, R3, R6, R10, Assembler, pack
from tests.ebpf.machine import run

u64 = st.integers(0, (1 << 64) - 1)
s32 = st.integers(-(1 << 31), (1 << 31) - 1)


def listed(write: Callable[[Assembler], None]) -> "list[str]":
    a = Assembler()
    write(a)
    return [pack(each).hex() for each in a.code().instructions]


@pytest.mark.parametrize(
    ("write", "bytes_of"),
    [
        (lambda a: a.mov(R1, R10), "bfa1000000000000"),
        (lambda a: a.mov(R0, -1), "b7000000ffffffff"),
        (lambda a: a.mov32(R2, R0), "bc02000000000000"),
        (lambda a: a.load(R1, R6, 8), "7961080000000000"),
        (lambda a: a.load(R1, R6, 1264, 4), "6161f00400000000"),
        (lambda a: a.store(R10, -4, R0, 4), "630afcff00000000"),
        (lambda a: a.store(R10, -8, 7), "7a0af8ff07000000"),
        (lambda a: a.add(R2, -16), "07020000f0ffffff"),
        (lambda a: a.call("map_lookup_elem"), "8500000001000000"),
        (lambda a: a.atomic_add(R0, 0, R1), "db10000000000000"),
        (lambda a: a.exit(), "9500000000000000"),
    ],
)
def test_instructions_are_as_the_kernel_documents_them(
    write: Callable[[Assembler], None], bytes_of: str
) -> None:
    assert listed(write) == [bytes_of]


def test_a_map_is_a_place_for_its_descriptor() -> None:
    a = Assembler()
    a.map(R1, "counts")
    a.exit()
    assert a.code().bind({"counts": 5}).hex() == "1811000005000000" + "0" * 16 + "9500000000000000"
    with pytest.raises(KeyError):
        a.code().bind({})


@given(u64, u64)
def test_a_constant_of_64_bits_takes_two(left: int, right: int) -> None:
    a = Assembler()
    a.constant(R0, left)
    a.constant(R1, right)
    a.exit()
    found = run(a.code(), {})
    assert (found[0], found[1]) == (left, right)


@pytest.mark.parametrize(
    ("sign", "meant"),
    [("==", operator.eq), ("!=", operator.ne), ("<", operator.lt), ("<=", operator.le), (">", operator.gt)],
)
@given(left=u64, right=u64)
def test_jumps_go_where_the_label_is(
    sign: str, meant: Callable[[int, int], bool], left: int, right: int
) -> None:
    a = Assembler()
    a.mov(R0, 1)
    a.jump_if(R1, sign, R2, "there")
    a.mov(R0, 2)
    a.jump("end")
    a.label("there")
    a.mov(R0, 3)
    a.label("end")
    a.exit()
    assert run(a.code(), {1: left, 2: right})[0] == (3 if meant(left, right) else 2)


@given(s32)
def test_a_comparison_with_a_sign_is_one(value: int) -> None:
    a = Assembler()
    a.mov(R3, value)
    a.mov(R0, 0)
    a.jump_if(R3, "s<", 0, "below")
    a.mov(R0, 1)
    a.label("below")
    a.exit()
    assert run(a.code(), {})[0] == int(value >= 0)


def test_labels_are_there_once() -> None:
    a = Assembler()
    a.jump("nowhere")
    with pytest.raises(ValueError, match="no label 'nowhere'"):
        a.code()
    a.label("here")
    with pytest.raises(ValueError, match="there twice"):
        a.label("here")
    assert a.unique("x") != a.unique("x")
