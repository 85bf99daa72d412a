"""The tasks with the most CPU time, and those that waited longest for a CPU."""

from typing import Tuple

from kdiag.health.table import Table

__all__ = ["TABLES"]

TABLES: Tuple[Table, ...] = ()
