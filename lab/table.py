"""The table at the end of a lab: one line a guest, then why tests were skipped, what failed, and how guests
died."""

from typing import Dict, List, Sequence

from lab.results import Row

__all__ = ["render"]

_HEADER = ("kernel", "release", "variant", "passed", "failed", "skipped", "seconds", "verdict")


def _verdict(row: Row) -> str:
    if row.well:
        return "well"
    return "NOT RUN" if row.release is None and not row.tests else "FAILED"


def _cells(row: Row) -> List[str]:
    counts = [str(row.count(outcome)) for outcome in ("passed", "failed", "skipped")]
    return [row.kernel, row.release or "-", row.variant, *counts, f"{row.took_s:.0f}", _verdict(row)]


def _aligned(lines: Sequence[Sequence[str]]) -> List[str]:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    numbers = {3, 4, 5, 6}
    return [
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths))
        ).rstrip()
        for line in lines
    ]


def _skips(rows: Sequence[Row]) -> List[str]:
    """Reasons, each with the guests it holds in and how many tests it cost there."""
    found: Dict[str, List[str]] = {}
    for row in rows:
        for reason, tests in row.skips().items():
            found.setdefault(reason, []).append(f"{row.kernel} {row.variant} ({tests})")
    lines = []
    for reason in sorted(found):
        lines += [f"  {reason}", f"      {', '.join(found[reason])}"]
    return ["", "Skipped, and why (in brackets: tests)", *lines] if lines else []


def _failures(rows: Sequence[Row]) -> List[str]:
    lines = []
    for row in rows:
        if row.why is not None:
            lines += ["", f"{row.kernel} {row.variant}: {row.why}"]
            if row.console_end:
                lines += [
                    "  the end of its console:",
                    *(f"  | {line}" for line in row.console_end.splitlines()),
                ]
        for test in row.tests:
            if test.outcome == "failed":
                first = (test.reason or "").splitlines()[:3]
                lines += [
                    "",
                    f"{row.kernel} {row.variant}: {test.test} failed",
                    *(f"    {line}" for line in first),
                ]
    return lines


def _warnings(rows: Sequence[Row]) -> List[str]:
    lines = [f"  {row.kernel} {row.variant}: {line}" for row in rows for line in row.warnings]
    return ["", "Warnings on consoles (the guests went on)", *lines] if lines else []


def render(rows: Sequence[Row]) -> str:
    """The whole report, as lines of text."""
    lines = _aligned([_HEADER, *(_cells(row) for row in rows)])
    lines += _skips(rows) + _warnings(rows) + _failures(rows)
    bad = sum(not row.well for row in rows)
    lines += ["", f"{len(rows)} guests: {len(rows) - bad} well, {bad} not"]
    return "\n".join(lines)
