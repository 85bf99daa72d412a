"""The limits of the control group that kdiag runs in."""

from typing import Tuple

from kdiag.health.check import Check

__all__ = ["CHECKS"]

CHECKS: Tuple[Check, ...] = ()
