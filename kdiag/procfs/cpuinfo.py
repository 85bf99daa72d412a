"""``/proc/cpuinfo``: how many processors the kernel drives, and what they are.

Documented in proc(5); every architecture prints its own (arch/*/kernel/setup.c, proc.c or cpu.c). Two things
are taken from it, each in the first of its spellings that is there:

- processors: ``processor : N`` lines (x86, arm, arm64, riscv, powerpc, mips, loongarch) or ``processor N:``
  (s390), else ``ncpus active`` (sparc) or ``cpus active`` (alpha). Offline CPUs are not in the file: the list
  in /sys/devices/system/cpu is the better source.
- model: ``model name`` (x86, arm), ``Model Name`` (loongarch), ``cpu model`` (mips), ``cpu`` (powerpc, sparc,
  alpha), ``uarch`` (riscv), ``Processor`` (old arm). arm64 prints numbers of implementer and part only, and
  the model is ``None`` there.
"""

import re
from typing import Dict, List, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem, unsigned
from kdiag.records import NamedTuple

__all__ = ["CpuInfo", "parse_cpuinfo"]


class CpuInfo(NamedTuple):
    """The processors' number and the model of the first; ``None`` where the architecture does not say."""

    processors: Optional[int]
    model: Optional[str]
    problems: Tuple[Problem, ...] = ()


_S390_PROCESSOR = re.compile(rb"processor \d+")
_COUNT_KEYS = (b"ncpus active", b"cpus active")
_MODEL_KEYS = (b"model name", b"Model Name", b"cpu model", b"cpu", b"uarch", b"Processor")


def parse_cpuinfo(data: bytes, path: str = "/proc/cpuinfo") -> CpuInfo:
    r"""Parse ``/proc/cpuinfo`` of any architecture.

    >>> parsed = parse_cpuinfo(
    ...     b"processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu vme\n\n"
    ...     b"processor\t: 1\nmodel name\t: AMD EPYC\nflags\t\t: fpu vme\n\n")
    >>> parsed.processors, parsed.model
    (2, 'AMD EPYC')
    """
    problems: List[Problem] = []
    processors = 0
    first: Dict[bytes, bytes] = {}
    for number, line in complete_lines(data, path, problems):
        name, colon, value = line.partition(b":")
        key = name.rstrip()
        if not colon and key:
            problems.append(problem(path, number, line, "KEY : VALUE"))
        elif key == b"processor" or _S390_PROCESSOR.fullmatch(key):
            processors += 1
        else:
            first.setdefault(key, value.strip())
    totals = [unsigned(first[key]) for key in _COUNT_KEYS if key in first]
    models = [decode(first[key]) for key in _MODEL_KEYS if first.get(key)]
    return CpuInfo(processors or next(iter(totals), None), next(iter(models), None), tuple(problems))
