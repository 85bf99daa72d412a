"""Where threads sleep, and for how long: the stack with which each left its CPU."""

from typing import Any, Mapping

from kdiag.tools.tool import BadOption, Option, Tool, ToolMechanism

__all__ = ["STATES", "TOOL"]

#: What can be asked for -> the states of a thread that leaves its CPU, as bits of the kernel's.
STATES = {"sleeping": 0x3, "S": 0x1, "D": 0x2, "all": -1}


def _check(options: Mapping[str, Any]) -> None:
    if options["kernel"] and options["user"]:
        raise BadOption("-K leaves out what -U asks for: give one of them")


TOOL = Tool(
    name="offcpu",
    group="CPU",
    question="Show where threads sleep, and for how long: by the stack with which each left its CPU.",
    help="The time from leaving the CPU to getting one again, summed up by stack, the longest first. What "
    "had begun before, or still lasts at the end, is not in it.",
    row=None,
    columns=(),
    mechanisms=(
        ToolMechanism(
            "bpf",
            "kdiag.tools.offcpu.by_bpf",
            ("bpf",),
            "a program at each switch sums up by stack, of the kernel and of the program",
        ),
        ToolMechanism(
            "ftrace",
            "kdiag.tools.offcpu.by_ftrace",
            ("events", "event_stack"),
            "each switch with its stack is read and paired in kdiag; the kernel's stacks only",
        ),
    ),
    options=(
        Option(
            "state",
            ("--state",),
            "Only threads that sleep so: S can be interrupted by a signal, D cannot; all takes "
            "those that were preempted, and idle workers of the kernel, too.",
            "choice",
            default="sleeping",
            choices=tuple(STATES),
        ),
        Option("kernel", ("-K", "--kernel-only"), "Only the kernel's stacks."),
        Option("user", ("-U", "--user-only"), "Only the programs' stacks."),
        Option("folded", ("--folded",), "Print each stack on one line with its us, for flamegraph.pl."),
    ),
    weight_unit="total_us",
    rate="switches",
    check=_check,
)
