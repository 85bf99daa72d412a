"""A pytest plugin that writes one JSON line when a test starts and one when it ends (`-p lab.pytest_report`).

A report that is written at the end, as JUnit's is, says nothing of a guest that crashed or hung on its way.
Here the last line without an end names the test that was running.
"""

import json
import os
from typing import Any, Dict, Optional

import pytest

__all__ = ["FILE"]

FILE = "tests.jsonl"


def _write(line: Dict[str, Any]) -> None:
    path = os.path.join(os.environ["KDIAG_LAB_OUT"], FILE)
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _reason(report: pytest.TestReport) -> Optional[str]:
    if report.outcome == "skipped":
        if isinstance(report.longrepr, tuple):
            return report.longrepr[2].replace("Skipped: ", "", 1)
        return getattr(report, "wasxfail", None) or str(report.longrepr)
    if report.outcome == "failed":
        crash = getattr(report.longrepr, "reprcrash", None)
        return str(crash.message) if crash is not None else str(report.longrepr)[-2000:]
    return None


def pytest_runtest_logstart(nodeid: str) -> None:
    """Names the test that begins."""
    _write({"test": nodeid, "started": True})


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Tells of every phase: a test is as well as the worst of its set-up, its call and its tear-down."""
    _write(
        {
            "test": report.nodeid,
            "phase": report.when,
            "outcome": report.outcome,
            "reason": _reason(report),
            "s": round(report.duration, 2),
        }
    )


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A file that cannot even be imported is a failed test: its tests would be missed by nobody."""
    if report.failed:
        _write(
            {
                "test": report.nodeid,
                "phase": "collect",
                "outcome": "failed",
                "reason": str(report.longrepr)[-2000:],
                "s": 0.0,
            }
        )


def pytest_sessionfinish(exitstatus: int) -> None:
    """Says that pytest came to its end."""
    _write({"finished": int(exitstatus)})
