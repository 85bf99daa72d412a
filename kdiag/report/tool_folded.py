"""Stacks of a tool one a line, as flamegraph.pl and speedscope read them.

``process;outermost;innermost 12``; functions of the kernel end with ``_[k]``, as bcc's tools mark them. What
was lost, and notes, are comments, which both leave out.
"""

from typing import Iterator, Optional

from kdiag.report.escape import printable
from kdiag.report.terminal import Style
from kdiag.tools.run import Run
from kdiag.tools.tool import Item, StackRow, Summary, Tool

__all__ = ["ToolFolded", "folded_stack"]


class ToolFolded:
    """Lines of one run."""

    def __init__(self, tool: Tool, shown: str, style: Style) -> None:
        self._tool = tool
        self._shown = shown

    def begin(self, run: Run, started_ns: Optional[int]) -> Iterator[str]:
        """Yield what is watched, and how."""
        name, unit = self._tool.name, self._tool.weight_unit
        yield f"# {name} of {printable(self._shown)} by {run.choice.name}, in {unit}"

    def item(self, run: Run, item: Item) -> Iterator[str]:
        """Yield the stacks."""
        if isinstance(item, Summary):
            yield from map(folded_stack, item.stacks)

    def end(self, run: Run) -> Iterator[str]:
        """Yield what was lost, and the notes."""
        if any(run.lost):
            lost = run.lost
            yield f"# lost: {lost.events} events, {lost.entries} entries, {lost.stacks} stacks"
        for note in run.notes:
            yield f"# note: {printable(note)}"


def folded_stack(row: StackRow) -> str:
    """Return the line of a stack.

    >>> folded_stack(StackRow("cat (7)", ("main", "read", "vfs_read"), 1, 12))
    'cat (7);main;read;vfs_read_[k] 12'
    """
    kernel_at = len(row.frames) - row.kernel_frames
    words = [name if at < kernel_at else f"{name}_[k]" for at, name in enumerate(row.frames)]
    return ";".join(printable(word).replace(";", ":") for word in (row.key, *words)) + f" {row.weight}"
