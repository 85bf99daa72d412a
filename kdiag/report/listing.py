"""What kdiag knows of itself: one check explained, all checks in a table, all kernel files in a table."""

from typing import Any, Iterator, Mapping, Sequence

from kdiag.health.check import Check
from kdiag.report import units
from kdiag.report.layout import Column, led_lines, table_lines, wrap
from kdiag.report.terminal import Style

__all__ = ["FILE_FIELDS", "checks_lines", "explain_lines", "files_lines"]

#: What is told of each kernel file, in this order.
FILE_FIELDS = ("path", "since", "who", "cost", "parser", "when", "sections")
#: Paths that differ in the middle are to differ when they are cut.
_LEAST_PATH = 35
_INDENT = 12


def explain_lines(check: Check, style: Style) -> Iterator[str]:
    """Yield what a check means, how it judges, and what to do about it."""
    yield from led_lines("title", style.safe(check.id), style.safe(f"  {check.title}"), style)
    limits = ", ".join(f"{name} = {units.significant(value)}" for name, value in check.thresholds.items())
    texts = (
        ("formula", check.formula),
        ("unit", check.unit),
        ("thresholds", limits or "none"),
        ("source", check.source),
        ("why", check.because),
        ("next", check.next),
        ("essential", _ESSENTIAL[check.essential]),
    )
    for name, text in texts:
        if text:
            yield from wrap(style.safe(f"{name:<{_INDENT}}{text}"), style.width, _INDENT)


_ESSENTIAL = {
    True: "yes: where it cannot be judged, and nothing is wrong, the exit code is 3",
    False: "no: where it cannot be judged, that is said, and the exit code does not tell",
}


def checks_lines(checks: Sequence[Check], style: Style) -> Iterator[str]:
    """Yield the table of all checks."""
    limits = [
        ", ".join(f"{name}={units.significant(value)}" for name, value in check.thresholds.items())
        for check in checks
    ]
    columns = [
        Column("id", [style.safe(check.id) for check in checks]),
        Column("what", [style.safe(check.title) for check in checks]),
        Column("thresholds", [style.safe(limit) for limit in limits]),
    ]
    yield from table_lines(columns, style)


def files_lines(rows: Sequence[Mapping[str, Any]], style: Style) -> Iterator[str]:
    """Yield the table of kernel files; each row has the :data:`FILE_FIELDS`."""
    cells = {field: [style.safe(units.cell(field, row[field])) for row in rows] for field in FILE_FIELDS}
    path, *others = FILE_FIELDS
    columns = [Column(path, cells[path], least=_LEAST_PATH), *(Column(each, cells[each]) for each in others)]
    yield from table_lines(columns, style)
