"""funccount by programs that BCC compiles and attaches."""

from typing import Iterator

from kdiag.ebpf.bcc.client import BccHook
from kdiag.tools.bcc_run import BccPlan, BccRequest, collecting_by_bcc
from kdiag.tools.funccount.counts import summaries
from kdiag.tools.function_places import function_places
from kdiag.tools.function_programs import bcc_name
from kdiag.tools.run import Run
from kdiag.tools.tool import Item

__all__ = ["run"]

_FUNCTION = """
int count_%(at)d(void *ctx) {
    u32 which = %(at)d;
    u64 *count = watched() ? counts.lookup(&which) : 0;
    if (count)
        *count += 1;
    return 0;
}
"""


def run(run: Run) -> Iterator[Item]:
    """Count until it ends."""
    places, notes = function_places(run.host, run.options["functions"])
    run.notes += notes

    def plan_of(request: BccRequest) -> BccPlan:
        text = f"BPF_PERCPU_ARRAY(counts, u64, {len(places)});\n"
        text += "".join(_FUNCTION % {"at": at} for at in range(len(places)))
        hooks = tuple(
            BccHook(place.probe.kind, bcc_name(place, run.host.root), f"count_{at}")
            for at, place in enumerate(places)
        )
        return BccPlan(text, hooks)

    with collecting_by_bcc(run, plan_of) as collector:
        yield from summaries(run, collector, places)
