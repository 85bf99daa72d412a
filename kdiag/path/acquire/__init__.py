"""The mechanisms that acquire paths, each in a module that is imported only when it is chosen."""

from importlib import import_module
from typing import Callable, Dict

from kdiag.path.call import Capture

__all__ = ["MODULES", "acquire_by"]

#: The name of a mechanism (kdiag.path.mechanisms) -> the module with its ``acquire`` (kdiag.path.request).
MODULES: Dict[str, str] = {
    "function_graph": "kdiag.path.acquire.graph",
    "boundaries": "kdiag.path.acquire.boundary",
    "stitch": "kdiag.path.acquire.stitch",
    "samples": "kdiag.path.acquire.sampling",
    "bpf": "kdiag.path.acquire.all_by_bpf",
    "raw_syscalls": "kdiag.path.acquire.all_syscalls",
    "wchan": "kdiag.path.acquire.sampling",
}


def acquire_by(mechanism: str) -> Callable[..., Capture]:
    """Return the function that acquires by a mechanism."""
    acquire: Callable[..., Capture] = import_module(MODULES[mechanism]).acquire
    return acquire
