from hypothesis import given
from hypothesis import strategies as st

from kdiag.ebpf.assembler import R7, R8, R9, Assembler
from kdiag.ebpf.pieces import slot_of
from tests.ebpf.machine import run


@given(st.integers(0, (1 << 64) - 1))
def test_a_slot_is_the_bit_length_of_a_value(value: int) -> None:
    a = Assembler()
    slot_of(a, R9, R7, R8)
    a.exit()
    assert run(a.code(), {9: value})[7] == value.bit_length()
