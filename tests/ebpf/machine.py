"""A small BPF machine for tests: registers and a stack, no maps, no kernel."""

from typing import Dict, List, Sequence

from kdiag.ebpf.assembler import Code

_MASK = (1 << 64) - 1
_STACK_TOP = 1 << 32


def run(code: Code, registers: Dict[int, int]) -> List[int]:
    """Run until the exit, and return the registers; what is not known here is an error."""
    values = [registers.get(number, 0) for number in range(11)]
    values[10] = _STACK_TOP
    memory: Dict[int, int] = {}
    at = 0
    instructions: Sequence[tuple[int, int, int, int, int]] = code.instructions
    while True:
        opcode, to, source, offset, immediate = instructions[at]
        at += 1
        kind, operation = opcode & 7, opcode & 0xF0
        right = values[source] if opcode & 8 else immediate & _MASK
        if opcode == 0x95:
            return values
        if opcode == 0x18:
            values[to] = immediate & 0xFFFFFFFF | (instructions[at][4] & 0xFFFFFFFF) << 32
            at += 1
        elif kind == 7:
            values[to] = _arithmetic(operation, values[to], right) & _MASK
        elif kind == 4:
            values[to] = _arithmetic(operation, values[to] & 0xFFFFFFFF, right & 0xFFFFFFFF) & 0xFFFFFFFF
        elif kind == 5:
            if operation == 0x00 or _compare(operation, values[to], right):
                at += offset
        elif opcode in (0x7A, 0x7B):
            memory[values[to] + offset] = right if opcode == 0x7A else values[source]
        elif opcode == 0x79:
            values[to] = memory[values[source] + offset]
        else:
            raise NotImplementedError(f"{opcode:#x}")


def _arithmetic(operation: int, left: int, right: int) -> int:
    return {
        0x00: lambda: left + right,
        0x10: lambda: left - right,
        0x20: lambda: left * right,
        0x30: lambda: left // right if right else 0,
        0x40: lambda: left | right,
        0x50: lambda: left & right,
        0x60: lambda: left << (right & 63),
        0x70: lambda: left >> (right & 63),
        0x90: lambda: left % right if right else left,
        0xA0: lambda: left ^ right,
        0xB0: lambda: right,
    }[operation]()


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _compare(operation: int, left: int, right: int) -> bool:
    return {
        0x10: lambda: left == right,
        0x20: lambda: left > right,
        0x30: lambda: left >= right,
        0x40: lambda: bool(left & right),
        0x50: lambda: left != right,
        0x60: lambda: _signed(left) > _signed(right),
        0x70: lambda: _signed(left) >= _signed(right),
        0xA0: lambda: left < right,
        0xB0: lambda: left <= right,
        0xC0: lambda: _signed(left) < _signed(right),
        0xD0: lambda: _signed(left) <= _signed(right),
    }[operation]()
