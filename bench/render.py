"""Reports as text and as JSON."""

import json
import os
import platform
import shutil
import subprocess
from typing import Any, Dict, Iterator, List, Sequence

from bench.claims import Claim, Report, falls_short, verdict
from bench.processes import count_processes

__all__ = ["as_json", "machine", "text_lines"]

NOTE = "Machines are noisy, and so are absolute times: only the ratios, measured by turns in one run, count."


def machine() -> Dict[str, Any]:
    """Return the facts without which the figures mean nothing."""
    with open("/proc/meminfo", encoding="ascii") as file:
        memory_kib = int(file.readline().split()[1])
    return {
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "memory_gib": round(memory_kib / 2**20, 1),
        "python": platform.python_version(),
        "psutil": _psutil_version(),
        "ps": _ps_version(),
        "processes": count_processes(),
        "load": [round(load, 2) for load in os.getloadavg()],
    }


def text_lines(reports: Sequence[Report], facts: Dict[str, Any], statistic: str) -> Iterator[str]:
    """Yield the lines of a report for people."""
    from tabulate import tabulate

    yield (
        "{kernel}, {cpus} CPUs, {memory_gib} GiB memory, Python {python}, psutil {psutil}, ps {ps}; "
        "{processes} processes, load {load[0]}".format(**facts)
    )
    yield statistic
    yield NOTE
    for report in reports:
        yield ""
        yield f"## {report.title}"
        if report.claims:
            yield ""
            headers = ("claim", "aim", "measured", "from medians", "")
            yield tabulate([_claim_row(claim) for claim in report.claims], headers, disable_numparse=True)
        for table in report.tables:
            yield ""
            yield f"{table.title}:"
            yield ""
            yield tabulate(table.rows, table.headers, missingval="-")
        if report.notes:
            yield ""
            yield from report.notes
    yield ""
    short = [claim.what for report in reports for claim in report.claims if falls_short(claim)]
    yield f"Missed, or not measured: {'; '.join(short)}." if short else "No aim is missed."


def _claim_row(claim: Claim) -> List[str]:
    aim = "" if claim.aim is None else f"at most {_number(claim.aim, claim.unit)}"
    told = verdict(claim)
    return [
        claim.what,
        aim,
        _number(claim.measured, claim.unit),
        _number(claim.median, claim.unit),
        f"{told}: {claim.reason}" if claim.reason else told,
    ]


def _number(value: Any, unit: str) -> str:
    if value is None:
        return ""
    # Below one, a first decimal alone would hide too much.
    digits = 0 if not unit else 2 if value < 1 else 1
    return f"{value:.{digits}f} {unit}".rstrip()


def as_json(reports: Sequence[Report], facts: Dict[str, Any], statistic: str) -> str:
    """Return all of it as one document."""
    parts = [
        {
            **report._asdict(),
            "claims": [{**claim._asdict(), "verdict": verdict(claim)} for claim in report.claims],
            "tables": [table._asdict() for table in report.tables],
        }
        for report in reports
    ]
    return json.dumps({"machine": facts, "statistic": statistic, "note": NOTE, "parts": parts}, indent=2)


def _psutil_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("psutil")
    except PackageNotFoundError:
        return "none"


def _ps_version() -> str:
    ps = shutil.which("ps")
    if ps is None:
        return "none"
    done = subprocess.run([ps, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip().replace("ps from ", "") or "unknown"
