"""``kdiag stream``: events of probes as they happen."""

import sys
from contextlib import closing
from typing import Optional, Tuple

import click

from kdiag.cli.output import open_root, style_of_output, write
from kdiag.cli.tracing import (
    CommandWithTarget,
    command_of,
    ends_with_summary,
    host_name,
    root_option,
    shown_target,
    target_of,
    target_options,
    told_as_failures,
)

__all__ = ["command"]


@click.command("stream", cls=CommandWithTarget)
@click.argument("probes", nargs=-1, required=True, metavar="PROBE...")
@click.option(
    "--filter",
    "filter_text",
    metavar="EXPR",
    help="Only events for which this is true, in the kernel's words: 'ret < 0', 'comm ~ \"x*\"'.",
)
@click.option("--stack", is_flag=True, help="Show the kernel functions that led there.")
@target_options
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document a line.")
@click.option(
    "--dry-run", is_flag=True, help="Print each write to tracefs that would be made, and make none."
)
@root_option
@click.pass_context
def command(
    ctx: click.Context,
    probes: Tuple[str, ...],
    filter_text: Optional[str],
    stack: bool,
    pid: Optional[int],
    tid: Optional[int],
    comm: Optional[str],
    cgroup: Optional[str],
    for_s: Optional[float],
    as_json: bool,
    dry_run: bool,
    root: str,
) -> int:
    """Print each event of the PROBEs with its fields, until CMD ends, S seconds are over, or Ctrl-C.

    Events that the kernel had to drop are told where they are missing.
    """
    from kdiag.ftrace.places import Catalogue
    from kdiag.ftrace.tracefs import PlannedTraceFs, find_tracefs
    from kdiag.report.stream import StreamJson, StreamText
    from kdiag.tools.probes import places_of
    from kdiag.tools.stream import Stream

    with told_as_failures(), ends_with_summary() as stop:
        host = open_root(root)
        tracefs = find_tracefs(host)
        catalogue = Catalogue(tracefs, host)
        places, notes = places_of(catalogue, probes)
        if dry_run:
            tracefs = PlannedTraceFs(tracefs)
        target = target_of(
            host, command_of(ctx), pid, comm, tid=tid, cgroup=cgroup, stdout=2 if as_json else None
        )
        shown = shown_target(target)
        printer = StreamJson(host_name(host)) if as_json else StreamText(style_of_output())
        try:
            stream = Stream(
                tracefs,
                host,
                places,
                catalogue,
                filter=filter_text,
                stack=stack,
                target=target,
                for_s=for_s,
                stop=lambda: stop.wanted,
                on_start=lambda: write(printer.begin(shown, host.facts.wall_clock_ns)),
                on_round=sys.stdout.flush,
            )
            with closing(stream.rows()) as rows:
                for row in rows:
                    sys.stdout.writelines(f"{line}\n" for line in printer.row(row))
        finally:
            left = "" if target is None else target.end()
        if isinstance(tracefs, PlannedTraceFs):
            write(map(str, tracefs.plan))
            return 0
        write(printer.end(stream, [*notes, *stream.notes, *([left] if left else [])]))
    return 0
