"""``/proc/buddyinfo``: free memory blocks by node, zone and order.

Documented in Documentation/filesystems/proc.rst, made by mm/vmstat.c (frag_show). The column of order n
counts free blocks of 2**n pages. How many columns there are is the kernel's choice (MAX_PAGE_ORDER): 11 on
most builds, not on all, so the largest is ``free_blocks[-1]`` and no fixed number.
"""

from typing import List, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem, unsigned
from kdiag.records import NamedTuple

__all__ = ["BuddyInfo", "BuddyZone", "parse_buddyinfo"]


class BuddyZone(NamedTuple):
    """One zone of one node; ``free_blocks[n]`` counts the free blocks of 2**n pages."""

    node: int
    zone: str
    free_blocks: Tuple[int, ...]

    @property
    def free_pages(self) -> int:
        """All free pages of the zone that are in blocks.

        >>> BuddyZone(0, "DMA", (3, 0, 2)).free_pages
        11
        """
        return sum(blocks << order for order, blocks in enumerate(self.free_blocks))

    def free_blocks_from(self, order: int) -> int:
        """Count the free blocks that could serve a request of 2**order pages.

        >>> BuddyZone(0, "Normal", (9, 5, 2)).free_blocks_from(1)
        7
        """
        return sum(self.free_blocks[order:])


class BuddyInfo(NamedTuple):
    """All zones, in the kernel's order."""

    zones: Tuple[BuddyZone, ...]
    problems: Tuple[Problem, ...] = ()


def parse_buddyinfo(data: bytes, path: str = "/proc/buddyinfo") -> BuddyInfo:
    r"""Parse ``/proc/buddyinfo``.

    >>> parsed = parse_buddyinfo(b"Node 0, zone   Normal    757    357    105      0 \n")
    >>> parsed.zones
    (BuddyZone(node=0, zone='Normal', free_blocks=(757, 357, 105, 0)),)
    """
    problems: List[Problem] = []
    zones: List[BuddyZone] = []
    for number, line in complete_lines(data, path, problems):
        head, words = line[:5], line[5:].split()
        node = unsigned(words[0][:-1]) if words else None
        blocks = [unsigned(word) for word in words[3:]]
        if head != b"Node " or node is None or words[1:2] != [b"zone"] or not blocks or None in blocks:
            problems.append(problem(path, number, line, "Node N, zone NAME followed by numbers"))
        else:
            counts = tuple(count for count in blocks if count is not None)
            zones.append(BuddyZone(node, decode(words[2]), counts))
    return BuddyInfo(tuple(zones), tuple(problems))
