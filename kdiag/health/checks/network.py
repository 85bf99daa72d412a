"""Interfaces, the softirq queue, and TCP."""

from typing import Tuple

from kdiag.health.check import Check

__all__ = ["CHECKS"]

CHECKS: Tuple[Check, ...] = ()
