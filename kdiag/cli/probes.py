"""``kdiag probes``: what can be probed here."""

from typing import Optional

import click

from kdiag.cli.output import open_root, style_of_output, write
from kdiag.cli.tracing import host_name, root_option, told_as_failures

__all__ = ["command"]


@click.command("probes")
@click.argument("pattern", required=False, metavar="[GLOB]")
@click.option("-v", "--arguments", is_flag=True, help="Show the fields of each event.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@root_option
def command(pattern: Optional[str], arguments: bool, as_json: bool, root: str) -> int:
    """List what can be probed here, in the words that `count` and `stream` take.

    GLOB is a probe with wildcards (kprobe:vfs_*, syscalls:sys_enter_*, uprobe:/bin/bash:*), or a part of a
    name, which is looked for among events and kernel functions ('*fsync*'). Without: the kinds of probes, and
    why a kind is missing.
    """
    from kdiag.ftrace.places import Catalogue
    from kdiag.ftrace.tracefs import find_tracefs
    from kdiag.report import probes as report
    from kdiag.report.json_envelope import dump
    from kdiag.tools.probes import kinds, list_probes

    with told_as_failures():
        host = open_root(root)
        catalogue = Catalogue(find_tracefs(host), host)
        if pattern is None:
            rows = kinds(catalogue)
            if as_json:
                write([dump(report.kinds_document(rows, host_name(host)), 2)])
            else:
                write(report.kinds_lines(rows, catalogue.events, style_of_output()))
            return 0
        found = list_probes(catalogue, pattern, arguments=arguments)
        if as_json:
            write([dump(report.probes_document(list(found), host_name(host)), 2)])
        else:
            write(report.probes_lines(found, style_of_output()))
    return 0
