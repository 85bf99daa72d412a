"""Files, inodes, dentries, and the space of file systems."""

from typing import Tuple

from kdiag.health.check import Check

__all__ = ["CHECKS"]

CHECKS: Tuple[Check, ...] = ()
