"""``/proc/zoneinfo``: each memory zone's free pages against its watermarks.

Made by mm/vmstat.c (zoneinfo_show_print); the watermarks are explained in
Documentation/admin-guide/sysctl/vm.rst. All numbers are pages.

Between ``pages free`` and ``pagesets`` stands what belongs to a zone; what has no field of its own (boost,
promo, spanned, cma, the zone's nr_* on this and older kernels, ...) is kept in ``extra``. Skipped are the
``per-node stats`` of a node's first zone, which its vmstat file in sysfs has too, and the ``pagesets``, five
lines or more for each CPU: they make up nearly all of the file on a big host, and are jumped over.

Traps. A zone that is not populated has no counters and a watermark of little meaning: judge a zone only if
``managed_pages`` is not 0.
"""

from typing import Dict, List, Mapping, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem, unsigned
from kdiag.records import NamedTuple

__all__ = ["Zone", "ZoneInfo", "parse_zoneinfo"]


class Zone(NamedTuple):
    """One zone of one node. ``protection_pages`` is what it keeps from requests for each higher zone."""

    node: int
    name: str
    free_pages: Optional[int]
    min_pages: Optional[int]
    low_pages: Optional[int]
    high_pages: Optional[int]
    present_pages: Optional[int]
    managed_pages: Optional[int]
    protection_pages: Optional[Tuple[int, ...]]
    extra: Mapping[str, int]


class ZoneInfo(NamedTuple):
    """All zones, in the kernel's order."""

    zones: Tuple[Zone, ...]
    problems: Tuple[Problem, ...] = ()


# In the order of the record's fields.
_KEYS = (b"free", b"min", b"low", b"high", b"present", b"managed")


def parse_zoneinfo(data: bytes, path: str = "/proc/zoneinfo") -> ZoneInfo:
    r"""Parse ``/proc/zoneinfo``.

    >>> parsed = parse_zoneinfo(
    ...     b"Node 0, zone    DMA32\n"
    ...     b"  pages free     772917\n"
    ...     b"        min      13416\n"
    ...     b"        low      16770\n"
    ...     b"        protection: (0, 0, 768)\n")
    >>> zone = parsed.zones[0]
    >>> zone.name, zone.free_pages, zone.low_pages, zone.protection_pages, zone.managed_pages
    ('DMA32', 772917, 16770, (0, 0, 768), None)
    """
    problems: List[Problem] = []
    zones: List[Zone] = []
    start, lines_before = 0, 0
    while start < len(data):
        following = data.find(b"\nNode ", start) + 1 or len(data)
        # The last zone is gone through to its end, as only that shows whether the file was cut off.
        last = following == len(data)
        end = following if last else data.find(b"\n  pagesets\n", start, following) + 1 or following
        found: List[Problem] = []
        zone = _parse_zone(data[start:end], path, found)
        problems.extend(each._replace(line=each.line + lines_before) for each in found)
        if zone is not None:
            zones.append(zone)
        lines_before += data.count(b"\n", start, following)
        start = following
    return ZoneInfo(tuple(zones), tuple(problems))


def _parse_zone(section: bytes, path: str, problems: List[Problem]) -> Optional[Zone]:
    header: Optional[Tuple[int, bytes]] = None
    counts: Dict[bytes, int] = {}
    protection: Optional[Tuple[int, ...]] = None
    wanted = False
    for number, line in complete_lines(section, path, problems):
        if number == 1:
            header = _header(line)
            if header is None:
                problems.append(problem(path, number, line, "Node N, zone NAME"))
        elif line == b"  pagesets":
            wanted = False
        elif wanted or line.startswith(b"  pages "):
            wanted = True
            bounds = _protection(line)
            if bounds is not None:
                protection = bounds
                continue
            key, value = _key_and_pages(line)
            if value is None:
                problems.append(problem(path, number, line, "NAME PAGES"))
            else:
                counts[key] = value
    if header is None:
        return None
    known = [counts.pop(key, None) for key in _KEYS]
    extra = {decode(key): value for key, value in counts.items()}
    return Zone._make([header[0], decode(header[1]), *known, protection, extra])


def _header(line: bytes) -> Optional[Tuple[int, bytes]]:
    words = line.split()
    node = unsigned(words[1][:-1]) if len(words) == 4 and words[1].endswith(b",") else None
    return (node, words[3]) if node is not None and words[0] == b"Node" and words[2] == b"zone" else None


def _protection(line: bytes) -> Optional[Tuple[int, ...]]:
    key, _, bounds = line.strip().partition(b": (")
    if key != b"protection" or not bounds.endswith(b")"):
        return None
    pages = [unsigned(token) for token in bounds[:-1].split(b", ")]
    return None if None in pages else tuple(count for count in pages if count is not None)


def _key_and_pages(line: bytes) -> Tuple[bytes, Optional[int]]:
    words = line.split()
    if words[:1] == [b"pages"]:
        words = words[1:]
    if len(words) != 2:
        return b"", None
    return words[0], unsigned(words[1])
