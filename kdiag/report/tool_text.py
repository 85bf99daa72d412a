"""What a tool of the family prints for people: a head, rows as they come or a table an interval, and the end.

Rows of a stream go out in columns of fixed widths, for a line cannot wait for those after it. Columns that
hold nothing, or that the mechanism cannot give, are left out.
"""

from typing import Any, Iterator, List, Optional

from kdiag.report.choice import choice_lines
from kdiag.report.histogram import histogram_lines
from kdiag.report.layout import Column, pad, shorten, table_lines, wrap
from kdiag.report.terminal import Style
from kdiag.report.units import cell, header, is_number
from kdiag.tools.run import Run
from kdiag.tools.tool import Item, LostHere, StackRow, Summary, Tool

__all__ = ["ToolText"]

_STACK_INDENT = " " * 4


class ToolText:
    """Lines of one run; ``shown`` says what is watched."""

    def __init__(self, tool: Tool, shown: str, style: Style) -> None:
        self._tool = tool
        self._shown = shown
        self._style = style
        self._summaries = 0
        self._rows = 0
        self._columns_of_rows = tool.columns

    def begin(self, run: Run, started_ns: Optional[int]) -> Iterator[str]:
        """Yield the head: the mechanism, and what it cannot give."""
        style = self._style
        yield from wrap(style.safe(f"{self._tool.name} of {self._shown}"), style.width, indent=2)
        yield from choice_lines(run.choice, style)
        if run.cost is not None:
            yield from wrap(style.safe(f"cost: {run.cost}"), style.width, indent=2)
        for field, why in run.missing.items():
            yield from wrap(style.safe(f"  no {header(field)}: {why}"), style.width, indent=4)
        self._columns_of_rows = tuple(each for each in self._tool.columns if each[0] not in run.missing)
        if self._tool.streams:
            yield ""
            yield style.paint("header", self._line([header(name) for name, _ in self._columns_of_rows]))

    def item(self, run: Run, item: Item) -> Iterator[str]:
        """Yield the lines of a row, of a loss, or of a summary."""
        if isinstance(item, LostHere):
            what = "events are" if item.events is None else f"{item.events} events are"
            yield self._style.paint("warning", f"--- {what} missing here ---")
        elif isinstance(item, Summary):
            yield from self._summary(run, item)
        else:
            self._rows += 1
            yield self._line([cell(name, getattr(item, name)) for name, _ in self._columns_of_rows])

    def end(self, run: Run) -> Iterator[str]:
        """Yield the totals, what was lost, and the notes."""
        style = self._style
        yield ""
        counted = f"{self._rows} rows in {run.duration_s:.3g} s; " if self._tool.streams else ""
        yield from wrap(style.safe(f"{counted}{run.ended}"), style.width, indent=2)
        lost = f"lost: {run.lost.events} events"
        if run.lost.entries:
            lost += f", {run.lost.entries} had no room in a full map"
        if run.lost.stacks:
            lost += f", {run.lost.stacks} stacks"
        yield style.paint("warning", lost) if any(run.lost) else lost
        for note in run.notes:
            yield from wrap(style.safe(f"note: {note}"), style.width, indent=2)

    def _summary(self, run: Run, summary: Summary) -> Iterator[str]:
        style = self._style
        yield ""
        self._summaries += 1
        if run.interval_s is not None:
            yield f"{summary.started_s:.1f} to {summary.started_s + summary.duration_s:.1f} s"
        else:
            yield f"{summary.duration_s:.2f} s"
        if summary.rows:
            shown = run.cut(summary.rows)
            yield from table_lines(self._columns(shown), style)
            if len(shown) < len(summary.rows):
                more = len(summary.rows) - len(shown)
                yield f"({more} more row{'s' if more > 1 else ''})"
        for histogram in summary.histograms:
            yield ""
            yield from histogram_lines(histogram, style)
        for stack in run.cut(summary.stacks):
            yield from self._stack(stack)
        if not (summary.rows or summary.histograms or summary.stacks):
            yield "nothing happened that this looks for"
        for note in summary.notes:
            yield from wrap(style.safe(f"note: {note}"), style.width, indent=2)

    def _columns(self, rows: Any) -> List[Column]:
        made = []
        for name, _ in self._tool.columns:
            values = [getattr(row, name) for row in rows]
            if any(value is not None for value in values):
                cells = [self._style.safe(cell(name, value)) for value in values]
                made.append(Column(header(name), cells, is_number(name, values)))
        return made

    def _stack(self, stack: StackRow) -> Iterator[str]:
        style = self._style
        yield ""
        yield style.paint("header", style.safe(f"{cell(self._tool.weight_unit, stack.weight)}  {stack.key}"))
        for frame in reversed(stack.frames):
            yield from wrap(_STACK_INDENT + style.safe(frame), style.width, indent=6)

    def _line(self, cells: List[str]) -> str:
        style, columns = self._style, self._columns_of_rows
        padded = []
        for text, (name, width) in zip(cells, columns):
            safe = style.safe(text)
            if not width:
                padded.append(safe)
                continue
            right = is_number(name, [None]) or self._is_count(name)
            padded.append(pad(safe if right else shorten(safe, width, style.ellipsis), width, right))
        return " ".join(padded).rstrip()

    def _is_count(self, name: str) -> bool:
        row = self._tool.row
        kind = None if row is None else row.__annotations__.get(name)
        return kind in (int, float, Optional[int], Optional[float])
