"""What a tool of the family prints with ``--json``.

A tool that streams prints a document a line, told apart by ``kind``: ``begin``, ``row``, ``lost``, ``end``.
So does a tool that sums up when ``--interval`` is given, with ``summary`` for each interval; without it, it
prints one document at the end.
"""

from typing import Any, Dict, Iterator, Optional

from kdiag.report.choice import choice_document
from kdiag.report.escape import unicode_only
from kdiag.report.histogram import histogram_document
from kdiag.report.json_envelope import dump, envelope
from kdiag.report.terminal import Style
from kdiag.tools.run import Run
from kdiag.tools.tool import Item, LostHere, Summary, Tool

__all__ = ["ToolJson"]


class ToolJson:
    """Documents of one run; ``shown`` says what is watched, ``host`` is for the envelope."""

    def __init__(self, tool: Tool, shown: str, style: Style) -> None:
        self._tool = tool
        self._shown = shown
        self._started_ns: Optional[int] = None
        self._last: Dict[str, Any] = {}
        self._rows = 0
        self.host: Dict[str, Any] = {}

    def begin(self, run: Run, started_ns: Optional[int]) -> Iterator[str]:
        """Yield what is watched, and how."""
        self._started_ns = started_ns
        if self._in_lines(run):
            yield self._document(run, {"kind": "begin"}, None)

    def item(self, run: Run, item: Item) -> Iterator[str]:
        """Yield the document of a row, of a loss or of a summary, without the envelope."""
        if isinstance(item, LostHere):
            yield dump({"kind": "lost", "events": item.events})
        elif isinstance(item, Summary):
            document = _summary(run, item)
            if self._in_lines(run):
                yield dump(_plain({"kind": "summary", **document}))
            else:
                self._last = document
        else:
            self._rows += 1
            yield dump(_plain({"kind": "row", **item._asdict()}))

    def end(self, run: Run) -> Iterator[str]:
        """Yield the totals; for a summary, all of it."""
        if self._in_lines(run):
            totals = {"row_count": self._rows} if self._tool.streams else {}
            yield self._document(run, {"kind": "end", **totals}, run.duration_s)
        else:
            yield self._document(run, self._last or _summary(run, Summary()), run.duration_s, 2)

    def _in_lines(self, run: Run) -> bool:
        return self._tool.streams or run.interval_s is not None

    def _document(
        self, run: Run, body: Dict[str, Any], duration_s: Optional[float], indent: Optional[int] = None
    ) -> str:
        document = envelope(
            self._tool.name,
            {
                **body,
                "target": self._shown,
                "ended": run.ended,
                "missing": run.missing,
                "cost": None if run.cost is None else run.cost._asdict(),
                "lost_map_entries": run.lost.entries,
                "lost_stacks": run.lost.stacks,
                "notes": list(run.notes),
            },
            0,
            host=self.host,
            started_ns=self._started_ns,
            duration_s=duration_s,
            mechanism=choice_document(run.choice),
            lost=run.lost.events,
        )
        return dump(document, indent)


def _summary(run: Run, summary: Summary) -> Dict[str, Any]:
    return {
        "started_s": summary.started_s,
        "summary_s": summary.duration_s,
        "rows": [row._asdict() for row in run.cut(summary.rows)],
        "histograms": [histogram_document(each) for each in summary.histograms],
        "stacks": [each._asdict() for each in run.cut(summary.stacks)],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return unicode_only(value)
    if isinstance(value, dict):
        return {unicode_only(str(key)): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value
