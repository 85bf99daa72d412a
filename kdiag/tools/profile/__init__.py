"""Where CPUs spend their time: samples of stacks, many times a second."""

from typing import Any, Mapping

from kdiag.tools.tool import BadOption, Option, Tool, ToolMechanism

__all__ = ["TOOL"]

_MOST_HZ = 10_000


def _check(options: Mapping[str, Any]) -> None:
    if not 1 <= options["hz"] <= _MOST_HZ:
        raise BadOption(f"-F takes 1 to {_MOST_HZ} samples a second")
    if options["kernel"] and options["user"]:
        raise BadOption("-K leaves out what -U asks for: give one of them")


TOOL = Tool(
    name="profile",
    group="CPU",
    question="Show where CPUs spend their time: stacks of the kernel and of programs, sampled.",
    help="Each CPU is looked at so many times a second; idle ones are left out. The stacks that were met "
    "most often come first, with the number of samples.",
    row=None,
    columns=(),
    mechanisms=(
        ToolMechanism(
            "bpf",
            "kdiag.tools.profile.by_bpf",
            ("bpf", "perf_events"),
            "a program at a clock of each CPU counts stacks",
        ),
    ),
    options=(
        Option(
            "hz", ("-F", "--frequency"), "Samples a second of each CPU.", "number", metavar="HZ", default=99
        ),
        Option("kernel", ("-K", "--kernel-only"), "Only the kernel's stacks."),
        Option("user", ("-U", "--user-only"), "Only the programs' stacks."),
        Option("idle", ("--idle",), "Count idle CPUs, too."),
        Option("folded", ("--folded",), "Print each stack on one line, for flamegraph.pl and speedscope."),
    ),
    weight_unit="samples",
    check=_check,
)
