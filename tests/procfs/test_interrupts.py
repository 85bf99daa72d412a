import pytest

from kdiag.procfs.interrupts import Interrupt, parse_interrupts
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

INTERRUPTS_6_18 = b"""\
           CPU0       CPU1       
 24:          1          0  IO-APIC   5-edge      ACPI:Ged
 36:          0       7764 PCI-MSIX-0000:00:02.0   1-edge      virtio1-req.0
NMI:          0          0   Non-maskable interrupts
LOC:      11835      11636   Local timer interrupts
ERR:          0
MIS:          7
"""  # noqa: W291 (the kernel ends the heading with blanks)
# As arm64 prints it, with CPU 1 offline: the columns are those of CPU 0 and CPU 2.
INTERRUPTS_ARM64 = b"""\
           CPU0       CPU2       
 13:      52361      48120     GICv3  27 Level     arch_timer
IPI0:      1893       2077       Rescheduling interrupts
Err:          0
"""  # noqa: W291


def test_rows_are_read_with_a_count_for_each_cpu() -> None:
    parsed = parse_interrupts(INTERRUPTS_6_18)
    assert parsed.cpus == (0, 1)
    assert parsed.rows == (
        Interrupt("24", 1, (1, 0), "IO-APIC   5-edge      ACPI:Ged"),
        Interrupt("36", 7764, (0, 7764), "PCI-MSIX-0000:00:02.0   1-edge      virtio1-req.0"),
        Interrupt("NMI", 0, (0, 0), "Non-maskable interrupts"),
        Interrupt("LOC", 23471, (11835, 11636), "Local timer interrupts"),
        Interrupt("ERR", 0, None, ""),
        Interrupt("MIS", 7, None, ""),
    )
    assert parsed.problems == ()


def test_the_heading_tells_which_cpus_the_columns_are() -> None:
    parsed = parse_interrupts(INTERRUPTS_ARM64)
    assert parsed.cpus == (0, 2)
    assert [(row.name, row.per_cpu) for row in parsed.rows] == [
        ("13", (52361, 48120)),
        ("IPI0", (1893, 2077)),
        ("Err", None),
    ]
    assert parsed.problems == ()


def test_a_description_that_begins_with_a_number_is_no_count() -> None:
    parsed = parse_interrupts(b"  CPU0\n  9:   5   42 level   acpi\n")
    assert parsed.rows == (Interrupt("9", 5, (5,), "42 level   acpi"),)


def test_a_name_that_a_driver_chose_may_hold_any_byte() -> None:
    parsed = parse_interrupts(b"  CPU0\n  9:   5  IO-APIC  \xff\x1b[2J <x>\n")
    assert parsed.rows[0].description == "IO-APIC  \udcff\x1b[2J <x>"


@pytest.mark.parametrize(
    "line", [b"", b" 25", b" 25:", b": 1 2", b" 25: 1 x", b" 25: 1 -2 IO-APIC", b" 25: x"]
)
def test_a_bad_line_is_named_and_the_others_survive(line: bytes) -> None:
    parsed = parse_interrupts(b" CPU0 CPU1\n" + line + b"\nERR: 3\n", "/r/proc/interrupts")
    wanted = "NAME: 1 or 2 numbers, a description"
    assert parsed.problems == (Problem("/r/proc/interrupts", 2, line.decode(), wanted),)
    assert parsed.rows == (Interrupt("ERR", 3, None, ""),)


def test_without_a_heading_no_row_is_guessed() -> None:
    parsed = parse_interrupts(b" 24:  1  0  IO-APIC\nERR: 3\n", "/r/proc/interrupts")
    assert (parsed.cpus, parsed.rows) == ((), ())
    assert parsed.problems == (Problem("/r/proc/interrupts", 1, " 24:  1  0  IO-APIC", "CPU0 CPU1 ..."),)


@pytest.mark.parametrize("count", [2**32 - 1, 2**32, 2**64])
def test_counts_are_exact_at_the_edge_of_32_and_64_bits(count: int) -> None:
    parsed = parse_interrupts(b"  CPU0 CPU1\nLOC: %d 0 timer\nERR: %d\n" % (count, count))
    assert [row.total for row in parsed.rows] == [count, count]


def test_rows_of_4096_cpus_are_read() -> None:
    heading = b"".join(b"    CPU%d" % cpu for cpu in range(4096))
    parsed = parse_interrupts(heading + b"\nLOC:" + b"    3" * 4096 + b"   Local timer interrupts\n")
    assert parsed.rows == (Interrupt("LOC", 3 * 4096, (3,) * 4096, "Local timer interrupts"),)


def test_it_survives_any_input() -> None:
    holds_when_cut_anywhere(parse_interrupts, INTERRUPTS_6_18)
    holds_for_any_bytes(parse_interrupts, INTERRUPTS_6_18)
