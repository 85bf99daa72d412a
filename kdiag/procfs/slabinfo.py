"""``/proc/slabinfo``: the kernel's object caches and the memory they take. Root only (mode 0400 on 6.18).

Made by mm/slab_common.c, described in slabinfo(5). The first line names the format (2.1).

Traps. SLUB merges caches of like size under one name, so a name may stand for others too. The tunables, all
0 with SLUB, are not kept. The file is among the costly ones: 25 KB of text on a small host.
"""

from typing import List, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem, unsigned
from kdiag.records import NamedTuple

__all__ = ["SlabCache", "SlabInfo", "parse_slabinfo"]


class SlabCache(NamedTuple):
    """One cache: objects in use and in all, their size, and the slabs (of some pages each) that hold them."""

    name: str
    active_objects: int
    total_objects: int
    object_size_bytes: int
    objects_per_slab: int
    pages_per_slab: int
    active_slabs: int
    total_slabs: int

    @property
    def objects_bytes(self) -> int:
        """The size of all objects, used or not."""
        return self.total_objects * self.object_size_bytes

    @property
    def total_pages(self) -> int:
        """The memory that the cache holds, which is what freeing it could give back."""
        return self.total_slabs * self.pages_per_slab


class SlabInfo(NamedTuple):
    """All caches, in the kernel's order."""

    version: Optional[str]
    caches: Tuple[SlabCache, ...]
    problems: Tuple[Problem, ...] = ()


_TITLE = b"slabinfo - version: "


def parse_slabinfo(data: bytes, path: str = "/proc/slabinfo") -> SlabInfo:
    r"""Parse ``/proc/slabinfo``.

    >>> parsed = parse_slabinfo(
    ...     b"slabinfo - version: 2.1\n"
    ...     b"# name <active_objs> <num_objs> <objsize> ...\n"
    ...     b"dentry  7120 8211 192 21 1 : tunables 0 0 0 : slabdata 391 391 0\n")
    >>> parsed.version, parsed.caches[0].name, parsed.caches[0].objects_bytes, parsed.caches[0].total_pages
    ('2.1', 'dentry', 1576512, 391)
    """
    problems: List[Problem] = []
    version: Optional[str] = None
    caches: List[SlabCache] = []
    for number, line in complete_lines(data, path, problems):
        if number == 1 and line.startswith(_TITLE):
            version = decode(line[len(_TITLE) :])
        elif not line.startswith(b"# name"):
            cache = _parse_cache(line)
            if cache is None:
                problems.append(
                    problem(path, number, line, "NAME and 5 numbers : tunables ... : slabdata ...")
                )
            else:
                caches.append(cache)
    return SlabInfo(version, tuple(caches), tuple(problems))


def _parse_cache(line: bytes) -> Optional[SlabCache]:
    # From the right, as nothing but habit keeps blanks out of a cache's name.
    objects, _, slabs = line.partition(b" : slabdata ")
    objects = objects.partition(b" : tunables ")[0]
    columns = objects.rsplit(None, 5)
    numbers = [unsigned(token) for token in columns[1:] + slabs.split()[:2]]
    known = [number for number in numbers if number is not None]
    if len(columns) != 6 or len(known) != 7 or len(numbers) != 7:
        return None
    return SlabCache(decode(columns[0]), *known)
