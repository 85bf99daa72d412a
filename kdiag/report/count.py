"""What ``kdiag count`` prints: ``@[probe, key] = count``, most first, as bpftrace prints maps."""

from typing import Any, Dict, Iterator, Optional

from kdiag.report.choice import choice_document, choice_lines
from kdiag.report.json_envelope import envelope
from kdiag.report.layout import wrap
from kdiag.report.terminal import Style
from kdiag.tools.count import Count, CountRow

__all__ = ["count_document", "count_lines"]


def count_lines(result: Count, shown: str, style: Style) -> Iterator[str]:
    """Yield the lines; ``shown`` says what was watched."""
    head = f"{result.total} events in {result.duration_s:.2f} s, {shown}; {result.ended}"
    yield from wrap(style.safe(head), style.width, indent=2)
    yield from choice_lines(result.mechanism, style)
    yield style.safe(
        f"lost: {result.lost} events" + (f"; missed: {result.missed} hits" if result.missed else "")
    )
    for note in result.notes:
        yield from wrap(style.safe(f"note: {note}"), style.width, indent=2)
    yield ""
    for row in result.rows:
        yield from _row_lines(row, style)


def _row_lines(row: CountRow, style: Style) -> Iterator[str]:
    if row.key is None:
        yield style.safe(f"@[{row.probe}] = {row.number}")
    elif isinstance(row.key, tuple):
        yield style.safe(f"@[{row.probe},")
        for function in row.key or ("(no kernel stack)",):
            yield style.safe(f"    {function}")
        yield f"] = {row.number}"
    else:
        yield style.safe(f"@[{row.probe}, {row.key}] = {row.number}")


def count_document(
    result: Count, shown: str, started_ns: Optional[int], host: Dict[str, Any]
) -> Dict[str, Any]:
    """Return it as ``kdiag/count/1``."""
    body = {
        "target": shown,
        "ended": result.ended,
        "by": result.by or None,
        "rows": [{"probe": row.probe, "key": row.key, "count": row.number} for row in result.rows],
        "total": result.total,
        "missed": result.missed,
        "notes": result.notes,
    }
    return envelope(
        "count",
        body,
        0,
        host=host,
        started_ns=started_ns,
        duration_s=result.duration_s,
        mechanism=choice_document(result.mechanism),
        lost=result.lost,
    )
