"""``/proc/pressure/{cpu,memory,io,irq}`` and the cgroup's ``*.pressure``: time lost waiting (PSI).

Documented in Documentation/accounting/psi.rst, made by kernel/sched/psi.c. Averages are in per cent
of wall time, refreshed every 2 s; ``total`` is microseconds since boot, so the difference of two
readings is exact for any window.

Since 4.20. ``irq`` since 6.1, with ``full`` only, and reading it gives EOPNOTSUPP where the kernel does not
account interrupt time. The ``full`` line of ``cpu`` came in 5.13, is undefined for the whole host, and is
printed as 0 there (it was not 0 on some 5.13 to 5.17 kernels). A kernel booted with psi=0 has either no
directory or files that answer EOPNOTSUPP.
"""

from typing import Dict, List, Mapping, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decimal, decode, problem, unsigned
from kdiag.records import NamedTuple

__all__ = ["Pressure", "PressureLine", "parse_pressure"]


_AVERAGES = ("avg10", "avg60", "avg300")


class PressureLine(NamedTuple):
    """One line: the share of time in which some, or all, non-idle tasks were stalled."""

    avg10_pct: Optional[float]
    avg60_pct: Optional[float]
    avg300_pct: Optional[float]
    total_us: Optional[int]
    extra: Mapping[str, str]


class Pressure(NamedTuple):
    """A pressure file; a line that the kernel does not print is ``None``, never zero."""

    some: Optional[PressureLine]
    full: Optional[PressureLine]
    extra: Mapping[str, PressureLine]
    problems: Tuple[Problem, ...] = ()


def parse_pressure(data: bytes, path: str = "/proc/pressure/cpu") -> Pressure:
    r"""Parse a pressure file.

    >>> parsed = parse_pressure(
    ...     b"some avg10=1.53 avg60=0.87 avg300=0.21 total=2214798\n"
    ...     b"full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
    >>> parsed.some.avg10_pct, parsed.some.total_us, parsed.full.total_us
    (1.53, 2214798, 0)
    """
    problems: List[Problem] = []
    found: Dict[str, PressureLine] = {}
    for number, line in complete_lines(data, path, problems):
        kind, *tokens = line.split() or [b""]
        parsed = _parse_tokens(tokens)
        if parsed is None:
            problems.append(problem(path, number, line, "some|full avg10=N avg60=N avg300=N total=N"))
        else:
            found[decode(kind)] = parsed
    some, full = found.pop("some", None), found.pop("full", None)
    return Pressure(some, full, found, tuple(problems))


def _parse_tokens(tokens: List[bytes]) -> Optional[PressureLine]:
    values: Dict[str, bytes] = {}
    for token in tokens:
        key, equals, value = token.partition(b"=")
        if not equals:
            return None
        values[decode(key)] = value
    if not values:
        return None
    given = [values.pop(key, None) for key in _AVERAGES]
    averages = [None if token is None else decimal(token) for token in given]
    total = values.pop("total", None)
    total_us = None if total is None else unsigned(total)
    if averages.count(None) > given.count(None) or (total_us is None and total is not None):
        return None
    extra = {key: decode(value) for key, value in values.items()}
    return PressureLine(averages[0], averages[1], averages[2], total_us, extra)
