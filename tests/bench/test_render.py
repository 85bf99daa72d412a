import json
from typing import Any, Dict

from bench.claims import Claim, Report, Table
from bench.render import NOTE, as_json, text_lines

FACTS: Dict[str, Any] = {
    "kernel": "Linux 6.18.0 x86_64",
    "cpus": 2,
    "memory_gib": 23.5,
    "python": "3.11.7",
    "psutil": "none",
    "ps": "procps-ng 4.0.2",
    "processes": 83,
    "load": [0.5, 0.4, 0.3],
}
REPORT = Report(
    "cost",
    "What one run costs",
    (
        Claim("CPU against pass", "x", 7.25, 7.51, 7.0),
        Claim("CPU against psutil", "x", None, None, None, "no psutil"),
        Claim("CPU against ps", "x", 0.6512, 0.7),
        Claim("forks", "", 0.0, None, 0.0),
    ),
    (Table("CPU", ("processes", "kdiag"), ((500, 7.2),)),),
    ("A note.",),
)


def test_a_report_shows_aim_measurement_and_verdict_side_by_side() -> None:
    assert list(text_lines([REPORT], FACTS, "The least of 3 rounds.")) == [
        "Linux 6.18.0 x86_64, 2 CPUs, 23.5 GiB memory, Python 3.11.7, psutil none, ps procps-ng 4.0.2; "
        "83 processes, load 0.5",
        "The least of 3 rounds.",
        NOTE,
        "",
        "## What one run costs",
        "",
        "claim               aim            measured    from medians\n"
        "------------------  -------------  ----------  --------------  -----------------------\n"
        "CPU against pass    at most 7.0 x  7.2 x       7.5 x           MISSED\n"
        "CPU against psutil                                             not measured: no psutil\n"
        "CPU against ps                     0.65 x      0.70 x\n"
        "forks               at most 0      0                           met",
        "",
        "CPU:",
        "",
        "  processes    kdiag\n-----------  -------\n        500      7.2",
        "",
        "A note.",
        "",
        "Missed, or not measured: CPU against pass; CPU against psutil.",
    ]


def test_the_document_says_of_each_claim_how_it_stands() -> None:
    document = json.loads(as_json([REPORT], FACTS, "The least of 3 rounds."))
    assert document["machine"] == FACTS
    assert [claim["verdict"] for claim in document["parts"][0]["claims"]] == [
        "MISSED",
        "not measured",
        "",
        "met",
    ]
    assert document["parts"][0]["tables"][0]["rows"] == [[500, 7.2]]
