"""``/proc/schedstat``: how long tasks ran, and how long they waited to run, by CPU.

Documented in Documentation/scheduler/sched-stats.rst, made by kernel/sched/stats.c. Present only with
CONFIG_SCHEDSTATS; ``/proc/PID/schedstat`` may be there without it.

Traps. The document calls the two times jiffies: they are nanoseconds. Versions from 15 on differ in their
``domainN`` lines only, which are skipped here; version 14 has three more numbers in a ``cpuN`` line, and such
lines are refused rather than misread.
"""

from typing import Dict, List, Mapping, Optional, Tuple

from kdiag.procfs.cpu_columns import counts
from kdiag.procfs.text import Problem, complete_lines, decode, problem, unsigned
from kdiag.records import NamedTuple

__all__ = ["CpuSchedStat", "SchedStat", "parse_schedstat"]


class CpuSchedStat(NamedTuple):
    """One ``cpu`` line, all since boot. ``wait_ns`` sums over all tasks that were waiting at a time."""

    yields: int
    schedules: int
    schedules_to_idle: int
    wakeups: int
    local_wakeups: int
    run_ns: int
    wait_ns: int
    timeslices: int
    extra: Tuple[int, ...] = ()


class SchedStat(NamedTuple):
    """The lines of the online CPUs, by CPU number."""

    version: Optional[int]
    timestamp_jiffies: Optional[int]
    cpus: Mapping[int, CpuSchedStat]
    extra: Mapping[str, str]
    problems: Tuple[Problem, ...] = ()


_FIRST_VERSION = 15


def parse_schedstat(data: bytes, path: str = "/proc/schedstat") -> SchedStat:
    r"""Parse the ``cpu`` lines of ``/proc/schedstat``.

    >>> parsed = parse_schedstat(
    ...     b"version 15\n"
    ...     b"timestamp 4295567890\n"
    ...     b"cpu0 0 0 9120 3018 4410 1200 72184091633 1893021877 6049\n"
    ...     b"domain0 03 0 0 0\n")
    >>> parsed.version, parsed.cpus[0].run_ns, parsed.cpus[0].wait_ns, parsed.cpus[0].timeslices
    (15, 72184091633, 1893021877, 6049)
    """
    problems: List[Problem] = []
    header: Dict[bytes, int] = {}
    cpus: Dict[int, CpuSchedStat] = {}
    extra: Dict[str, str] = {}
    for number, line in complete_lines(data, path, problems):
        keyword, _, rest = line.partition(b" ")
        cpu = unsigned(keyword[3:]) if keyword[:3] == b"cpu" else None
        if cpu is not None:
            parsed = _parse_cpu(rest, header.get(b"version", _FIRST_VERSION))
            if parsed is None:
                problems.append(problem(path, number, line, "cpuN and 9 numbers (version 15 or later)"))
            else:
                cpus[cpu] = parsed
        elif keyword[:6] == b"domain":
            continue
        elif keyword in (b"version", b"timestamp"):
            value = unsigned(rest)
            if value is None:
                problems.append(problem(path, number, line, f"{decode(keyword)} N"))
            else:
                header[keyword] = value
        elif keyword:
            extra[decode(keyword)] = decode(rest)
        else:
            problems.append(problem(path, number, line, "a keyword and its numbers"))
    return SchedStat(header.get(b"version"), header.get(b"timestamp"), cpus, extra, tuple(problems))


def _parse_cpu(text: bytes, version: int) -> Optional[CpuSchedStat]:
    numbers = counts(text.split())
    if numbers is None or len(numbers) < 9 or version < _FIRST_VERSION:
        return None
    # The second number is left of the O(1) scheduler and always 0.
    return CpuSchedStat._make([numbers[0], *numbers[2:9], numbers[9:]])
