"""Samples of threads, where calls cannot be traced: in which call, state and place they were found."""

from typing import Iterator

from kdiag.path.acquire.sampling import Samples
from kdiag.report.layout import Column, table_lines, wrap
from kdiag.report.terminal import Style

__all__ = ["sample_lines"]

_MOST_ROWS = 20


def sample_lines(samples: Samples, style: Style) -> Iterator[str]:
    """Yield a table of places, the most frequent first; shares are of the looks at threads."""
    shown = samples.places[:_MOST_ROWS]
    total = samples.samples or 1
    if shown:
        yield from table_lines(
            [
                Column("samples", [str(row.samples) for row in shown], right=True),
                Column("share", [f"{100 * row.samples / total:.1f}%" for row in shown], right=True),
                Column("threads", [str(row.threads) for row in shown], right=True),
                Column("call", [style.safe(row.syscall or "(none)") for row in shown]),
                Column("state", [style.safe(row.state) for row in shown]),
                Column("sleeps in", [style.safe(row.wchan or "-") for row in shown]),
            ],
            style,
        )
    if len(samples.places) > len(shown):
        yield f"({len(samples.places) - len(shown)} more: see --json)"
    for row in shown[:3]:
        if row.stack:
            yield ""
            yield style.paint("title", style.safe(f"{row.syscall or '(no call)'}, {row.samples} samples"))
            for depth, function in enumerate(reversed(row.stack)):
                yield style.safe("  " * (depth + 1) + function)
    yield ""
    text = (
        f"{samples.samples} looks at {samples.threads} threads in {samples.rounds} rounds; "
        f"{samples.elsewhere} found them elsewhere, {samples.moved} between two places"
    )
    yield from wrap(text, style.width, indent=2)
    for note in samples.hidden:
        yield from wrap(style.safe(f"hidden: {note}"), style.width, indent=2)
