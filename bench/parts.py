"""The parts of the bench: each measures, and says how it stands to the aims."""

from typing import Callable, Dict, List, Optional

from bench.breakdown import breakdown
from bench.claims import Claim, Report, Table, ratio, slope
from bench.costs import costs
from bench.decoding import decoding
from bench.forks import forks
from bench.measure import Series
from bench.ready import ready
from bench.rounds import LARGEST, SIZES, TYPICAL, AtSize, Rounds
from bench.tracing import tracing

__all__ = ["PARTS"]

#: Aims: times the CPU of `python3 -c pass`, times the raw reads of a process, a million bytes.
MOST_TIMES_PASS, MOST_TIMES_RAW, MOST_MB = 7.0, 3.0, 40.0

#: What kdiag is compared with, and how that is called.
RIVALS = {
    "pass": "`python3 -c pass`",
    "raw": "a raw read of the same files",
    "psutil": "the same fields by psutil",
    "ps": "`ps aux`",
}


def cost(rounds: Rounds) -> Report:
    """Compare one run of kdiag with its rivals on a host of usual size."""
    found = rounds.at(TYPICAL)
    claims = [
        _times(found, rival, f"CPU against {name}", MOST_TIMES_PASS if rival == "pass" else None)
        for rival, name in RIVALS.items()
    ]
    return Report(
        "cost", f"What one run costs: `kdiag snapshot --once`, {found.processes} processes", tuple(claims)
    )


def growth(rounds: Rounds) -> Report:
    """Follow the cost over the number of processes."""
    found = [rounds.at(size) for size in SIZES]
    claims = [
        _slopes(found, "raw", "CPU per process against the raw reads of a process", MOST_TIMES_RAW),
        _slopes(found, "psutil", "CPU per process against psutil"),
        _slopes(found, "ps", "CPU per process against `ps aux`"),
    ]
    names = ("kdiag", *(rival for rival in RIVALS if rival != "pass"))
    rows = [
        (each.processes, *(_rounded(ratio(_least(each, name), _least(each, "pass"))) for name in names))
        for each in found
    ]
    table = Table("CPU in times that of `python3 -c pass`", ("processes", *names), tuple(rows))
    return Report("growth", "How the cost grows with processes", tuple(claims), (table,))


def memory(rounds: Rounds) -> Report:
    """Look at the peak of resident memory on a large host."""
    found = rounds.at(LARGEST)
    peak = found.series["kdiag"].peak_rss_bytes / 1e6
    claims = (Claim(f"peak resident memory with {found.processes} processes", "MB", peak, None, MOST_MB),)
    rows = tuple(
        (
            name,
            round(series.peak_rss_bytes / 1e6, 1) if series.peak_rss_bytes > found.floor_bytes else "below",
        )
        for name, series in found.series.items()
    )
    floor_mb = found.floor_bytes / 1e6
    note = f"The highest of all rounds. Peaks below the bench's own ({floor_mb:.1f} MB) cannot be seen."
    return Report("memory", "Peak memory", claims, (Table("Peaks", ("command", "MB"), rows),), (note,))


def _times(found: AtSize, rival: str, what: str, aim: Optional[float] = None) -> Claim:
    if rival in found.missing:
        return Claim(what, "x", None, None, aim, found.missing[rival])
    ours, theirs = found.series["kdiag"], found.series[rival]
    return Claim(
        what,
        "x",
        ratio(ours.least_cpu_s, theirs.least_cpu_s),
        ratio(ours.median_cpu_s, theirs.median_cpu_s),
        aim,
    )


def _slopes(found: List[AtSize], rival: str, what: str, aim: Optional[float] = None) -> Claim:
    missing = [each.missing[rival] for each in found if rival in each.missing]
    if missing:
        return Claim(what, "x", None, None, aim, missing[0])

    def per_process(name: str, cpu_s: Callable[[Series], float]) -> Optional[float]:
        return slope([(each.processes, cpu_s(each.series[name])) for each in found])

    least, middle = (
        ratio(per_process("kdiag", cpu_s), per_process(rival, cpu_s))
        for cpu_s in (lambda series: series.least_cpu_s, lambda series: series.median_cpu_s)
    )
    return Claim(what, "x", least, middle, aim)


def _least(found: AtSize, name: str) -> Optional[float]:
    return found.series[name].least_cpu_s if name in found.series else None


def _rounded(value: Optional[float]) -> Optional[float]:
    return None if value is None else round(value, 1)


#: By the name on the command line, in the order in which they run.
PARTS: Dict[str, Callable[[Rounds], Report]] = {
    "cost": cost,
    "growth": growth,
    "memory": memory,
    "forks": forks,
    "breakdown": breakdown,
    "decoding": decoding,
    "tracing": tracing,
    "ready": ready,
    "costs": costs,
}
