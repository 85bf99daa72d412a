"""The commands as click knows them: help, completion, and errors that say what would do."""

import sys
from importlib import import_module
from typing import Any, Callable, Dict, List, Optional, Tuple

import click

from kdiag import __version__
from kdiag.cli import quick
from kdiag.cli.options import CHECK, SNAPSHOT, Option
from kdiag.tools.family import TOOLS

__all__ = ["LAZY", "command_group", "command_names", "run_with_click"]


_HELP = ("-h", "--help")


class _Seconds(click.ParamType):  # type: ignore[type-arg]
    name = "seconds"

    def convert(self, value: Any, param: Optional[click.Parameter], ctx: Optional[click.Context]) -> float:
        if isinstance(value, float):
            return value
        found = quick.seconds(value)
        if found is None:
            self.fail(f"{value!r} is not a number of seconds from 0.01 to 86400", param, ctx)
        return found


_TYPES: Dict[str, Callable[[Option], Any]] = {
    "seconds": lambda option: _Seconds(),
    "count": lambda option: click.IntRange(1, quick.MAX_COUNT),
    "choice": lambda option: click.Choice(option.choices),
    "text": lambda option: str,
    "texts": lambda option: str,
}


def _parameter(option: Option) -> click.Option:
    if option.kind == "flag":
        return click.Option([option.flag], is_flag=True, help=option.help)
    return click.Option(
        [option.flag],
        type=_TYPES[option.kind](option),
        default=option.default,
        multiple=option.kind == "texts",
        metavar=option.metavar,
        help=option.help,
        show_default=option.default not in (None, ()),
    )


def _command(name: str, options: Tuple[Option, ...], text: str) -> click.Command:
    def call(**values: Any) -> int:
        from kdiag.cli.run import RUNNERS  # what it needs takes as long to load as a tool to start

        return RUNNERS[name](values)

    return click.Command(name, params=[_parameter(each) for each in options], callback=call, help=text)


@click.command("explain")
@click.argument("check_id", required=False, metavar="[ID]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def _explain(check_id: Optional[str], as_json: bool) -> int:
    """Say what a check means: formula, thresholds and their source, and what to do. Without ID: list all."""
    from kdiag.cli.run import run_explain

    return run_explain(check_id, as_json)


@click.command("files")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def _files(as_json: bool) -> int:
    """List every kernel file that kdiag reads: parser, since which kernel, privilege, cost."""
    from kdiag.cli.run import run_files

    return run_files(as_json)


@click.command("record")
@click.argument("folder", metavar="DIR")
@click.option("--root", default="/", show_default=True, metavar="PATH", help="Record this host.")
@click.option(
    "--interval",
    type=_Seconds(),
    default=1.0,
    show_default=True,
    metavar="S",
    help="Seconds between two readings.",
)
def _record(folder: str, root: str, interval: float) -> int:
    """Record two readings of this host into DIR (which must not exist), for `kdiag snapshot --root DIR`.

    The recording holds names of processes, mounts and interfaces as they are; nothing is hidden.
    """
    from kdiag.cli.run import run_record

    return run_record(folder, root, interval)


#: Commands that live in a module of their own, which is imported when one is called: what it does, in a line.
#: The module has the click command under the name ``command``.
LAZY: Dict[str, Tuple[str, str]] = {
    "cleanup": ("kdiag.cli.cleanup", "remove what a kdiag that was killed left in the kernel"),
    "count": ("kdiag.cli.count", "count how often probes fire, in the kernel where it can"),
    "path": (
        "kdiag.cli.path",
        "show where a system call's time goes in the kernel, where its error was born",
    ),
    "doctor": ("kdiag.cli.doctor", "try what this kernel and this user may do, and how to get the rest"),
    "probes": ("kdiag.cli.probes", "list what can be probed here, and why a kind of probe is missing"),
    "read": ("kdiag.cli.read", "sum up a trace file that somebody recorded: events or function_graph"),
    "stream": ("kdiag.cli.stream", "print events of probes as they happen"),
}


class _Group(click.Group):
    """A group that knows the names of all commands, and imports those of :data:`LAZY` only to run them."""

    def list_commands(self, ctx: click.Context) -> List[str]:
        return [*self.commands, *sorted(LAZY), *sorted(TOOLS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> Optional[click.Command]:
        if cmd_name in TOOLS:
            from kdiag.cli.tool import command_for

            return command_for(cmd_name)
        if cmd_name in self.commands or cmd_name not in LAZY:
            return super().get_command(ctx, cmd_name)
        command: click.Command = import_module(LAZY[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.list_commands(ctx)))
        general = [(name, each.get_short_help_str(limit=100)) for name, each in self.commands.items()]
        general += [(name, told) for name, (_, told) in sorted(LAZY.items())]
        tools = [(name, told) for name, (_, told) in sorted(TOOLS.items())]
        for title, rows in (("Commands", general), ("Tools, one question each", tools)):
            with formatter.section(title):
                formatter.write_dl(rows, col_max=width + 2)


def command_names() -> List[str]:
    """Return the names of all commands."""
    group = command_group()
    return group.list_commands(click.Context(group))


def command_group() -> click.Group:
    """Return kdiag as click knows it."""
    group = _Group(
        "kdiag",
        context_settings={"help_option_names": list(_HELP)},
        help="What is wrong with this Linux host, and where in the kernel it comes from.\n\n"
        "`kdiag` alone is `kdiag snapshot`. Exit codes of snapshot and check: 0 ok or info, 1 warning, "
        "2 critical, 3 could not judge or used wrongly. Every other command: 0 done, 3 could not.",
    )
    snapshot = _command(
        "snapshot", SNAPSHOT, "Say what is wrong with this host, then show the tables people look for."
    )
    check = _command("check", CHECK, "One line and perfdata, for Nagios, Icinga and their kin.")
    for each in (snapshot, check, _explain, _files, _record):
        group.add_command(each)
    return click.version_option(__version__, prog_name="kdiag")(group)


def run_with_click(words: List[str]) -> int:
    """Read the command line with click and run it; usage errors are exit code 3, as everywhere in kdiag."""
    if words and words[0].startswith("-") and words[0] not in (*_HELP, "--version"):
        words = ["snapshot", *words]
    try:
        code = command_group().main(args=words, prog_name="kdiag", standalone_mode=False)
    except click.ClickException as error:
        error.show(file=sys.stderr)
        return 3
    except click.Abort:
        raise KeyboardInterrupt from None
    except SystemExit:  # that is how click ends when the pipe was closed, whatever it is told
        raise BrokenPipeError from None
    return code if isinstance(code, int) else 0
