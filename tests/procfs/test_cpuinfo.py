from typing import Optional

import pytest

from kdiag.procfs.cpuinfo import CpuInfo, parse_cpuinfo
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

# Each as the architecture's show_cpuinfo prints it, shortened.
X86 = b"""\
processor\t: 0
vendor_id\t: AuthenticAMD
model\t\t: 2
model name\t: AMD EPYC
flags\t\t: fpu vme de
power management:

processor\t: 1
vendor_id\t: AuthenticAMD
model\t\t: 2
model name\t: AMD EPYC
flags\t\t: fpu vme de
power management:

"""
ARM64 = b"processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n\nprocessor\t: 1\nCPU part\t: 0xd0c\n\n"
ARM = b"processor\t: 0\nmodel name\t: ARMv7 Processor rev 4 (v7l)\nCPU part\t: 0xd03\n\nHardware\t: BCM2835\n"
OLD_ARM = b"Processor\t: ARMv7 Processor rev 10 (v7l)\nprocessor\t: 0\nBogoMIPS\t: 790.52\n\nprocessor\t: 1\n"
POWERPC = b"processor\t: 0\ncpu\t\t: POWER9, altivec supported\n\nprocessor\t: 8\ncpu\t\t: POWER9\n"
S390 = (
    b"vendor_id       : IBM/S390\n# processors    : 2\nbogomips per cpu: 3033.00\n"
    b"processor 0: version = FF,  identification = 133E8,  machine = 2964\n"
    b"processor 1: version = FF,  identification = 133E8,  machine = 2964\n"
)
MIPS = b"system type\t\t: MT7621\nprocessor\t\t: 0\ncpu model\t\t: MIPS 1004Kc V2.15\n"
RISCV = b"processor\t: 0\nhart\t\t: 1\nisa\t\t: rv64imafdc\nuarch\t\t: sifive,u74-mc\n"
LOONGARCH = (
    b"system type\t\t: generic-loongson-machine\n\nprocessor\t\t: 0\nModel Name\t\t: Loongson-3A5000\n"
)
SPARC = b"cpu\t\t: TI UltraSparc IIi (Sabre)\nncpus probed\t: 1\nncpus active\t: 1\nCPU0:\t\tonline\n"
ALPHA = b"cpu\t\t\t: Alpha\ncpu model\t\t: EV67\ncpus detected\t\t: 2\ncpus active\t\t: 2\n"


@pytest.mark.parametrize(
    ("data", "processors", "model"),
    [
        (X86, 2, "AMD EPYC"),
        (ARM64, 2, None),
        (ARM, 1, "ARMv7 Processor rev 4 (v7l)"),
        (OLD_ARM, 2, "ARMv7 Processor rev 10 (v7l)"),
        (POWERPC, 2, "POWER9, altivec supported"),
        (S390, 2, None),
        (MIPS, 1, "MIPS 1004Kc V2.15"),
        (RISCV, 1, "sifive,u74-mc"),
        (LOONGARCH, 1, "Loongson-3A5000"),
        (SPARC, 1, "TI UltraSparc IIi (Sabre)"),
        (ALPHA, 2, "EV67"),
    ],
    ids=["x86", "arm64", "arm", "old arm", "powerpc", "s390", "mips", "riscv", "loongarch", "sparc", "alpha"],
)
def test_processors_and_model_are_found_on_any_architecture(
    data: bytes, processors: int, model: Optional[str]
) -> None:
    assert parse_cpuinfo(data) == CpuInfo(processors, model)


def test_an_architecture_that_says_neither_has_none_of_both() -> None:
    assert parse_cpuinfo(b"core\t: something new\n") == CpuInfo(None, None)
    assert parse_cpuinfo(b"") == CpuInfo(None, None)


def test_a_model_without_a_name_is_none() -> None:
    assert parse_cpuinfo(b"processor\t: 0\nmodel name\t: \n") == CpuInfo(1, None)


def test_a_bad_line_is_named_and_the_others_survive() -> None:
    parsed = parse_cpuinfo(b"processor\t: 0\nno colon\nmodel name\t: X\n", "/r/proc/cpuinfo")
    assert parsed == CpuInfo(1, "X", (Problem("/r/proc/cpuinfo", 2, "no colon", "KEY : VALUE"),))


def test_it_survives_any_input() -> None:
    for sample in (X86, S390, ALPHA):
        holds_when_cut_anywhere(parse_cpuinfo, sample)
        holds_for_any_bytes(parse_cpuinfo, sample)
