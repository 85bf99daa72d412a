import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from lab.docs import absent_by_reason, kernels_page, readme_table
from lab.results import Outcome, Row
from lab.table import render


def row(
    kernel: str,
    variant: str,
    outcomes: str,
    why: Optional[str] = None,
    reason: str = "",
    console_end: str = "",
    warnings: Tuple[str, ...] = (),
) -> Row:
    names = {"p": "passed", "f": "failed", "s": "skipped"}
    tests = tuple(
        Outcome(f"tests/live/test_a.py::test_{number}", names[letter], reason or None, 1.0)
        for number, letter in enumerate(outcomes)
    )
    return Row(
        kernel, variant, f"{kernel}.0-amd64", f"{kernel}.9-1", tests, why, console_end, 99.6, 14.0, warnings
    )


def test_the_table_says_all_of_a_green_lab() -> None:
    rows = [row("6.1", "default", "ppp"), row("7.2", "psi0", "pps", reason="no PSI")]
    assert render(rows) == (
        "kernel  release      variant  passed  failed  skipped  seconds  verdict\n"
        "6.1     6.1.0-amd64  default       3       0        0      100  well\n"
        "7.2     7.2.0-amd64  psi0          2       0        1      100  well\n"
        "\n"
        "Skipped, and why (in brackets: tests)\n"
        "  no PSI\n"
        "      7.2 psi0 (1)\n"
        "\n"
        "2 guests: 2 well, 0 not"
    )


def test_failures_are_shown_with_their_first_lines_and_the_end_of_the_console() -> None:
    rows = [
        row("6.1", "default", "pf", reason="assert 1 == 2\nmore\nand more\nand yet more"),
        row("7.2", "default", "p", why="panic: Kernel panic", console_end="last but one\nKernel panic"),
    ]
    text = render(rows)
    assert text.endswith(
        "6.1 default: tests/live/test_a.py::test_1 failed\n"
        "    assert 1 == 2\n"
        "    more\n"
        "    and more\n"
        "\n"
        "7.2 default: panic: Kernel panic\n"
        "  the end of its console:\n"
        "  | last but one\n"
        "  | Kernel panic\n"
        "\n"
        "2 guests: 0 well, 2 not"
    )
    assert text.count("FAILED") == 2


def test_one_reason_names_all_the_guests_it_holds_in() -> None:
    rows = [row("6.1", "default", "ps", reason="no swap"), row("7.2", "default", "pss", reason="no swap")]
    assert "  no swap\n      6.1 default (1), 7.2 default (2)\n" in render(rows)


def test_warnings_of_consoles_are_told() -> None:
    text = render([row("6.1", "default", "p", warnings=("WARNING: CPU: 0 PID: 9 at x.c:1",))])
    assert (
        "Warnings on consoles (the guests went on)\n  6.1 default: WARNING: CPU: 0 PID: 9 at x.c:1\n" in text
    )


def test_the_readme_has_a_line_for_each_kernel_that_was_run() -> None:
    rows = [row("7.2", "default", "pp"), row("6.1", "psi0", "pf"), row("6.1", "default", "pps")]
    assert readme_table(rows) == (
        "| kernel | Debian package | well in | not well in | live tests |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| 6.1 | 6.1.9-1 | default | psi0 | 3 passed, 1 failed, 1 skipped |\n"
        "| 7.2 | 7.2.9-1 | default | - | 2 passed, 0 failed, 0 skipped |"
    )


def test_the_page_says_what_was_run_what_was_not_and_why_tests_were_skipped(tmp_path: Path) -> None:
    rows = [row("6.1", "default", "ps", reason="no irq PSI"), row("7.2", "default", "p")]
    page = kernels_page(rows, str(tmp_path))
    assert "| 6.1 | 6.1.9-1 | default | 1 | 0 | 1 | well |\n" in page
    assert "| no irq PSI | 6.1 (all) |\n" in page
    assert "\n- default on 5.10, 6.12; " in page.split("## What is not run")[1]


def test_reasons_that_differ_in_a_figure_are_one_and_the_version_that_a_reason_names_stays() -> None:
    old, new = row("5.10", "default", "p"), row("7.2", "default", "p")
    irq = "this needs 6.1 or later"
    said = [(old, {"a": "3 of 4 tasks", "b": irq}), (new, {"a": "5 of 4 tasks", "b": irq, "c": "is 0"})]
    assert absent_by_reason(said) == [
        ("a", "N of N tasks", [old, new]),
        ("b", irq, [old, new]),
        ("c", "is 0", [new]),
    ]


def test_what_doctor_found_is_told_kernel_by_kernel_with_its_reasons(tmp_path: Path) -> None:
    told: Dict[str, List[Tuple[Any, ...]]] = {
        "6.1-default": [("tracefs", True, "", ""), ("fprobes", False, "built without it", "EINVAL on f:x")],
        "7.2-default": [("tracefs", True, "", ""), ("fprobes", None, "", "not tried: busy")],
    }
    for name, trials in told.items():
        (tmp_path / name).mkdir()
        document = {
            "capabilities": [dict(zip(("id", "works", "why", "detail"), trial)) for trial in trials],
        }
        (tmp_path / name / "doctor.json").write_text(json.dumps(document))
    page = kernels_page([row("6.1", "default", "p"), row("7.2", "default", "p")], str(tmp_path))
    assert (
        "| capability | what it is | 6.1 | 7.2 |\n| --- | --- | --- | --- |\n| `tracefs` |  | yes | yes |\n"
        in page
    )
    assert "| `fprobes` |  | no | not tried |\n" in page
    assert "| `fprobes` | built without it (EINVAL on f:x) | 6.1 (all) |\n" in page
    assert "| `fprobes` | not tried: busy | 7.2 (all) |\n" in page
