"""What ``kdiag probes`` prints: the kinds of probes, or the probes that match, a line each."""

from typing import Any, Dict, Iterable, Iterator, List, Sequence, Tuple

from kdiag.report.json_envelope import envelope
from kdiag.report.layout import Column, table_lines, wrap
from kdiag.report.terminal import Style
from kdiag.tools.probes import KindRow, ProbeRow

__all__ = ["kinds_document", "kinds_lines", "probes_document", "probes_lines"]


def kinds_lines(rows: Sequence[KindRow], events: Sequence[Tuple[str, str]], style: Style) -> Iterator[str]:
    """Yield the table of kinds, and the systems of events with their numbers."""
    columns = [
        Column("kind", [row.kind for row in rows]),
        Column("here", ["-" if row.why_not else _number(row) for row in rows], right=True),
        Column("written", [row.form for row in rows], least=24),
        Column("shows", [style.safe(f"no: {row.why_not}" if row.why_not else row.shows) for row in rows]),
    ]
    yield from table_lines(columns, style)
    systems: Dict[str, int] = {}
    for system, _ in events:
        systems[system] = systems.get(system, 0) + 1
    yield ""
    told = ", ".join(f"{system} {number}" for system, number in sorted(systems.items()))
    yield from wrap(style.safe(f"events by system: {told}"), style.width, indent=2)


def _number(row: KindRow) -> str:
    return "?" if row.number is None else str(row.number)


def probes_lines(rows: Iterable[ProbeRow], style: Style) -> Iterator[str]:
    """Yield a line for each probe, and one for each of its arguments."""
    for row in rows:
        more = f" [{row.module}]" if row.module else ""
        why = f"  # {row.why_not}" if row.why_not else ""
        yield style.safe(f"{row.probe}{more}{why}")
        for kind, name in row.arguments:
            yield style.safe(f"    {kind} {name}")


def kinds_document(rows: Sequence[KindRow], host: Dict[str, Any]) -> Dict[str, Any]:
    """Return the kinds as ``kdiag/probes/1``."""
    return _document({"kinds": [row._asdict() for row in rows], "probes": None}, host)


def probes_document(rows: List[ProbeRow], host: Dict[str, Any]) -> Dict[str, Any]:
    """Return the probes as ``kdiag/probes/1``."""
    probes = [
        {**row._asdict(), "arguments": [{"type": kind, "name": name} for kind, name in row.arguments]}
        for row in rows
    ]
    return _document({"kinds": None, "probes": probes}, host)


def _document(body: Dict[str, Any], host: Dict[str, Any]) -> Dict[str, Any]:
    return envelope(
        "probes", body, 0, host=host, mechanism={"name": "tracefs", "gives": "", "passed_over": []}
    )
