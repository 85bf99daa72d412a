"""A snapshot as text for people: what is wrong in the first lines, worst first; then why; then the tables.

The second paragraph names everything that is wrong in one sentence, however much evidence follows. What
many subjects have in common (a reason, a next step) is said once, and long lists are cut with their count.
"""

from typing import Iterator, List, Sequence

from kdiag.health.finding import INSTANT, SINCE_BOOT, Finding
from kdiag.health.snapshot import Snapshot
from kdiag.health.table import FilledTable
from kdiag.report import digest, units
from kdiag.report.layout import Column, led_lines, shorten, table_lines, wrap
from kdiag.report.terminal import Style

__all__ = ["snapshot_lines"]

#: How many subjects of one check, and pieces of evidence of each, are shown unless all are asked for.
_SHOWN_SUBJECTS = 5
_SHOWN_EVIDENCE = 3
_SHOWN_PROBLEMS = 5
_SHOWN_COSTS = 20
#: ``CRITICAL `` and ``  evidence ``: where the text beside a label begins.
_STATUS_INDENT = 9
_DETAIL_INDENT = 11
_MOST_LINES = 4


def snapshot_lines(
    snapshot: Snapshot,
    style: Style,
    *,
    findings: bool = True,
    all_findings: bool = False,
    timings: bool = False,
) -> Iterator[str]:
    """Yield the lines of a snapshot.

    Without ``findings`` only the verdict and the tables are shown; with ``all_findings`` also the checks
    that passed or do not apply, and nothing is cut.
    """
    yield from _header(snapshot, style)
    if findings:
        yield from _wrong(snapshot, style, all_findings)
        yield from _informative(snapshot, style, all_findings)
        yield from _unknown(snapshot, style)
        yield from _passed(snapshot, style, all_findings)
    for table in snapshot.tables:
        yield ""
        yield from _table(table, style)
    yield from _not_read(snapshot, style)
    yield from _problems(snapshot, style)
    if snapshot.notes:
        yield ""
    for note in snapshot.notes:
        yield from wrap(style.safe(f"note: {note}"), style.width, indent=6)
    if timings:
        yield ""
        yield from _costs(snapshot, style)


def _header(snapshot: Snapshot, style: Style) -> Iterator[str]:
    name = style.safe(digest.host_name(snapshot))
    facts = style.safe(", ".join(digest.host_facts(snapshot)))
    yield from led_lines("title", name, f": {facts}", style, most=_MOST_LINES)
    yield from wrap(style.safe("; ".join(digest.readings(snapshot))), style.width, indent=2)
    yield ""
    status, sentence = digest.verdict(snapshot)
    for line in wrap(style.safe(sentence), style.width, 2, _MOST_LINES, style.ellipsis):
        yield style.paint(status, line)


def _wrong(snapshot: Snapshot, style: Style, everything: bool) -> Iterator[str]:
    wrong = [finding for finding in snapshot.findings if finding.status in ("critical", "warning")]
    for found in digest.alike(wrong):
        yield ""
        for finding in _first(found, everything):
            yield from _headline(finding, finding.summary, style)
            yield from _evidence(finding, style, everything)
        yield from _others(found, everything, style)
        yield from _detail("why", found[0].because, style)
        yield from _detail("next", found[0].next, style)


def _informative(snapshot: Snapshot, style: Style, everything: bool) -> Iterator[str]:
    info = [finding for finding in snapshot.findings if finding.status == "info"]
    if info:
        yield ""
    for found in digest.grouped(info, lambda each: each.id).values():
        for finding in _first(found, everything):
            place = f" ({finding.evidence[0]})" if finding.evidence else ""
            yield from _headline(finding, finding.summary + place, style)
        yield from _others(found, everything, style)


def _unknown(snapshot: Snapshot, style: Style) -> Iterator[str]:
    groups = digest.not_judged(snapshot)
    if groups:
        yield ""
    for group in groups:
        yield from _labelled("unknown", ", ".join(group.names), style, most=0)
        yield from _detail("why", group.reason, style)
        yield from _detail("remedy", group.remedy, style)


def _passed(snapshot: Snapshot, style: Style, everything: bool) -> Iterator[str]:
    yield ""
    yield digest.passed(snapshot)
    if not everything:
        return
    for finding in snapshot.findings:
        if finding.status == "ok":
            yield from _headline(finding, finding.summary, style)
    for check_id, reason in snapshot.not_applicable:
        yield from _labelled("n/a", f"{check_id}  {reason}", style)


def _headline(finding: Finding, summary: str, style: Style) -> Iterator[str]:
    since = " [since boot]" if finding.basis == SINCE_BOOT else ""
    yield from _labelled(finding.status, f"{digest.label(finding)}  {summary}{since}", style)


def _labelled(status: str, text: str, style: Style, most: int = _MOST_LINES) -> Iterator[str]:
    """Yield a text with its status before it, in colour."""
    label = f"{status.upper():<{_STATUS_INDENT}}"
    yield from led_lines(status, label, style.safe(text), style, _STATUS_INDENT, most)


def _evidence(finding: Finding, style: Style, everything: bool) -> Iterator[str]:
    shown = len(finding.evidence) if everything else _SHOWN_EVIDENCE
    for evidence in finding.evidence[:shown]:
        # Files that the kernel lays out with tabs read well with blanks; a tab in a name is rare there.
        text = style.safe(f"  evidence {evidence}  {evidence.raw}".replace("\t", " "))
        yield shorten(text, style.width, style.ellipsis).rstrip()
    if len(finding.evidence) > shown:
        yield f"           and {len(finding.evidence) - shown} more lines"


def _detail(name: str, text: str, style: Style) -> Iterator[str]:
    if text:
        line = style.safe(f"  {name:<{_DETAIL_INDENT - 2}}{text}")
        yield from wrap(line, style.width, _DETAIL_INDENT)


def _first(found: Sequence[Finding], everything: bool) -> Sequence[Finding]:
    return found if everything else found[:_SHOWN_SUBJECTS]


def _others(found: Sequence[Finding], everything: bool, style: Style) -> Iterator[str]:
    left = found[len(_first(found, everything)) :]
    if left:
        subjects = digest.few([finding.subject or finding.id for finding in left])
        text = f"{'':<{_STATUS_INDENT}}and {len(left)} more: {style.safe(subjects)}"
        yield from wrap(text, style.width, _STATUS_INDENT, _MOST_LINES, style.ellipsis)


def _table(table: FilledTable, style: Style) -> Iterator[str]:
    title = style.safe(table.title)
    if table.missing or not table.rows:
        told = style.safe(table.missing or "none")
        yield from led_lines("title", title, f": {told}", style)
    else:
        basis = f", {table.basis}" if table.basis not in ("", INSTANT) else ""
        yield from led_lines("title", title, style.safe(basis), style)
        yield from table_lines(_columns(table, style), style)
    for note in table.notes:
        yield from wrap(style.safe(note), style.width, indent=2)


def _columns(table: FilledTable, style: Style) -> List[Column]:
    columns = []
    for index, field in enumerate(table.fields):
        values = [row[index] for row in table.rows]
        columns.append(
            Column(
                style.safe(table.headers.get(field, units.header(field))),
                [style.safe(units.cell(field, value)) for value in values],
                units.is_number(field, values),
            )
        )
    return columns


def _not_read(snapshot: Snapshot, style: Style) -> Iterator[str]:
    groups = digest.not_read(snapshot)
    if groups:
        yield ""
        yield style.paint("title", "could not read:")
    for group in groups:
        remedy = f"; {group.remedy}" if group.remedy else ""
        text = style.safe(f"  {group.reason}: {digest.few(group.names)}{remedy}")
        yield from wrap(text, style.width, 4, _MOST_LINES, style.ellipsis)


def _problems(snapshot: Snapshot, style: Style) -> Iterator[str]:
    if not snapshot.problems:
        return
    yield ""
    yield style.paint("title", "could not make sense of:")
    for problem in snapshot.problems[:_SHOWN_PROBLEMS]:
        text = f"  {problem.path}:{problem.line}  wanted {problem.wanted}, found '{problem.text}'"
        yield from wrap(style.safe(text), style.width, 4, _MOST_LINES, style.ellipsis)
    more = len(snapshot.problems) - _SHOWN_PROBLEMS
    if more > 0:
        yield f"  and {more} more lines"


def _costs(snapshot: Snapshot, style: Style) -> Iterator[str]:
    if not snapshot.costs:
        yield "what reading cost: not measured"
        return
    shown = snapshot.costs[:_SHOWN_COSTS]
    total = digest.counted(len(snapshot.costs), "file or family of files", "files and families of files")
    sums = [sum(numbers) for numbers in zip(*(cost[1:] for cost in snapshot.costs))]
    rows = [*shown, (f"all: {total}", *sums)]
    yield style.paint("title", "What reading cost")
    columns = [
        Column(header, [style.safe(units.cell(field, row[index])) for row in rows], index > 0)
        for index, (header, field) in enumerate(
            (("path", "path"), ("reads", "reads"), ("size", "read_bytes"), ("time", "duration_us"))
        )
    ]
    yield from table_lines(columns, style)
