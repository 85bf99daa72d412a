"""All tables, in the order in which they are shown."""

from typing import Tuple

from kdiag.health.table import Table
from kdiag.health.tables import (
    blocked,
    cgroup,
    cpu,
    disks,
    file_systems,
    interrupts,
    load,
    memory,
    network,
    numa,
    pressure,
    slab,
    swap,
    top,
    vfs,
)

__all__ = ["TABLES"]

TABLES: Tuple[Table, ...] = (
    *load.TABLES,
    *pressure.TABLES,
    *cpu.TABLES,
    *memory.TABLES,
    *swap.TABLES,
    *disks.TABLES,
    *file_systems.TABLES,
    *vfs.TABLES,
    *network.TABLES,
    *numa.TABLES,
    *cgroup.TABLES,
    *blocked.TABLES,
    *top.TABLES,
    *interrupts.TABLES,
    *slab.TABLES,
)
