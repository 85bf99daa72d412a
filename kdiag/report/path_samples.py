"""Samples of threads, where calls cannot be traced: in which call, state and place they were found."""

from typing import Any, Iterator

from kdiag.report.layout import Column, table_lines
from kdiag.report.terminal import Style

__all__ = ["sample_lines"]

_MOST_ROWS = 20


def sample_lines(samples: Any, style: Style) -> Iterator[str]:
    """Yield a table of :class:`kdiag.path.acquire.sampling.Samples`, the most frequent first."""
    rows = sorted(samples.rows, key=lambda row: -row.count)
    shown = rows[:_MOST_ROWS]
    total = samples.total or 1
    yield from table_lines(
        [
            Column("samples", [str(row.count) for row in shown], right=True),
            Column("share", [f"{100 * row.count / total:.1f}%" for row in shown], right=True),
            Column("call", [style.safe(row.syscall or "-") for row in shown]),
            Column("state", [style.safe(row.state) for row in shown]),
            Column("waits in", [style.safe(row.wchan or "-") for row in shown]),
            Column("stack", [style.safe(" < ".join(row.stack) or "-") for row in shown]),
        ],
        style,
    )
    yield f"{samples.total} samples; what lies between two of them is not seen"
    if len(rows) > len(shown):
        yield f"({len(rows) - len(shown)} more: see --json)"
