"""Memory and allocations of each NUMA node."""

from typing import Optional

from kdiag.health.figures.memory import numa_pages
from kdiag.health.sample import NumaNode
from kdiag.health.table import Rows, Table, TableOptions
from kdiag.health.window import CannotJudge, Window
from kdiag.records import NamedTuple

__all__ = ["TABLES", "NumaRow"]

_NODES = "/sys/devices/system/node"


class NumaRow(NamedTuple):
    """One node: its memory, and where the pages that were meant for it came from."""

    node: int
    total_kib: Optional[int]
    free_kib: Optional[int]
    free_pct: Optional[float]
    file_kib: Optional[int]
    anon_kib: Optional[int]
    slab_kib: Optional[int]
    hit_pages_per_s: Optional[float]
    miss_pages_per_s: Optional[float]
    foreign_pages_per_s: Optional[float]


def _rows(window: Window, options: TableOptions) -> Rows:
    nodes = window.after.numa_nodes
    if not nodes:
        raise CannotJudge(_NODES, window.after.why_missing(_NODES))
    notes = (
        "miss: served here though another node was meant; foreign: meant for this node, served by another",
    )
    return Rows([_row(window, node) for node in nodes], window.basis, notes if len(nodes) > 1 else ())


def _row(window: Window, node: NumaNode) -> NumaRow:
    memory = node.meminfo
    total_kib = memory.mem_total_kib if memory is not None else None
    free_kib = memory.mem_free_kib if memory is not None else None
    path = f"{_NODES}/node{node.node}/numastat"
    counters = ("numa_hit", "numa_miss", "numa_foreign")
    return NumaRow(
        node.node,
        total_kib,
        free_kib,
        100 * free_kib / total_kib if total_kib and free_kib is not None else None,
        memory.file_pages_kib if memory is not None else None,
        memory.anon_pages_kib if memory is not None else None,
        memory.slab_kib if memory is not None else None,
        *(window.per_s(path, numa_pages(node.node, counter)) for counter in counters),
    )


TABLES = (Table("numa", "NUMA nodes", NumaRow, _rows, {"file_kib": "page cache"}),)
