"""Tasks in uninterruptible sleep, and dead ones that nobody waited for."""

from typing import Tuple

from kdiag.health.table import Table

__all__ = ["TABLES"]

TABLES: Tuple[Table, ...] = ()
