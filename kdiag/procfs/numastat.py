"""``/sys/devices/system/node/nodeN/numastat``: where a node's page allocations were meant to go and went.

Documented in Documentation/admin-guide/numastat.rst, made by drivers/base/node.c. All count pages since boot.
``numa_miss`` is counted on the node that helped out, ``numa_foreign`` on the node that should have served.
With vm.numa_stat=0 the kernel stops counting, and the numbers stand still.
"""

from typing import List, Mapping, Optional, Tuple

from kdiag.procfs.flat_keyed import flat_keyed
from kdiag.procfs.text import Problem
from kdiag.records import NamedTuple

__all__ = ["NumaStat", "parse_numastat"]


class NumaStat(NamedTuple):
    """One node's counters; one that the kernel does not print is ``None``."""

    numa_hit_pages: Optional[int]
    numa_miss_pages: Optional[int]
    numa_foreign_pages: Optional[int]
    interleave_hit_pages: Optional[int]
    local_node_pages: Optional[int]
    other_node_pages: Optional[int]
    extra: Mapping[str, int]
    problems: Tuple[Problem, ...] = ()


# In the order of the record's fields.
_KEYS = ("numa_hit", "numa_miss", "numa_foreign", "interleave_hit", "local_node", "other_node")


def parse_numastat(data: bytes, path: str = "/sys/devices/system/node/node0/numastat") -> NumaStat:
    r"""Parse a node's numastat.

    >>> parsed = parse_numastat(b"numa_hit 801817\nnuma_miss 12\nlocal_node 801817\n")
    >>> parsed.numa_hit_pages, parsed.numa_miss_pages, parsed.other_node_pages
    (801817, 12, None)
    """
    problems: List[Problem] = []
    found = flat_keyed(data, path, problems)
    known = [found.pop(key, None) for key in _KEYS]
    return NumaStat._make([*known, found, tuple(problems)])
