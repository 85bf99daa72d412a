"""exitsnoop by looks at /proc: what lives long enough is seen, and how it ended where its parent waits."""

import json
from collections import Counter
from typing import Any, Dict, List

import pytest

from tests.live.traced import kdiag, python

#: 12 children live for a second; the parent asks how they ended a second later. The last are gone at once.
_CHILDREN = """
import os, signal, time
children = []
for number in range(12):
    pid = os.fork()
    if not pid:
        time.sleep(60 if number < 3 else 1)
        os._exit(3 if number < 8 else 0)
    children.append(pid)
time.sleep(1)
for pid in children[:3]: os.kill(pid, signal.SIGTERM)
time.sleep(1)
for pid in children: os.waitpid(pid, 0)
"""


def _rows(*words: str) -> List[Dict[str, Any]]:
    done = kdiag("exitsnoop", "--backend", "procfs", "--json", *words, "--", *python(_CHILDREN))
    assert done.returncode == 0, done.stderr
    begin, *rows, end = map(json.loads, done.stdout.splitlines())
    assert begin["mechanism"]["name"] == "procfs"
    assert end["lost"] == 0
    return rows


def test_each_child_is_seen_with_how_it_ended() -> None:
    rows = _rows()
    own = max(rows, key=lambda row: row["lived_ns"])
    children = [row for row in rows if row["parent_pid"] == own["pid"]]
    assert len(rows) == 13
    assert Counter((row["exit_code"], row["signal"]) for row in children) == {
        (None, "SIGTERM"): 3,
        (3, None): 5,
        (0, None): 4,
    }
    assert all(0.8e9 < row["lived_ns"] < 5e9 for row in children)


def test_failures_alone_are_shown_where_they_are_asked_for() -> None:
    # How the parent ended may not have been seen.
    rows = [row for row in _rows("-x") if row["exit_code"] is not None or row["signal"]]
    assert len(rows) == 8


@pytest.mark.parametrize("words", [("--threads",)])
def test_threads_are_refused_with_the_reason(words: Any) -> None:
    done = kdiag("exitsnoop", "--backend", "procfs", *words, "--for", "0.1")
    assert done.returncode == 3
    assert "ends of threads" in done.stderr
