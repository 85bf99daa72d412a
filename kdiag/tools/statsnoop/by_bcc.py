"""statsnoop by :mod:`kdiag.tools.path_calls.by_bcc`."""

from typing import Iterator

from kdiag.tools.path_calls.by_bcc import path_calls
from kdiag.tools.run import Run
from kdiag.tools.statsnoop import CALLS, row_of
from kdiag.tools.tool import Item

__all__ = ["run"]


def run(run: Run) -> Iterator[Item]:
    """Show calls until it ends."""
    return path_calls(run, CALLS, row_of)
