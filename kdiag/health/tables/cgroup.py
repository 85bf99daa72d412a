"""The control group that kdiag runs in, its use and its limits."""

from typing import Tuple

from kdiag.health.table import Table

__all__ = ["TABLES"]

TABLES: Tuple[Table, ...] = ()
