"""``kdiag count``: how often probes fire."""

from typing import Optional, Tuple

import click

from kdiag.cli.failed import Failed
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
from kdiag.tools.count import BY, MECHANISMS, BadCounts, count

__all__ = ["command"]


@click.command("count", cls=CommandWithTarget)
@click.argument("probes", nargs=-1, required=True, metavar="PROBE...")
@click.option(
    "--by", type=click.Choice(BY), help="Count apart by this; a pid is a thread's, as in the kernel."
)
@target_options
@click.option(
    "--backend",
    type=click.Choice([mechanism.name for mechanism in MECHANISMS]),
    help="Count this way, or say why not.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--dry-run", is_flag=True, help="Print each write to tracefs that would be made, and make none."
)
@root_option
@click.pass_context
def command(
    ctx: click.Context,
    probes: Tuple[str, ...],
    by: Optional[str],
    pid: Optional[int],
    tid: Optional[int],
    comm: Optional[str],
    cgroup: Optional[str],
    for_s: Optional[float],
    backend: Optional[str],
    as_json: bool,
    dry_run: bool,
    root: str,
) -> int:
    """Count how often each PROBE fires, until CMD ends, S seconds are over, or Ctrl-C.

    A PROBE is written as `kdiag probes` lists it: sched:sched_switch, syscalls:sys_enter_open*,
    kprobe:vfs_read, uprobe:/bin/bash:readline. In the kernel where it can count, else from the raw events.
    """
    from kdiag.ftrace.places import Catalogue
    from kdiag.ftrace.tracefs import PlannedTraceFs, find_tracefs
    from kdiag.tools.probes import places_of

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
        try:
            started_ns = host.facts.wall_clock_ns
            result = count(
                tracefs,
                host,
                places,
                by=by or "",
                target=target,
                for_s=for_s,
                stop=lambda: stop.wanted,
                forced=backend,
                catalogue=catalogue,
            )
        except BadCounts as error:
            raise Failed(str(error)) from None
        finally:
            left = "" if target is None else target.end()
        result = result._replace(notes=(*notes, *result.notes, *([left] if left else [])))
        if isinstance(tracefs, PlannedTraceFs):
            write(map(str, tracefs.plan))
        elif as_json:
            from kdiag.report.count import count_document
            from kdiag.report.json_envelope import dump

            write([dump(count_document(result, shown_target(target), started_ns, host_name(host)), 2)])
        else:
            from kdiag.report.count import count_lines

            write(count_lines(result, shown_target(target), style_of_output()))
    return 0
