"""Memory whose shape or settings are wrong: dirty, fragmented, broken, reserved, on the wrong node."""

from typing import Tuple

from kdiag.health.check import Check

__all__ = ["CHECKS"]

CHECKS: Tuple[Check, ...] = ()
