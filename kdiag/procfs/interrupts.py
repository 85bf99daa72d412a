"""``/proc/interrupts``: how often each interrupt was served, by CPU.

Documented in Documentation/filesystems/proc.rst, made by kernel/irq/proc.c and, for the rows with a letter
name, by the architecture (arch/x86/kernel/irq.c and its kin).

Traps. Columns are the online CPUs only, so a column's place is no CPU number: ``cpus`` has it from the
heading. ``ERR`` and ``MIS`` are one number for the whole host (with a single CPU, nothing tells it from that
CPU's count). What follows the numbers has blanks in it and no fixed columns. The file grows with CPUs times
interrupts and is, next to slabinfo, the most costly of the host's to read.
"""

from typing import List, Optional, Tuple

from kdiag.procfs.cpu_columns import counts, cpu_heading
from kdiag.procfs.text import Problem, complete_lines, decode, problem
from kdiag.records import NamedTuple

__all__ = ["Interrupt", "Interrupts", "parse_interrupts"]


class Interrupt(NamedTuple):
    """One row; ``per_cpu`` goes with ``Interrupts.cpus``, and is ``None`` for a row that has a total only."""

    name: str
    total: int
    per_cpu: Optional[Tuple[int, ...]]
    description: str


class Interrupts(NamedTuple):
    """All rows, in the kernel's order; ``cpus`` is the CPU number of each column."""

    cpus: Tuple[int, ...]
    rows: Tuple[Interrupt, ...]
    problems: Tuple[Problem, ...] = ()


def parse_interrupts(data: bytes, path: str = "/proc/interrupts") -> Interrupts:
    r"""Parse ``/proc/interrupts``. Without its heading no row can be told apart from its description.

    >>> parsed = parse_interrupts(
    ...     b"           CPU0       CPU2       \n"
    ...     b" 24:          1          9  IO-APIC   5-edge      ACPI:Ged\n"
    ...     b"ERR:          3\n")
    >>> parsed.cpus, parsed.rows[0].per_cpu, parsed.rows[0].description
    ((0, 2), (1, 9), 'IO-APIC   5-edge      ACPI:Ged')
    >>> parsed.rows[1]
    Interrupt(name='ERR', total=3, per_cpu=None, description='')
    """
    problems: List[Problem] = []
    cpus: Optional[Tuple[int, ...]] = None
    rows: List[Interrupt] = []
    for number, line in complete_lines(data, path, problems):
        if number == 1:
            cpus = cpu_heading(line)
            if cpus is None:
                problems.append(problem(path, number, line, "CPU0 CPU1 ..."))
        elif cpus is not None:
            row = _parse_row(line, len(cpus))
            if row is None:
                problems.append(problem(path, number, line, f"NAME: 1 or {len(cpus)} numbers, a description"))
            else:
                rows.append(row)
    return Interrupts(cpus or (), tuple(rows), tuple(problems))


def _parse_row(line: bytes, width: int) -> Optional[Interrupt]:
    name, colon, rest = line.partition(b":")
    name = name.strip()
    if not colon or not name:
        return None
    columns = rest.split(None, width)
    numbers = counts(columns[:width])
    if numbers is None or len(numbers) not in (1, width):
        return None
    description = decode(columns[width].rstrip()) if len(columns) > width else ""
    return Interrupt(decode(name), sum(numbers), numbers if len(numbers) == width else None, description)
