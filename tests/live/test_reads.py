"""What kdiag itself does to a host, as strace sees it: what it opens; that it starts and writes nothing."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Dict

import pytest

from kdiag.procfs.catalogue import SOURCES
from tests.live.looking import KDIAG

_OPENS = "trace=open,openat,openat2,creat"
_WRITES = r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND"
OPENS = 23


@pytest.mark.needs("strace")
def test_strace_counts_as_many_opens_as_are_made(tmp_path: Path) -> None:
    """The known number that tools which count opens are held to."""
    target, report = tmp_path / "target", tmp_path / "report"
    target.touch()
    program = f"from tests.live.loads import opens; opens({str(target)!r}, {OPENS})"
    subprocess.run(
        [
            "strace",
            "-f",
            "-c",
            "-o",
            report,
            "-P",
            target,
            "-e",
            "trace=openat",
            sys.executable,
            "-c",
            program,
        ],
        check=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
    )
    calls = next(line.split() for line in report.read_text().splitlines() if line.endswith("openat"))
    assert int(calls[3]) == OPENS


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> "tuple[Dict[str, Any], str]":
    """Take a snapshot under strace: its document, and every file opened and program started."""
    report = tmp_path_factory.mktemp("strace") / "report"
    calls = f"{_OPENS},execve,unlink,unlinkat,rename,renameat2,mkdir,mkdirat,mount,kill"
    done = subprocess.run(
        ["strace", "-f", "-y", "-o", report, "-e", calls, *KDIAG, "snapshot", "--json", "--timings"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return json.loads(done.stdout), report.read_text()


def opened(report: str) -> "Counter[str]":
    """Count the kernel files that were opened, by path."""
    paths = re.findall(r'open(?:at)?\([^"]*"(/(?:proc|sys)/[^"]*)", [^)]*\) += \d', report)
    return Counter(paths)


def pattern(path: str) -> str:
    """Return the regular expression that a row's path stands for."""
    escaped = re.escape(path)
    for mark, meaning in (("[pid]", "[0-9]+"), ("[tid]", "[0-9]+"), ("**", ".+"), ("*", "[^/]+")):
        escaped = escaped.replace(re.escape(mark), meaning)
    return escaped


@pytest.mark.needs("strace")
def test_kdiag_reads_as_often_as_it_says(traced: "tuple[Dict[str, Any], str]") -> None:
    document, report = traced
    said = {cost["path"]: cost["reads"] for cost in document["costs"]}
    seen = opened(report)
    # Where the interpreter itself reads kernel files, it does so before kdiag's first line.
    for path in ("/proc/stat", "/proc/meminfo", "/proc/vmstat", "/proc/loadavg", "/proc/diskstats"):
        assert seen[path] == said[path] == 2, path
    of_processes = sum(count for path, count in seen.items() if re.fullmatch(r"/proc/\d+/stat", path))
    assert of_processes == said["/proc/[pid]/stat"]


@pytest.mark.needs("strace")
def test_kdiag_opens_no_kernel_file_that_is_not_in_its_catalogue(
    traced: "tuple[Dict[str, Any], str]",
) -> None:
    _, report = traced
    rows = re.compile("|".join(pattern(source.path) for source in SOURCES))
    # Folders are listed; so are its own descriptors, by the child that may hang in its place.
    folders = re.compile(r"/proc/?|/proc/(\d+|self)/(fd|task)/?|/sys/.*")
    seen = opened(report)
    assert len(seen) > 50
    unknown = [path for path in seen if not rows.fullmatch(path) and not folders.fullmatch(path)]
    # The first line of any program: the C library and Python look at these.
    assert sorted(set(unknown) - {"/proc/self/maps", "/proc/filesystems"}) == []


@pytest.mark.needs("strace")
def test_a_look_writes_nothing_and_starts_nothing(traced: "tuple[Dict[str, Any], str]") -> None:
    _, report = traced
    lines = [line for line in report.splitlines() if not re.search(r"= -1 E", line)]
    assert [line for line in lines if "execve(" in line][1:] == []
    written = [line for line in lines if re.search(_WRITES, line) and "/dev/null" not in line]
    # Python may keep what it compiled.
    assert [line for line in written if "__pycache__" not in line] == []
    changing = re.compile(r"\b(unlink|unlinkat|rename|renameat2|mkdir|mkdirat|mount)\(")
    assert [line for line in lines if changing.search(line) and "__pycache__" not in line] == []
