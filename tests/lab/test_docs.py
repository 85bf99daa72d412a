import json
from pathlib import Path

from lab.docs import kernels_page
from lab.results import Outcome, Row


def row(kernel: str, outcome: str) -> Row:
    tests = (Outcome("tests/live/tools/test_snoops.py::test_x[bpf]", outcome, None, 1.0),)
    return Row(kernel, "tools", f"{kernel}.0", "1", tests, None, "", 1.0, 1.0)


def tell(folder: Path, kernel: str, *lines: "tuple[str, str, bool]") -> None:
    guest = folder / f"{kernel}-tools"
    guest.mkdir()
    told = [{"tool": tool, "mechanism": name, "answered": answered} for tool, name, answered in lines]
    (guest / "tools.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in told))


def test_mechanisms_that_answered_are_shown_of_guests_that_were_well(tmp_path: Path) -> None:
    tell(
        tmp_path, "6.1", ("opensnoop", "ftrace", True), ("opensnoop", "bcc", True), ("runqlat", "bcc", False)
    )
    tell(tmp_path, "7.2", ("opensnoop", "bpf", True))
    page = kernels_page([row("6.1", "passed"), row("7.2", "failed")], str(tmp_path))
    assert "| tool | 6.1 tools |" in page
    assert "| `opensnoop` | bcc, ftrace |" in page
    assert "runqlat" not in page.split("## Tools, and the mechanisms")[1].split("##")[0]
