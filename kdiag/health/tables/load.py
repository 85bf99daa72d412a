"""Load, split into what it is made of: tasks that want a CPU, and tasks blocked in state D."""

from typing import Optional

from kdiag.health.figures.load import blocked_tasks, runnable_tasks
from kdiag.health.table import Rows, Table, TableOptions
from kdiag.health.window import CannotJudge, Window
from kdiag.records import NamedTuple

__all__ = ["TABLES", "LoadRow"]

_PATH = "/proc/loadavg"


class LoadRow(NamedTuple):
    """The averages, and the counts of this moment: ``running`` includes those that wait for a CPU."""

    load1: Optional[float]
    load5: Optional[float]
    load15: Optional[float]
    cpus: Optional[int]
    running: Optional[int]
    blocked: Optional[int]
    waiting_for_io: Optional[int]
    threads: Optional[int]


def _rows(window: Window, options: TableOptions) -> Rows:
    sample = window.after
    loads = sample.loadavg
    if loads is None:
        raise CannotJudge(_PATH, sample.why_missing(_PATH))
    blocked = blocked_tasks(sample)
    row = LoadRow(
        loads.load1,
        loads.load5,
        loads.load15,
        sample.online_cpus,
        runnable_tasks(sample),
        None if blocked is None else blocked.threads,
        None if sample.stat is None else sample.stat.procs_blocked,
        loads.total_threads,
    )
    notes = ["load counts tasks that run or wait for a CPU (running) and tasks in state D (blocked) alike"]
    if blocked is not None and not blocked.all_seen:
        notes.append("blocked: not all threads were looked at, there may be more")
    if options.explain:
        notes += [
            "load1 follows what happens now, load15 what happened over a quarter of an hour: load1 above "
            "load15 means that load grows, below it that it falls.",
            "Compare load with the number of CPUs. kdiag itself is not counted as running.",
            "Waiting for I/O is procs_blocked of /proc/stat: tasks that wait for I/O, not all in state D.",
        ]
    return Rows([row], notes=tuple(notes))


TABLES = (
    Table(
        "load", "Load", LoadRow, _rows, {"cpus": "CPUs", "blocked": "blocked (D)", "waiting_for_io": "in I/O"}
    ),
)
