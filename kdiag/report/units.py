"""How a field is shown follows from the unit at the end of its name.

Sizes are in binary prefixes, measured numbers in three significant digits, whole numbers in full; counts
are never scaled. ``None`` is ``-``, never 0. Headers lose the unit where the cells say it, and are those
of mpstat and sar where people know them: ``%steal``, ``reads/s``.
"""

import math
from functools import cache
from typing import Any, Callable, List, Optional, Tuple, Union

from kdiag.records import NamedTuple

__all__ = ["UNKNOWN", "cell", "duration", "header", "is_number", "percent", "significant", "size"]

Number = Union[int, float]

#: What stands where a value is not known.
UNKNOWN = "-"

_KIB = 1024
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
#: From here on a number would round up to the next prefix.
_NEXT_SIZE = 1023.5
_SHORT_TIMES = ((1e-9, "ns"), (1e-6, "us"), (1e-3, "ms"), (1.0, "s"))
_LONG_TIMES = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s"))


def significant(value: Number) -> str:
    """Return a whole number in full, any other in three significant digits.

    >>> [significant(value) for value in (12345, 3.0, 1234.56, 12.345, 1.2345, 0.012345, -0.5, 0.0001)]
    ['12345', '3', '1235', '12.3', '1.23', '0.012', '-0.500', '<0.001']
    """
    if value == int(value):
        return str(int(value))
    magnitude = abs(value)
    if magnitude < 0.0005:
        return "<0.001" if value > 0 else ">-0.001"
    for least, places in ((99.95, 0), (9.995, 1), (0.9995, 2)):
        if magnitude >= least:
            return f"{value:.{places}f}"
    return f"{value:.3f}"


def percent(value: Number) -> str:
    """Return a share with one decimal, so that a column of them lines up.

    >>> percent(0), percent(43.1), percent(100)
    ('0.0', '43.1', '100.0')
    """
    return f"{value:.1f}"


def size(value_bytes: Number) -> str:
    """Return a size in the binary prefix that fits.

    >>> [size(value) for value in (0, 512, 4096, 1_600_000, 1024**3 - 1, 2**64)]
    ['0', '512 B', '4 KiB', '1.53 MiB', '1.00 GiB', '16 EiB']
    """
    if not value_bytes:
        return "0"
    scaled: Number = value_bytes
    for prefix in _SIZES[:-1]:
        if abs(scaled) < _NEXT_SIZE:
            return f"{significant(scaled)} {prefix}"
        scaled = scaled / _KIB
    return f"{significant(scaled)} {_SIZES[-1]}"


def duration(seconds: Number) -> str:
    """Return a time as people say it.

    >>> [duration(value) for value in (0, 34e-9, 0.34, 1.23, 59.99, 300, 3_725, 273_600)]
    ['0', '34 ns', '340 ms', '1.23 s', '1 min', '5 min', '1 h 2 min', '3 d 4 h']
    """
    if not seconds:
        return "0"
    magnitude = abs(seconds)
    if magnitude < 59.95:
        unit_s, name = next((each for each in _SHORT_TIMES if magnitude < each[0] * 999.5), _SHORT_TIMES[-1])
        # 34e-9 / 1e-9 is not 34 in binary fractions.
        return f"{significant(round(seconds / unit_s, 6))} {name}"
    whole, sign = round(magnitude), "-" if seconds < 0 else ""
    unit, name, part, part_name = next(each for each in _LONG_TIMES if whole >= each[0])
    rest = whole % unit // part
    return f"{sign}{whole // unit} {name}" + (f" {rest} {part_name}" if rest else "")


class _Unit(NamedTuple):
    """A suffix of field names, the header that it makes of the rest, and how a number of it is shown."""

    suffix: str
    header: str
    show: Callable[[Number], str]


#: The first suffix that fits is taken.
_UNITS: Tuple[_Unit, ...] = (
    _Unit("_kib_per_s", "{}/s", lambda value: size(value * _KIB)),
    _Unit("_bytes_per_s", "{}/s", size),
    _Unit("_pages_per_s", "{} pages/s", significant),
    _Unit("_per_s", "{}/s", significant),
    _Unit("_pct", "%{}", percent),
    _Unit("_kib", "{}", lambda value: size(value * _KIB)),
    _Unit("_bytes", "{}", size),
    _Unit("_pages", "{} pages", significant),
    _Unit("_ticks", "{} ticks", significant),
    _Unit("_s", "{}", duration),
    _Unit("_ms", "{}", lambda value: duration(value / 1e3)),
    _Unit("_us", "{}", lambda value: duration(value / 1e6)),
    _Unit("_ns", "{}", lambda value: duration(value / 1e9)),
)


def header(field: str) -> str:
    """Return what stands above the column of a field.

    >>> [header(field) for field in ("used_kib", "reads_per_s", "steal_pct", "up_s", "run_queue", "pid")]
    ['used', 'reads/s', '%steal', 'up', 'run queue', 'pid']
    """
    unit = _unit_of(field)
    if unit is None:
        return field.replace("_", " ")
    return unit.header.format(field[: -len(unit.suffix)].replace("_", " "))


def cell(field: str, value: Any) -> str:
    """Return a value of a field as text, which may still be hostile.

    >>> cell("used_kib", 1536), cell("steal_pct", None), cell("cpus", (0, 1)), cell("mounted", True)
    ('1.50 MiB', '-', '0, 1', 'yes')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(cell(field, each) for each in value)
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return UNKNOWN if value is None or isinstance(value, float) else str(value)
    unit = _unit_of(field)
    return significant(value) if unit is None else unit.show(value)


def is_number(field: str, values: List[Any]) -> bool:
    """Tell whether a column holds numbers, which stand to the right.

    >>> is_number("load1", [0.5, None]), is_number("comm", ["bash"]), is_number("used_kib", [None])
    (True, False, True)
    """
    known = [value for value in values if value is not None]
    if not known:
        return _unit_of(field) is not None
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known)


@cache
def _unit_of(field: str) -> Optional[_Unit]:
    return next((unit for unit in _UNITS if field.endswith(unit.suffix)), None)
