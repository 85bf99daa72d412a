"""All checks, in the order in which equals are listed: pressure, saturation, utilisation, load."""

from typing import Tuple

from kdiag.health.check import Check
from kdiag.health.checks import cgroup, cpu, io, memory, memory_state, network, pressure, system, tasks, vfs

__all__ = ["CHECKS"]

CHECKS: Tuple[Check, ...] = (
    *pressure.CHECKS,
    *memory.CHECKS,
    *tasks.CHECKS,
    *vfs.CHECKS,
    *io.CHECKS,
    *network.CHECKS,
    *cgroup.CHECKS,
    *memory_state.CHECKS,
    *cpu.CHECKS,
    *system.CHECKS,
)
