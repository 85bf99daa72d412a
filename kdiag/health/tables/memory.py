"""Memory: what is used, what is available, and which rows overlap."""

from typing import Tuple

from kdiag.health.table import Table

__all__ = ["TABLES"]

TABLES: Tuple[Table, ...] = ()
