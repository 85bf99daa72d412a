"""The command of each tool of the family, made from what the tool says of itself."""

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Dict

import click

from kdiag.cli.failed import Failed
from kdiag.cli.output import open_root, style_of_output, write
from kdiag.cli.tracing import (
    CommandWithTarget,
    Seconds,
    command_of,
    ends_with_summary,
    host_name,
    root_option,
    shown_target,
    target_of,
    target_options,
    told_as_failures,
)
from kdiag.tools.family import tool_named
from kdiag.tools.tool import BadOption, CannotUse, Option, Tool

if TYPE_CHECKING:
    from kdiag.tools.cost import Rate
    from kdiag.tools.run import Run

__all__ = ["command_for"]

_MOST_ROWS = 1_000_000
_TYPES: Dict[str, Any] = {"number": click.IntRange(0), "seconds": Seconds(), "text": str, "texts": str}


#: A stream has no intervals, and no rows that come first.
_OF_SUMMARIES = (
    click.option(
        "--top", type=click.IntRange(1, _MOST_ROWS), metavar="N", help="Show the first N rows only."
    ),
    click.option("--count", type=click.IntRange(1), metavar="N", help="End after N intervals."),
    click.option(
        "--interval", "interval_s", type=Seconds(), metavar="S", help="Print what S seconds gave, each S."
    ),
)


def command_for(name: str) -> click.Command:
    """Return the click command of a tool."""
    tool = tool_named(name)
    backends = tuple(mechanism.name for mechanism in tool.mechanisms)

    def call(ctx: click.Context, **values: Any) -> int:
        return _run(tool, ctx, values)

    function: Any = click.pass_context(call)
    for decorate in (
        root_option,
        click.option(
            "--dry-run", is_flag=True, help="Print all that would be done to the kernel, and do nothing."
        ),
        click.option("--force", is_flag=True, help="Trace even where it costs more than 5 % of the CPUs."),
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option(
            "--backend",
            type=click.Choice(backends),
            envvar="KDIAG_BACKEND",
            help="Answer this way, or say why not (environment: KDIAG_BACKEND).",
        ),
        *(() if tool.streams else _OF_SUMMARIES),
        target_options,
        *(_option(each) for each in reversed(tool.options)),
    ):
        function = decorate(function)
    made: click.Command = click.command(
        tool.name, cls=CommandWithTarget, help=f"{tool.question}\n\n{tool.help}"
    )(function)
    return made


def _option(option: Option) -> Any:
    if option.takes_arguments:
        return click.argument(
            option.name, nargs=-1, required=option.default is None, metavar=option.metavar or "WORD..."
        )
    if option.kind == "flag":
        return click.option(option.name, *option.flags, is_flag=True, help=option.help)
    return click.option(
        *option.flags,
        option.name,
        type=click.Choice(option.choices) if option.kind == "choice" else _TYPES[option.kind],
        default=option.default,
        multiple=option.kind == "texts",
        metavar=option.metavar,
        help=option.help,
        show_default=option.default not in (None, ()),
    )


def _run(tool: Tool, ctx: click.Context, values: Dict[str, Any]) -> int:
    from kdiag.report.tool_folded import ToolFolded
    from kdiag.report.tool_json import ToolJson
    from kdiag.report.tool_text import ToolText
    from kdiag.tools.run import Run, answer

    options = {option.name: values[option.name] for option in tool.options}
    try:
        tool.check(options)
    except BadOption as error:
        raise Failed(str(error)) from None
    if values.get("count") and values["interval_s"] is None:
        raise Failed("--count says after how many intervals to end: give --interval S, too")
    with told_as_failures(), ends_with_summary() as stop:
        host = open_root(values["root"])
        as_json: bool = values["as_json"]
        target = target_of(
            host,
            command_of(ctx),
            values["pid"],
            values["comm"],
            tid=values["tid"],
            cgroup=values["cgroup"],
            stdout=2 if as_json else None,
        )
        kind = ToolJson if as_json else ToolFolded if options.get("folded") else ToolText
        printer: Any = kind(tool, shown_target(target), style_of_output())
        if as_json:
            printer.host = host_name(host)
        run = Run(
            host,
            options,
            target=target,
            for_s=values["for_s"],
            interval_s=values.get("interval_s"),
            count=values.get("count"),
            top=values.get("top"),
            stop=lambda: stop.wanted,
            dry_run=values["dry_run"],
        )
        weigh = None
        if tool.rate and target is None and not run.dry_run:
            from kdiag.tools.cost import rate_of

            weigh = partial(_weigh, tool, run, rate_of(host, tool.rate), values["force"])

        def begin() -> None:
            if weigh is not None:
                weigh()
            write(printer.begin(run, host.facts.wall_clock_ns))

        if not run.dry_run:
            run.on_begin = begin
        try:
            # What only turns out when it is looked up: a function that is not there, say.
            with closing(answer(tool, run, values["backend"])) as items:
                for item in items:
                    if not run.dry_run:
                        write(printer.item(run, item))
        except (BadOption, CannotUse) as error:
            raise Failed(*str(error).split("\n")) from None
        finally:
            left = "" if target is None else target.end()
        if left:
            run.notes.append(left)
        write(run.plan if run.dry_run else printer.end(run))
    return 0


def _weigh(tool: Tool, run: "Run", rate: "Rate", force: bool) -> None:
    """Tell what it costs to watch everybody; fails where that is too much, before anything is recorded."""
    from kdiag.tools.cost import MOST_SHARE, cost_of

    run.cost = cost_of(rate, tool, run.choice.name, run.options)
    if run.cost is not None and run.cost.too_much and not force:
        raise Failed(
            f"{tool.name} of all processes by {run.choice.name} would cost {run.cost}, "
            f"more than {MOST_SHARE * 100:.0f} %",
            "watch less: -p PID, --comm NAME, --cgroup PATH or -- CMD; or let it cost that: --force",
        )
