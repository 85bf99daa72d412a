"""Tasks that are stuck, dead, or near a limit of their number or open files."""

from typing import Tuple

from kdiag.health.check import Check

__all__ = ["CHECKS"]

CHECKS: Tuple[Check, ...] = ()
