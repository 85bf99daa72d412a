"""A snapshot as GitHub-flavoured Markdown, to paste into a ticket: findings as sections, then the tables.

tabulate lays the tables out; it is imported here and nowhere else, when it is needed.
"""

from typing import Iterator, List

from kdiag.health.finding import INSTANT, Finding
from kdiag.health.snapshot import Snapshot
from kdiag.health.table import FilledTable
from kdiag.procfs.text import Problem
from kdiag.report import digest, units
from kdiag.report.escape import encodable, markdown, markdown_code

__all__ = ["snapshot_markdown"]

#: How many findings that are alike, or lines of a list, a ticket is given.
_SHOWN_OF_A_KIND = 20


def snapshot_markdown(snapshot: Snapshot, encoding: str = "utf-8") -> Iterator[str]:
    """Yield the lines of a Markdown document, in characters that ``encoding`` has."""
    for line in _document(snapshot):
        yield encodable(line, encoding)


def _document(snapshot: Snapshot) -> Iterator[str]:
    yield f"# kdiag: {markdown(digest.host_name(snapshot))}"
    yield ""
    yield f"{markdown(', '.join(digest.host_facts(snapshot)))}  "
    yield markdown("; ".join(digest.readings(snapshot)))
    yield ""
    yield f"**{markdown(digest.verdict(snapshot)[1])}**"
    wrong = [finding for finding in snapshot.findings if finding.status in ("critical", "warning")]
    for found in digest.alike(wrong):
        yield from _finding(found)
    info = [finding for finding in snapshot.findings if finding.status == "info"]
    yield from _list("Info", [_told(finding) for finding in info])
    yield from _list("Not judged", [_group(group) for group in digest.not_judged(snapshot)])
    for table in snapshot.tables:
        yield from _table(table)
    yield from _list("Could not be read", [_group(group) for group in digest.not_read(snapshot)])
    yield from _list("Could not be parsed", [_problem(problem) for problem in snapshot.problems])
    yield from _list("Notes", [markdown(note) for note in snapshot.notes])


def _finding(found: List[Finding]) -> Iterator[str]:
    """Yield the section of one finding, or of several that are alike."""
    first = found[0]
    yield ""
    yield f"## {first.status.upper()} {markdown(digest.label(first) if len(found) == 1 else first.id)}"
    for finding in found[:_SHOWN_OF_A_KIND]:
        yield ""
        yield markdown(finding.summary if len(found) == 1 else f"{finding.subject}: {finding.summary}")
        yield ""
        for evidence in finding.evidence:
            raw = markdown_code(evidence.raw.replace("\t", " "))
            yield f"- evidence: {markdown_code(str(evidence))} {raw}".rstrip()
    more = found[_SHOWN_OF_A_KIND:]
    if more:
        subjects = digest.few([finding.subject for finding in more])
        yield from ("", markdown(f"and {len(more)} more: {subjects}"), "")
    for name, text in (("why", first.because), ("next", first.next), ("basis", first.basis)):
        if text:
            yield f"- {name}: {markdown(text)}"


def _told(finding: Finding) -> str:
    place = f" ({markdown_code(str(finding.evidence[0]))})" if finding.evidence else ""
    return f"**{markdown(digest.label(finding))}** {markdown(finding.summary)}{place}"


def _group(group: digest.Group) -> str:
    remedy = f"; {group.remedy}" if group.remedy else ""
    return markdown(f"{group.reason}: {digest.few(group.names, len(group.names))}{remedy}")


def _problem(problem: Problem) -> str:
    place, text = markdown_code(f"{problem.path}:{problem.line}"), markdown_code(problem.text)
    return f"{place} wanted {markdown(problem.wanted)}, found {text}"


def _list(title: str, entries: List[str]) -> Iterator[str]:
    if not entries:
        return
    yield ""
    yield f"## {title}"
    yield ""
    yield from (f"- {entry}" for entry in entries[:_SHOWN_OF_A_KIND])
    if len(entries) > _SHOWN_OF_A_KIND:
        yield f"- and {len(entries) - _SHOWN_OF_A_KIND} more"


def _table(table: FilledTable) -> Iterator[str]:
    basis = f", {table.basis}" if table.basis not in ("", INSTANT) else ""
    yield ""
    yield f"## {markdown(table.title + basis)}"
    yield ""
    if table.rows:
        yield from _grid(table)
    else:
        yield markdown(table.missing or "none")
    for note in table.notes:
        yield ""
        yield markdown(note)


def _grid(table: FilledTable) -> Iterator[str]:
    from tabulate import tabulate

    columns = [[row[index] for row in table.rows] for index in range(len(table.fields))]
    text = tabulate(
        {
            field: [markdown(units.cell(field, value)) for value in values]
            for field, values in zip(table.fields, columns)
        },
        headers=[markdown(table.headers.get(field, units.header(field))) for field in table.fields],
        tablefmt="pipe",  # "github" leaves the colons out that put numbers to the right
        disable_numparse=True,
        colalign=[
            "right" if units.is_number(field, values) else "left"
            for field, values in zip(table.fields, columns)
        ],
    )
    yield from text.split("\n")
