"""The commands of the tools: options from what they say of themselves, and what they refuse."""

import sys
from types import ModuleType
from typing import Any, Dict, Iterator, List

import click
import pytest
from click.testing import CliRunner, Result

from kdiag.cli import tool as cli_tool
from kdiag.cli.failed import Failed
from kdiag.records import NamedTuple
from kdiag.tools.cost import Rate
from kdiag.tools.family import TOOLS
from kdiag.tools.run import Run
from kdiag.tools.tool import BadOption, CannotUse, Item, Option, Summary, Tool, ToolMechanism


class Row(NamedTuple):
    """A row."""

    pid: int


SEEN: List[Dict[str, Any]] = []


def _works(run: Run) -> Iterator[Item]:
    SEEN.append(dict(run.options))
    run.plan.append("bpf: a program")
    run.begin()
    for _ in run.ticks(lambda seconds: None):
        yield Summary((Row(7), Row(8)), duration_s=0.5)


def _refuses(run: Run) -> Iterator[Item]:
    raise CannotUse("not here")
    yield


def _check(options: Any) -> None:
    if options["least"] == 13:
        raise BadOption("--least 13 brings bad luck: give another one")


def _module(name: str, run: Any) -> str:
    module: Any = ModuleType(f"tests.made.{name}")
    module.run = run
    sys.modules[module.__name__] = module
    return str(module.__name__)


TOOL = Tool(
    "try",
    "group",
    "Is it?",
    "It is.",
    Row,
    (("pid", 7),),
    (
        ToolMechanism("bcc", _module("bcc", _refuses), ("bcc",), ""),
        ToolMechanism("bpf", _module("bpf", _works), ("bpf",), "what it gives"),
    ),
    (
        Option("places", (), "Where.", "texts", metavar="PLACE...", default=(), takes_arguments=True),
        Option("failed", ("-x", "--failed"), "Only failures."),
        Option("least", ("-n", "--least"), "At least.", "number", default=4),
        Option("slower", ("--slower",), "Slower.", "seconds"),
        Option("names", ("--name",), "Names.", "texts", default=()),
        Option("by", ("--by",), "By.", "choice", default="pid", choices=("pid", "comm")),
    ),
    rate="syscalls",
    check=_check,
)


@pytest.fixture(autouse=True)
def the_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    SEEN.clear()
    monkeypatch.setattr(cli_tool, "tool_named", lambda name: TOOL)
    monkeypatch.setattr("kdiag.tools.cost.rate_of", lambda host, what: Rate("system calls", 1e5, 2))
    monkeypatch.setattr("kdiag.tools.cost._NS", {("try", "bpf"): 200})


def run(*words: str) -> Result:
    return CliRunner().invoke(cli_tool.command_for("try"), ["--for", "0.05", *words])


def _told(error: Failed) -> str:
    return " ".join((str(error), *error.more))


def test_options_are_as_the_tool_has_them() -> None:
    assert (
        run("here", "there", "-x", "-n", "9", "--slower", "0.5", "--name", "a", "--name", "b").exit_code == 0
    )
    assert SEEN == [
        {
            "places": ("here", "there"),
            "failed": True,
            "least": 9,
            "slower": 0.5,
            "names": ("a", "b"),
            "by": "pid",
        }
    ]


@pytest.mark.parametrize(
    "words", [("-n", "-1"), ("--slower", "soon"), ("--by", "sun"), ("--backend", "magic"), ("--top", "0")]
)
def test_bad_values_are_errors_of_usage(words: Any) -> None:
    result = run(*words)
    assert isinstance(result.exception, SystemExit)
    assert "Invalid value" in result.output
    assert not SEEN


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("-n", "13"), "bad luck"),
        (("--count", "2"), "give --interval S, too"),
        (("--backend", "bcc"), "not bcc: not here"),
        (("-p", "1", "--comm", "x"), "do not go together"),
    ],
)
def test_what_does_not_go_is_told(words: Any, told: str) -> None:
    result = run(*words)
    assert isinstance(result.exception, Failed)
    assert told in _told(result.exception)
    assert not SEEN


def test_a_dry_run_prints_the_plan_alone() -> None:
    result = run("--dry-run")
    assert result.output == "bpf: a program\n"


def test_what_it_costs_is_told_in_the_head() -> None:
    assert "cost: about 1 % of the CPUs at 100k system calls a second\n" in run().output
    assert '"share": 0.01' in run("--json").output


def test_what_costs_too_much_is_refused_unless_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdiag.tools.cost._NS", {("try", "bpf"): 2000})
    result = run()
    assert isinstance(result.exception, Failed)
    assert "10 % of the CPUs" in _told(result.exception)
    assert "--force" in _told(result.exception)
    assert result.output == ""
    assert "cost: about 10 %" in run("--force").output


def test_nothing_is_estimated_of_a_target(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(host: Any, what: str) -> Rate:
        raise AssertionError("this takes time")

    monkeypatch.setattr("kdiag.tools.cost.rate_of", measured)
    result = run("--", sys.executable, "-S", "-c", "")
    assert result.exit_code == 0
    assert "cost" not in result.output
    assert run("--dry-run").exit_code == 0


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_each_tool_makes_a_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    command = cli_tool.command_for(name)
    assert command.name == name
    flags = [flag for each in command.params for flag in (*each.opts, *each.secondary_opts)]
    assert len(flags) == len(set(flags)), "a flag has two meanings"
    assert isinstance(command, click.Command)
    assert name in CliRunner().invoke(command, ["--help"], prog_name=name).output
