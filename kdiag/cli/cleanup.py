"""``kdiag cleanup``: remove what a kdiag left in the kernel that was killed."""

from typing import List

import click

from kdiag.cli.output import open_root, style_of_output, write
from kdiag.cli.tracing import root_option, told_as_failures

__all__ = ["command"]


@click.command("cleanup")
@click.option(
    "--dry-run", is_flag=True, help="Print each write to tracefs that would be made, and make none."
)
@root_option
def command(dry_run: bool, root: str) -> int:
    """Remove instances and probes, and put back settings, that a kdiag left in the kernel when it was killed.

    What belongs to a kdiag that runs, or to any other tracer, is not touched. Every tracing command does the
    same when it starts.
    """
    from kdiag.ftrace.reap import reap
    from kdiag.ftrace.tracefs import PlannedTraceFs, find_tracefs

    with told_as_failures():
        host = open_root(root)
        tracefs = find_tracefs(host)
        if dry_run:
            tracefs = PlannedTraceFs(tracefs)
        notes = reap(tracefs, host)
        lines: List[str] = list(map(str, tracefs.plan)) if isinstance(tracefs, PlannedTraceFs) else notes
        style = style_of_output()
        write([style.safe(line) for line in lines] or ["nothing was left behind"])
        if any("could not be" in note for note in notes):
            return 3
    return 0
