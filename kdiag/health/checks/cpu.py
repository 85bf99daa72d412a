"""How the CPUs spend their time, and how many tasks compete for them."""

from typing import Tuple

from kdiag.health.check import Check

__all__ = ["CHECKS"]

CHECKS: Tuple[Check, ...] = ()
