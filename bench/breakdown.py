"""Where the CPU of one run goes, stage by stage, and which imports are the dearest."""

import subprocess
import sys
from typing import Any, Dict, List, NamedTuple, Tuple

from bench.claims import Report, Table, median
from bench.contenders import GOOD_CODES, SNAPSHOT, look_inside
from bench.measure import CannotMeasure, environment, run_once
from bench.rounds import Rounds

__all__ = ["Import", "breakdown", "dearest", "parse_importtime"]

_SHOWN_IMPORTS = 20
_MOST_ROUNDS = 9


class Import(NamedTuple):
    """One line of ``-X importtime``: microseconds for the module alone, and with all that it imports."""

    self_us: int
    cumulative_us: int


def parse_importtime(text: str) -> Dict[str, Import]:
    """Return modules by name, in the order in which their import ended."""
    found: Dict[str, Import] = {}
    for line in text.splitlines():
        head, _, rest = line.partition("import time:")
        columns = rest.split("|")
        if not head and len(columns) == 3 and columns[0].strip().isdigit():
            found[columns[2].strip()] = Import(int(columns[0]), int(columns[1]))
    return found


def dearest(
    runs: List[Dict[str, Import]], bare: Dict[str, Import], most: int
) -> List[Tuple[str, float, float]]:
    """Return the modules that cost most by themselves, with their share of all imports of a run, in per cent.

    ``bare`` is what Python imports in any case. The second number is the share with all that the module
    imported first. Each is the median of the runs.
    """
    own, whole = {}, {}
    for module in runs[0]:
        costs = [run[module] for run in runs if module in run]
        if module not in bare:
            own[module] = median(cost.self_us for cost in costs)
            whole[module] = median(cost.cumulative_us for cost in costs)
    total = sum(own.values())
    ranked = sorted(own, key=lambda module: -own[module])[:most]
    return [(module, 100 * own[module] / total, 100 * whole[module] / total) for module in ranked]


def breakdown(rounds: Rounds) -> Report:
    """Time the stages of a run from inside, and its imports."""
    number = min(rounds.rounds, _MOST_ROUNDS)
    rounds.say(f"{number} rounds from inside")
    bare, whole, inside = [], [], []
    for _ in range(number):
        bare.append(run_once([sys.executable, "-c", "pass"]).cpu_s)
        whole.append(run_once(SNAPSHOT, GOOD_CODES).cpu_s)
        inside.append(look_inside().stages_ns)
    start_s, total_s = min(bare), min(whole)
    stages = {"start of Python": start_s}
    for stage in inside[0]:
        stages[stage] = min(each[stage] for each in inside) / 1e9
    stages["its end, and children"] = total_s - sum(stages.values())
    rows: List[Tuple[Any, ...]] = [
        (stage, round(100 * cpu_s / total_s, 1), round(cpu_s / start_s, 2)) for stage, cpu_s in stages.items()
    ]
    rows.append(("the whole run", 100.0, round(total_s / start_s, 2)))
    imports = [_importtime(SNAPSHOT) for _ in range(number)]
    ranked = dearest(imports, _importtime(["-c", "pass"]), _SHOWN_IMPORTS)
    return Report(
        "breakdown",
        "Where the CPU of a run goes (on the host as it is)",
        (),
        (
            Table("By stage", ("stage", "% of the run", "x pass"), tuple(rows)),
            Table(
                f"The {_SHOWN_IMPORTS} dearest imports",
                ("module", "% of imports, alone", "with its own imports"),
                tuple((module, round(own, 1), round(whole, 1)) for module, own, whole in ranked),
            ),
        ),
        (
            f"Each stage is the least of {number} rounds. The start of Python is a run of `python3 -c pass`,",
            "imports are the difference of a first and a second run in one process, and the end is what is",
            "left of a run seen from outside.",
            f"Modules: medians of {number} runs under -X importtime, wall time.",
        ),
    )


def _importtime(arguments: List[str]) -> Dict[str, Import]:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env=environment(),
    )
    found = parse_importtime(done.stderr)
    if not found:
        raise CannotMeasure("-X importtime printed nothing")
    return found
