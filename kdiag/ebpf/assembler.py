"""BPF instructions from Python: registers, labels, and maps by name.

An instruction is eight bytes: opcode, registers (destination in the low four bits), a signed offset of
16 bits, an immediate of 32 (``Documentation/bpf/standardization/instruction-set.rst``). The constant of
64 bits takes two.

Registers: r0 is a result, r1 to r5 are arguments and lost across a call, r6 to r9 survive it, r10 points
behind 512 bytes of stack. The verifier wants: the result of a lookup tested against 0 before it is used,
every byte of the stack written before a kernel function (a *helper*) reads it, r0 set at the exit, no way
back (loops).
"""

import enum
import struct
import sys
from typing import Dict, List, Mapping, Tuple, Union

from kdiag.records import NamedTuple

__all__ = [
    "HELPERS",
    "R0",
    "R1",
    "R2",
    "R3",
    "R4",
    "R5",
    "R6",
    "R7",
    "R8",
    "R9",
    "R10",
    "Assembler",
    "Code",
    "Reg",
]


class Reg(enum.IntEnum):
    """A register."""

    R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 = range(11)


R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 = Reg

#: Functions of the kernel that programs call, by name (``enum bpf_func_id`` in ``include/uapi/linux/bpf.h``).
HELPERS: Mapping[str, int] = {
    "map_lookup_elem": 1,
    "map_update_elem": 2,
    "map_delete_elem": 3,
    "ktime_get_ns": 5,
    "get_smp_processor_id": 8,
    "get_current_pid_tgid": 14,
    "get_current_uid_gid": 15,
    "get_current_comm": 16,
    "perf_event_output": 25,
    "get_stackid": 27,
    "get_current_task": 35,
    "probe_read_user": 112,
    "probe_read_kernel": 113,
    "probe_read_user_str": 114,
    "probe_read_kernel_str": 115,
    "ringbuf_output": 130,
    "ringbuf_reserve": 131,
    "ringbuf_submit": 132,
    "ringbuf_discard": 133,
    "get_current_task_btf": 158,
    "get_func_ip": 173,
    "get_attach_cookie": 174,
}

_SIZES = {1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18}
_ALU = {
    "add": 0x00,
    "sub": 0x10,
    "mul": 0x20,
    "div": 0x30,
    "or": 0x40,
    "and": 0x50,
    "lsh": 0x60,
    "rsh": 0x70,
    "mod": 0x90,
    "xor": 0xA0,
    "mov": 0xB0,
    "arsh": 0xC0,
}
#: Comparisons without a sign, and with one (``s<``).
_JUMPS = {
    "==": 0x10,
    ">": 0x20,
    ">=": 0x30,
    "&": 0x40,
    "!=": 0x50,
    "s>": 0x60,
    "s>=": 0x70,
    "<": 0xA0,
    "<=": 0xB0,
    "s<": 0xC0,
    "s<=": 0xD0,
}
_LDX, _ST, _STX, _ALU64, _ALU32, _JMP = 0x61, 0x62, 0x63, 0x07, 0x04, 0x05
_LD_IMM64, _CALL, _EXIT, _ATOMIC_U64 = 0x18, 0x85, 0x95, 0xDB
_BY_REGISTER = 0x08
_PSEUDO_MAP_FD = 1
_Insn = Tuple[int, int, int, int, int]
Operand = Union[Reg, int]


class Code(NamedTuple):
    """Instructions, in which places are left for the descriptors of maps: (index, name of the map)."""

    instructions: Tuple[_Insn, ...]
    maps: Tuple[Tuple[int, str], ...]

    def bind(self, descriptors: Mapping[str, int]) -> bytes:
        """Return the bytes that the kernel takes, with the maps' descriptors put in."""
        places = dict(self.maps)
        return b"".join(
            pack(each if at not in places else (*each[:4], descriptors[places[at]]))
            for at, each in enumerate(self.instructions)
        )


def pack(instruction: _Insn) -> bytes:
    """Return the eight bytes of (opcode, destination, source, offset, immediate)."""
    opcode, destination, source, offset, immediate = instruction
    registers = destination | source << 4 if sys.byteorder == "little" else destination << 4 | source
    return struct.pack("=BBhI", opcode, registers, offset, immediate & 0xFFFFFFFF)


class Assembler:
    """Writes a program from top to bottom; :meth:`code` resolves the labels.

    >>> a = Assembler()
    >>> a.mov(R0, 0)
    >>> a.exit()
    >>> [pack(each).hex() for each in a.code().instructions]
    ['b700000000000000', '9500000000000000']
    """

    def __init__(self) -> None:
        self._instructions: List[_Insn] = []
        self._labels: Dict[str, int] = {}
        self._jumps: List[Tuple[int, str]] = []
        self._maps: List[Tuple[int, str]] = []
        self._unique = 0

    # Data

    def mov(self, destination: Reg, value: Operand) -> None:
        """Set a register to another's value, or to a constant of 32 bits with a sign."""
        self.alu("mov", destination, value)

    def mov32(self, destination: Reg, value: Operand) -> None:
        """Set a register to the lower 32 bits of a value, the upper ones to 0."""
        self.alu("mov", destination, value, 32)

    def constant(self, destination: Reg, value: int) -> None:
        """Set a register to a constant of 64 bits."""
        value &= 0xFFFFFFFFFFFFFFFF
        self._add(_LD_IMM64, destination, 0, 0, value & 0xFFFFFFFF)
        self._add(0, 0, 0, 0, value >> 32)

    def map(self, destination: Reg, name: str) -> None:
        """Set a register to a map."""
        self._maps.append((len(self._instructions), name))
        self._add(_LD_IMM64, destination, _PSEUDO_MAP_FD, 0, 0)
        self._add(0, 0, 0, 0, 0)

    def load(self, destination: Reg, base: Reg, offset: int, size: int = 8) -> None:
        """Load ``size`` bytes (1, 2, 4 or 8, no sign) from ``base + offset``."""
        self._add(_LDX | _SIZES[size], destination, base, offset, 0)

    def store(self, base: Reg, offset: int, value: Operand, size: int = 8) -> None:
        """Store ``size`` bytes of a register or constant at ``base + offset``."""
        if isinstance(value, Reg):
            self._add(_STX | _SIZES[size], base, value, offset, 0)
        else:
            self._add(_ST | _SIZES[size], base, 0, offset, value)

    def zero(self, offset: int, size: int) -> None:
        """Set ``size`` bytes of the stack, a multiple of 8, to 0."""
        for at in range(offset, offset + size, 8):
            self.store(R10, at, 0)

    def atomic_add(self, base: Reg, offset: int, source: Reg) -> None:
        """Add to 8 bytes in memory, in one step on all CPUs."""
        self._add(_ATOMIC_U64, base, source, offset, 0)

    # Arithmetic, on 64 bits without a sign

    def alu(self, operation: str, destination: Reg, value: Operand, bits: int = 64) -> None:
        """Do ``destination = destination operation value``.

        Operations: add sub mul div or and lsh rsh mod xor mov arsh.
        """
        opcode = (_ALU64 if bits == 64 else _ALU32) | _ALU[operation]
        if isinstance(value, Reg):
            self._add(opcode | _BY_REGISTER, destination, value, 0, 0)
        else:
            self._add(opcode, destination, 0, 0, value)

    def add(self, destination: Reg, value: Operand) -> None:
        """Add."""
        self.alu("add", destination, value)

    # Flow

    def label(self, name: str) -> None:
        """Name the next instruction."""
        if name in self._labels:
            raise ValueError(f"the label {name!r} is there twice")
        self._labels[name] = len(self._instructions)

    def unique(self, name: str) -> str:
        """Return a label that no other part of the program has."""
        self._unique += 1
        return f"{name}#{self._unique}"

    def jump(self, label: str) -> None:
        """Go on at a label further down."""
        self._jumps.append((len(self._instructions), label))
        self._add(_JMP, 0, 0, 0, 0)

    def jump_if(self, left: Reg, comparison: str, right: Operand, label: str) -> None:
        """Go on at a label if ``left comparison right``.

        Comparisons: ``== != < <= > >= &``, with a sign ``s< s<= s> s>=``.
        """
        self._jumps.append((len(self._instructions), label))
        opcode = _JMP | _JUMPS[comparison]
        if isinstance(right, Reg):
            self._add(opcode | _BY_REGISTER, left, right, 0, 0)
        else:
            self._add(opcode, left, 0, 0, right)

    def call(self, helper: str) -> None:
        """Call a function of the kernel; r1 to r5 are its arguments, r0 its result."""
        self._add(_CALL, 0, 0, 0, HELPERS[helper])

    def exit(self) -> None:
        """End the program with r0."""
        self._add(_EXIT, 0, 0, 0, 0)

    def code(self) -> Code:
        """Return the program; raises :exc:`ValueError` for a label that is missing."""
        instructions = list(self._instructions)
        for at, label in self._jumps:
            if label not in self._labels:
                raise ValueError(f"there is no label {label!r}")
            opcode, destination, source, _, immediate = instructions[at]
            instructions[at] = (opcode, destination, source, self._labels[label] - at - 1, immediate)
        return Code(tuple(instructions), tuple(self._maps))

    def _add(self, opcode: int, destination: int, source: int, offset: int, immediate: int) -> None:
        self._instructions.append((opcode, int(destination), int(source), offset, immediate))
