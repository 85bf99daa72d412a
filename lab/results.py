"""What came of one guest: its tests, how it ended, and whether that counts as well.

A row is well only if the guest gave its command's exit status back, pytest came to its end, at least one test
passed and none failed. Everything else is a failure with a reason, never a pass and never a silence.
"""

import json
import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from lab.console import end_of
from lab.guest import Ended
from lab.pytest_report import FILE

__all__ = ["Row", "Outcome", "outcomes_of", "read_rows", "row_of", "write_row"]

_WEIGHT = {"passed": 0, "skipped": 1, "failed": 2}

# pytest.ExitCode
_PYTEST_ENDS = {2: "was interrupted", 3: "had an internal error", 4: "was used wrongly", 5: "found no test"}


class Outcome(NamedTuple):
    """One test. `outcome` is passed, failed, skipped, or started: it began and was never heard of again."""

    test: str
    outcome: str
    reason: Optional[str]
    seconds: float


class Row(NamedTuple):
    """One kernel x variant. `why` tells why the row is bad apart from failed tests; None if nothing is."""

    kernel: str
    variant: str
    release: Optional[str]
    version: str
    tests: Tuple[Outcome, ...]
    why: Optional[str]
    console_end: str
    took_s: float
    booted_s: Optional[float]
    warnings: Tuple[str, ...] = ()

    def count(self, outcome: str) -> int:
        """How many tests had `outcome`."""
        return sum(test.outcome == outcome for test in self.tests)

    @property
    def well(self) -> bool:
        """Whether the row counts as passed."""
        return self.why is None and self.count("passed") > 0 and not self.count("failed")

    def skips(self) -> Dict[str, int]:
        """Reason -> number of tests that were skipped for it, most frequent first."""
        counts: Dict[str, int] = {}
        for test in self.tests:
            if test.outcome == "skipped":
                reason = " ".join((test.reason or "no reason").split())
                counts[reason] = counts.get(reason, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def outcomes_of(lines: str) -> Tuple[Tuple[Outcome, ...], Optional[int]]:
    """(tests, pytest's exit status or None if it did not finish) of what `lab.pytest_report` wrote.

    A last line that was cut off is left out: the guest crashed while it wrote it.
    """
    tests: Dict[str, Outcome] = {}
    finished: Optional[int] = None
    for text in lines.splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if "finished" in line:
            finished = line["finished"]
        elif line.get("started"):
            tests[line["test"]] = Outcome(line["test"], "started", None, 0.0)
        else:
            tests[line["test"]] = _worse(tests.get(line["test"]), line)
    return tuple(tests.values()), finished


def _worse(so_far: Optional[Outcome], line: Dict[str, Any]) -> Outcome:
    seconds = line["s"] + (so_far.seconds if so_far else 0.0)
    outcome, reason = line["outcome"], line["reason"]
    # A test that was set up has not passed yet: only its call, or a skip or failure of any phase, tells.
    if outcome == "passed" and line["phase"] == "setup":
        return Outcome(line["test"], "started", None, seconds)
    if so_far and _WEIGHT.get(so_far.outcome, -1) >= _WEIGHT[outcome]:
        return so_far._replace(seconds=seconds)
    return Outcome(line["test"], outcome, reason, seconds)


def why_bad(ended: Ended, tests: Tuple[Outcome, ...], finished: Optional[int]) -> Optional[str]:
    """Why the row is bad apart from tests that failed; None if nothing is."""
    hanging = [test.test for test in tests if test.outcome == "started"]
    at = f", while {hanging[-1]} ran" if hanging else ""
    if ended.why is not None:
        return ended.why + at
    if finished is None:
        return f"pytest did not come to its end (exit status {ended.status}){at}"
    if finished in _PYTEST_ENDS:
        return f"pytest {_PYTEST_ENDS[finished]}"
    if hanging:
        return f"{len(hanging)} tests began and did not end: {hanging[0]}"
    if not any(test.outcome == "passed" for test in tests):
        return "no test passed" if tests else "no test ran"
    if ended.status not in (0, 1):
        return f"the command ended with status {ended.status}"
    if ended.status == 1 and not any(test.outcome == "failed" for test in tests):
        return "pytest says that something failed, and no test did"
    return None


def row_of(kernel: str, version: str, variant: str, ended: Ended, out: str) -> Row:
    """The row of a guest that has ended, from what it left in `out`."""
    try:
        with open(os.path.join(out, FILE), encoding="utf-8", errors="replace") as file:
            tests, finished = outcomes_of(file.read())
    except FileNotFoundError:
        tests, finished = (), None
    why = why_bad(ended, tests, finished)
    return Row(
        kernel=kernel,
        variant=variant,
        release=ended.release,
        version=version,
        tests=tests,
        why=why,
        console_end=end_of(ended.console) if why else "",
        took_s=round(ended.took_s, 1),
        booted_s=ended.booted_s,
        warnings=tuple(trouble.line for trouble in ended.troubles if not trouble.fatal),
    )


def write_row(row: Row, path: str) -> None:
    """Keeps a row as JSON."""
    document = row._asdict()
    document["tests"] = [test._asdict() for test in row.tests]
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)


def read_row(path: str) -> Row:
    """A row that was kept."""
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    document["tests"] = tuple(Outcome(**test) for test in document["tests"])
    document["warnings"] = tuple(document["warnings"])
    return Row(**document)


def read_rows(folder: str) -> List[Row]:
    """Every row that was kept below `folder`, in no particular order."""
    paths = [os.path.join(folder, name, "row.json") for name in sorted(os.listdir(folder))]
    return [read_row(path) for path in paths if os.path.exists(path)]
