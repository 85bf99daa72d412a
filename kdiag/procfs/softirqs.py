"""``/proc/softirqs``: how often each kind of softirq ran, by CPU.

Documented in Documentation/filesystems/proc.rst, made by fs/proc/softirqs.c. Columns are the possible CPUs,
where those of interrupts are the online ones: go by this file's own heading. Kinds are named as in
include/linux/interrupt.h (``NET_RX``, ``TIMER``, ...), and a new kind needs nothing here.
"""

from typing import Dict, List, Mapping, Optional, Tuple

from kdiag.procfs.cpu_columns import counts, cpu_heading
from kdiag.procfs.text import Problem, complete_lines, decode, problem
from kdiag.records import NamedTuple

__all__ = ["Softirqs", "parse_softirqs"]


class Softirqs(NamedTuple):
    """Counts by kind; each tuple goes with ``cpus``, the CPU number of each column."""

    cpus: Tuple[int, ...]
    per_cpu: Mapping[str, Tuple[int, ...]]
    problems: Tuple[Problem, ...] = ()


def parse_softirqs(data: bytes, path: str = "/proc/softirqs") -> Softirqs:
    r"""Parse ``/proc/softirqs``. Without its heading no column can be told, and nothing is read.

    >>> parsed = parse_softirqs(
    ...     b"                    CPU0       CPU1       \n"
    ...     b"      NET_RX:       1007       1178\n")
    >>> parsed.cpus, parsed.per_cpu
    ((0, 1), {'NET_RX': (1007, 1178)})
    """
    problems: List[Problem] = []
    cpus: Optional[Tuple[int, ...]] = None
    per_cpu: Dict[str, Tuple[int, ...]] = {}
    for number, line in complete_lines(data, path, problems):
        if number == 1:
            cpus = cpu_heading(line)
            if cpus is None:
                problems.append(problem(path, number, line, "CPU0 CPU1 ..."))
        elif cpus is not None:
            name, _, rest = line.partition(b":")
            numbers = counts(rest.split())
            if numbers is None or len(numbers) != len(cpus) or not name.strip():
                problems.append(problem(path, number, line, f"KIND: {len(cpus)} numbers"))
            else:
                per_cpu[decode(name.strip())] = numbers
    return Softirqs(cpus or (), per_cpu, tuple(problems))
