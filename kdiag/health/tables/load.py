"""Load, split into what runs and what is blocked."""

from typing import Tuple

from kdiag.health.table import Table

__all__ = ["TABLES"]

TABLES: Tuple[Table, ...] = ()
