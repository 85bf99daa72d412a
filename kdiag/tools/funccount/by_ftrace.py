"""funccount by probes of tracefs: what ``kdiag count`` does, for functions alone."""

from typing import Iterator

from kdiag.doctor.mechanism import NoMechanism
from kdiag.ftrace.probe import BadProbe
from kdiag.ftrace.session import CannotFollow
from kdiag.ftrace.tracefs import NoTraceFs, PlannedTraceFs, TraceFsError, find_tracefs
from kdiag.tools.count import count
from kdiag.tools.funccount import FunctionRow
from kdiag.tools.function_places import function_places
from kdiag.tools.run import Lost, Run
from kdiag.tools.tool import CannotUse, Item, Summary

__all__ = ["run"]


def run(run: Run) -> Iterator[Item]:
    """Count until it ends."""
    if run.interval_s is not None:
        raise CannotUse("what the kernel counts is read once, at the end: it gives no intervals")
    places, notes = function_places(run.host, run.options["functions"])
    try:
        tracefs = find_tracefs(run.host)
        if run.dry_run:
            tracefs = PlannedTraceFs(tracefs)
        counted = count(
            tracefs,
            run.host,
            places,
            target=run.target,
            for_s=run.for_s,
            stop=run.asked_to_stop,
            on_begin=run.begin,
        )
    except NoTraceFs as error:
        raise CannotUse(error.reason, error.remedy) from None
    except (BadProbe, CannotFollow, NoMechanism, TraceFsError) as error:
        raise CannotUse(str(error)) from None
    run.notes += [*notes, *counted.notes]
    if isinstance(tracefs, PlannedTraceFs):
        run.plan += map(str, tracefs.plan)
        return
    run.ending()  # for its words
    run.lost = Lost(counted.lost)
    if counted.missed:
        run.notes.append(f"{counted.missed} calls could not be probed (nmissed)")
    rows = [FunctionRow(row.probe, row.number) for row in counted.rows if row.number]
    rows.sort(key=lambda row: (-row.calls, row.place))
    yield Summary(tuple(rows), duration_s=counted.duration_s)
