"""``kdiag doctor``: what this kernel and this user may do, and which mechanism each command will use."""

from typing import TYPE_CHECKING, Tuple

import click

from kdiag.cli.output import open_root, style_of_output, write
from kdiag.cli.tracing import host_name, told_as_failures

if TYPE_CHECKING:
    from kdiag.doctor.examination import Question

__all__ = ["command"]


@click.command("doctor")
@click.option(
    "--root", default="/", show_default=True, metavar="PATH", help="The host, or a recording of it."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(root: str, as_json: bool) -> int:
    """Try what this kernel and this user may do, and say which mechanism each command will use, and why.

    Each capability is made to happen in a private instance of tracefs and undone at once. What does not work
    is told with the reason, what it would give, and how to get it. Nothing is left behind. Exit code 0
    whatever works; 3 if something that was tried could not be undone.
    """
    from kdiag.doctor.examination import examine

    with told_as_failures():
        host = open_root(root)
        try:
            examined = examine(host, _questions())
            started_ns = host.facts.wall_clock_ns
            code = 3 if examined.left_behind else 0
            if as_json:
                from kdiag.report.doctor_document import doctor_document
                from kdiag.report.json_envelope import dump

                document = doctor_document(examined, code, host=host_name(host), started_ns=started_ns)
                write([dump(document, 2)])
            else:
                from kdiag.report.doctor_text import doctor_lines

                write(doctor_lines(examined, style_of_output()))
        finally:
            host.close()
    return code


def _questions() -> "Tuple[Question, ...]":
    """Return the commands and their mechanisms, as each of them declares them."""
    from kdiag.doctor.examination import Question
    from kdiag.doctor.mechanism import Mechanism
    from kdiag.path import mechanisms as path
    from kdiag.tools import count
    from kdiag.tools.family import TOOLS, tool_named

    reads = (
        Mechanism("procfs", ("procfs", "psi"), "files of /proc and /sys, pressure included"),
        Mechanism("procfs", ("procfs",), "files of /proc and /sys, without pressure (PSI)"),
    )
    tracing = ("tracefs", "instances", "events")
    counting = tuple(each._replace(needs=(*tracing, *each.needs)) for each in count.MECHANISMS)
    traces = (Mechanism("events", (*tracing, "raw_buffers"), "each event, from binary buffers"),)
    lists = (
        Mechanism("kprobes", ("tracefs", "kprobes", "uprobes"), "events, functions of kernel and programs"),
        Mechanism("uprobes", ("tracefs", "uprobes"), "events, functions of programs"),
        Mechanism("tracepoints", ("tracefs",), "events alone"),
    )
    family = tuple(
        Question(
            name,
            tuple(
                # What needs events needs an instance of tracefs to have them in.
                Mechanism(
                    each.name, (*tracing, *each.needs) if "events" in each.needs else each.needs, each.gives
                )
                for each in tool_named(name).mechanisms
            ),
        )
        for name in sorted(TOOLS)
    )
    return (
        Question("snapshot", reads, True),
        Question("check", reads, True),
        Question("path", path.MECHANISMS),
        Question("path --all", path.MECHANISMS_OF_ALL),
        Question("count PROBE", counting),
        Question("count EVENT", tuple(each for each in counting if each.name != "profile")),
        Question("stream", traces),
        Question("probes", lists),
        *family,
        Question("cleanup", (Mechanism("tracefs", ("tracefs",), "what a killed kdiag left"),)),
    )
