"""Calls of the recorded function_graph texts, as ``kdiag path --root FILE`` reads them."""

from typing import List, Tuple

from kdiag.path.call import SyscallCall
from kdiag.path.result import PathResult, summarize
from kdiag.path.saved import open_saved
from tests.ftrace.captures import CAPTURES, graphs

__all__ = ["calls_of", "graphs_of", "result_of"]


def calls_of(name: str) -> List[SyscallCall]:
    """Return the calls of ``kernel/file``."""
    return list(open_saved(str(CAPTURES / name)).capture.calls)


def result_of(name: str, which: str = "slowest", nth: int = 1) -> PathResult:
    saved = open_saved(str(CAPTURES / name))
    return summarize(saved.asked, saved.capture, which=which, nth=nth)


def graphs_of(scenario: str) -> Tuple[str, ...]:
    """Return ``kernel/file`` of all variants of a scenario in both kernels."""
    return tuple(name for name in graphs() if name.split("/")[1].startswith(f"{scenario}."))
