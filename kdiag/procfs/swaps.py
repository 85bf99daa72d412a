r"""``/proc/swaps``: the swap areas in use, with size, use and priority.

Documented in Documentation/filesystems/proc.rst and proc(5), made by mm/swapfile.c (swap_show). Sizes are
KiB.

Traps. Blanks in a path are escaped as in ``\040`` and undone here; a deleted swap file keeps its name with
`` (deleted)`` behind it. zram swap is compressed memory and takes RAM as it fills: judge it apart from disks.
"""

from typing import List, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem, signed, unescape_octal, unsigned
from kdiag.records import NamedTuple

__all__ = ["SwapArea", "Swaps", "parse_swaps"]


class SwapArea(NamedTuple):
    """One swap area; ``kind`` is ``partition`` or ``file``."""

    name: str
    kind: str
    size_kib: int
    used_kib: int
    priority: int
    extra: Tuple[str, ...] = ()

    @property
    def is_zram(self) -> bool:
        """Whether this area lives in memory, going by the name that the zram driver gives its disks."""
        return self.name.startswith("/dev/zram")


class Swaps(NamedTuple):
    """All swap areas, in the kernel's order; none is an empty tuple."""

    areas: Tuple[SwapArea, ...]
    problems: Tuple[Problem, ...] = ()


def parse_swaps(data: bytes, path: str = "/proc/swaps") -> Swaps:
    r"""Parse ``/proc/swaps``.

    >>> parsed = parse_swaps(
    ...     b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
    ...     b"/dev/zram0                              partition\t2097148\t\t51200\t\t100\n")
    >>> parsed.areas[0].used_kib, parsed.areas[0].priority, parsed.areas[0].is_zram
    (51200, 100, True)
    """
    problems: List[Problem] = []
    areas: List[SwapArea] = []
    for number, line in complete_lines(data, path, problems):
        if number == 1 and line.startswith(b"Filename"):
            continue
        area = _parse_area(line.split())
        if area is None:
            problems.append(problem(path, number, line, "FILENAME TYPE SIZE USED PRIORITY"))
        else:
            areas.append(area)
    return Swaps(tuple(areas), tuple(problems))


def _parse_area(columns: List[bytes]) -> Optional[SwapArea]:
    if len(columns) < 5:
        return None
    name, kind = decode(unescape_octal(columns[0])), decode(columns[1])
    size_kib, used_kib, priority = unsigned(columns[2]), unsigned(columns[3]), signed(columns[4])
    if size_kib is None or used_kib is None or priority is None:
        return None
    return SwapArea(name, kind, size_kib, used_kib, priority, tuple(map(decode, columns[5:])))
